"""What a users file says, in parts small enough to be worked on in one turn.

A million objects, one a user, would cost the garbage collector a quarter of a second each
time it looks through them, and twice the memory. So what there is about a user is spread
over dictionaries of plain strings, and only what is out of the ordinary has an entry besides.
Statuses are bytes, as in the file, which are smaller by 16 each than strings are.

The parts are many, because a dictionary that grows moves everything that it holds: of a
million users that takes 50 ms, of a thousandth of them nothing worth mentioning.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from trio_finger.protocol.profile import Profile

PARTS: Final = 1024  # a power of two: see `part_of`
MASK: Final = PARTS - 1

T = TypeVar("T")


def part_of(key: str) -> int:
    """Return the number of the part in which *key*, a folded name, has its place."""
    return hash(key) & MASK


class Line(NamedTuple):
    """What a users file says of one user.

    Attributes:
      name: the user, in the spelling of the file.
      text: the status; empty for one who has none.
      since: since when it says so (UTC).
      profile: what it says besides, if anything.
    """

    name: str
    text: str
    since: datetime
    profile: Profile | None = None


class Part:
    """What a users file says of those in one part; only its methods change it.

    Attributes:
      texts: everybody's status, in UTF-8, by key.
      names: the names that are not spelled as the key is.
      profiles: the profiles of those who have one.
      since: since when the statuses hold, but for those in `sinces`.
    """

    __slots__ = ("names", "profiles", "since", "sinces", "texts")

    def __init__(self, since: datetime) -> None:
        self.texts: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.profiles: dict[str, Profile] = {}
        self.since = since
        self.sinces: dict[str, datetime] = {}

    def line(self, key: str) -> Line | None:
        """Return what is said of *key*; ``None`` for nobody."""
        text = self.texts.get(key)
        if text is None:
            return None
        since = self.sinces.get(key, self.since)
        return Line(self.names.get(key, key), text.decode(), since, self.profiles.get(key))

    def put(self, key: str, line: Line) -> None:
        """Have *line* said of *key*."""
        if not self.texts:
            self.since = line.since
        self.texts[key] = line.text.encode()
        _set(self.names, key, line.name if line.name != key else None)
        _set(self.sinces, key, line.since if line.since != self.since else None)
        _set(self.profiles, key, line.profile)

    def take(self, key: str, new: "Part") -> None:
        """Have said of *key* what *new* says: since then, unless the status is as it was."""
        text = new.texts.get(key)
        if text is None:
            self.texts.pop(key, None)
            self.names.pop(key, None)
            self.sinces.pop(key, None)
            self.profiles.pop(key, None)
            return
        if self.texts.get(key) != text:
            since = new.sinces.get(key, new.since)
            if not self.texts:
                self.since = since
            self.texts[key] = text
            _set(self.sinces, key, since if since != self.since else None)
        if self.names or new.names:
            _set(self.names, key, new.names.get(key))
        if self.profiles or new.profiles:
            _set(self.profiles, key, new.profiles.get(key))

    def tidy(self) -> None:
        """Make what is the rule by now the rule: most statuses may have become newer."""
        if 2 * len(self.sinces) <= len(self.texts):
            return
        [(since, _)] = Counter(self.sinces.values()).most_common(1)
        sinces = {key: self.sinces.get(key, self.since) for key in self.texts}
        self.sinces = {key: held for key, held in sinces.items() if held != since}
        self.since = since

    def only(self, keys: Iterable[str]) -> "Part":
        """Return what is said of *keys* alone."""
        part = Part(self.since)
        for key in keys:
            part.take(key, self)
        return part

    def differing(self, new: "Part") -> set[str]:
        """Return of whom *new* says something that this does not say.

        When it was said makes no difference, nor does of whom nothing is said any more.
        """
        if (self.texts, self.names, self.profiles) == (new.texts, new.names, new.profiles):
            return set()  # in C, ten times as fast as what follows
        found = {key for key, text in new.texts.items() if self.texts.get(key) != text}
        found |= _differing(self.names, new.names)
        found |= _differing(self.profiles, new.profiles)
        return found & new.texts.keys()


def _set(layer: dict[str, T], key: str, value: T | None) -> None:
    if value is None:
        layer.pop(key, None)
    else:
        layer[key] = value


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    if not old and not new:
        return set()
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
