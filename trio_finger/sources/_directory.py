"""Who is there, whoever knows it: what every door asks."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from trio_finger.protocol.text import TextError, fold, parse_name
from trio_finger.sources._asked import Asked, Verdict
from trio_finger.sources._source import Asker
from trio_finger.sources._view import View
from trio_finger.usermap import Status, UserMap

_NOBODY = Verdict()
_SERVICE_MARK = ":"  # between a service and what it is asked for, as in "weather:oslo"


@dataclass(frozen=True, slots=True)
class Known:
    """Where statuses come from besides the user map.

    Attributes:
      sources: asked one after the other for whoever has no status there.
      services: what answers to a name of its own, by folded name.
      listed: how each of those is listed, by the same.
      plain: which of them have the same answer to everything, by the same.
    """

    sources: Sequence[Asked] = ()
    services: Mapping[str, Asked] = field(default_factory=dict)
    listed: Mapping[str, Status] = field(default_factory=dict)
    plain: Collection[str] = ()


class Directory:
    """The user map, and what sources know of those who are not in it, or have no status.

    Args:
      users: the user map.

    Attributes:
      users: the same.
      is_plain: whether there is nothing but the user map.
      answers: how many answers each source gave, by its label and by what came of it.
    """

    def __init__(self, users: UserMap) -> None:
        self.users = users
        self.is_plain = True
        self._known = Known()
        self.answers: Counter[tuple[str, str]] = Counter()

    @property
    def known(self) -> Known:
        """The sources, to be replaced as a whole."""
        return self._known

    @known.setter
    def known(self, known: Known) -> None:
        self._known = known
        self.is_plain = not known.sources and not known.services

    @property
    def everybody(self) -> View:
        """Everybody who is listed."""
        return View(self.users, {}, self._known.listed)

    def at_hand(self, names: Iterable[str]) -> View | None:
        """Return who *names* are; ``None`` if somebody has to be asked first."""
        said: dict[str, Verdict] = {}
        for name in names:
            asked, key = self._whom_to_ask(name)
            if asked:
                verdict = _at_hand(asked, key, hidden=self.users.is_hidden(name))
                if verdict is None:
                    return None
                said[fold(name)] = verdict
        return View(self.users, said, self._known.listed)

    async def find(self, names: Iterable[str], asker: Asker = Asker()) -> View:  # noqa: B008
        """Return who *names* are, for which sources are asked if need be.

        That takes as long as the timeouts of all sources at most. Different names are asked
        for at the same time.

        Args:
          names: in any spelling; who is asked for is whoever listens to that.
          asker: for whom.
        """
        said: dict[str, Verdict] = {}

        async def find_one(name: str, asked: Sequence[Asked], key: str) -> None:
            hidden = self.users.is_hidden(name)
            said[fold(name)] = await _ask(asked, key, asker, hidden=hidden)

        async with trio.open_nursery() as nursery:
            for name in dict.fromkeys(names):
                asked, key = self._whom_to_ask(name)
                if asked:
                    nursery.start_soon(find_one, name, asked, key)
        return View(self.users, said, self._known.listed)

    def _whom_to_ask(self, name: str) -> tuple[Sequence[Asked], str]:
        """Return who may know about *name* besides the user map, and as whom to ask for it."""
        head, mark, argument = name.partition(_SERVICE_MARK)
        service = self._known.services.get(fold(head))
        if service is not None:
            return (service,), "" if fold(head) in self._known.plain else argument
        if not self._known.sources or mark:
            return (), ""
        status = self.users.get(name)
        if status is not None:
            return () if status.text else self._known.sources, status.name
        try:
            # Nobody is found by the case of letters elsewhere, either.
            return self._known.sources, fold(parse_name(name))
        except TextError:
            return (), ""


async def _ask(asked: Sequence[Asked], key: str, asker: Asker, *, hidden: bool) -> Verdict:
    """Ask one after the other, until one knows what a user is up to.

    Whoever is *hidden* is asked for as somebody whom nobody knows, so that it takes as long,
    and comes to the same if somebody fails.
    """
    verdicts: list[Verdict] = []
    for source in asked:
        verdict = await source.ask(key, asker)
        verdicts.append(_hide(verdict) if hidden else verdict)
        if _says_something(verdicts[-1]):
            break
    return _combine(verdicts)


def _at_hand(asked: Sequence[Asked], key: str, *, hidden: bool) -> Verdict | None:
    """Return the same if it is known by now."""
    verdicts: list[Verdict] = []
    for source in asked:
        verdict = source.at_hand(key)
        if verdict is None:
            return None
        verdict = _hide(verdict) if hidden else verdict
        verdicts.append(verdict)
        if _says_something(verdict):
            break
    return _combine(verdicts)


def _hide(verdict: Verdict) -> Verdict:
    return _NOBODY if verdict.found is not None else verdict


def _says_something(verdict: Verdict) -> bool:
    return verdict.found is not None and bool(verdict.found.text or verdict.found.whole)


def _combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of all: a status, else a user, else a failure, else nobody."""
    for good in (_says_something, lambda verdict: verdict.found, lambda verdict: verdict.failed):
        for verdict in verdicts:
            if good(verdict):
                return verdict
    return _NOBODY
