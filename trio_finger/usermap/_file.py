"""The lower layer: what the users file says, as far as it has been taken over."""

from datetime import UTC, datetime
from typing import Final

from trio_finger.protocol.profile import Profile
from trio_finger.usermap._full_names import FullNames
from trio_finger.usermap._part import MASK, PARTS, Part, part_of
from trio_finger.usermap._status import Status

_NEVER: Final = datetime.min.replace(tzinfo=UTC)  # stands in parts with nobody in them


class FileLayer:
    """Everybody whom the users file names, by key.

    Attributes:
      parts: all that it says, for others to read.
      full_names: who is called what, but for the hidden.
    """

    def __init__(self) -> None:
        self.parts = [Part(_NEVER) for _ in range(PARTS)]
        self.full_names = FullNames()

    def __contains__(self, key: str) -> bool:
        return key in self.parts[hash(key) & MASK].texts

    def status(self, key: str) -> Status | None:
        """Return what *key* is up to; ``None`` if the file does not name them."""
        part = self.parts[hash(key) & MASK]
        text = part.texts.get(key)
        if text is None:
            return None
        since = part.sinces.get(key, part.since)
        return Status(part.names.get(key, key), text.decode(), since)

    def name(self, key: str) -> str | None:
        """Return how the file spells the name of *key*, if it does."""
        part = self.parts[hash(key) & MASK]
        return part.names.get(key, key) if key in part.texts else None

    def text(self, key: str) -> str | None:
        """Return the status of *key*, if the file names them."""
        text = self.parts[hash(key) & MASK].texts.get(key)
        return None if text is None else text.decode()

    def profile(self, key: str) -> Profile | None:
        """Return what the file says of *key* besides, if anything."""
        return self.parts[hash(key) & MASK].profiles.get(key)

    def take(self, key: str, new: Part) -> None:
        """Have said of *key* what *new* says, if anything."""
        part = self.parts[part_of(key)]
        if part.profiles or new.profiles:
            before, now = part.profiles.get(key), new.profiles.get(key)
            self.full_names.put(key, _full_name(before), _full_name(now))
        part.take(key, new)


def _full_name(profile: Profile | None) -> str:
    """Return the full name by which somebody is found: nobody finds the hidden."""
    return "" if profile is None or profile.hidden else profile.full_name
