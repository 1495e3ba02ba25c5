"""The sources that the configuration names, as one thing to ask."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import trio

from trio_finger.config import (
    Config,
    FingerSource,
    PlanSource,
    ProgramSource,
    Service,
    WebSource,
)
from trio_finger.config import Source as Section
from trio_finger.log import get_log
from trio_finger.net import Damper
from trio_finger.protocol.text import fold
from trio_finger.sources._asked import Asked, Bounds
from trio_finger.sources._directory import Directory, Known
from trio_finger.sources._finger import Fingers
from trio_finger.sources._plan import Plans
from trio_finger.sources._program import Machine, Programs
from trio_finger.sources._source import Source, make_identity
from trio_finger.sources._web import Web
from trio_finger.usermap import Status, UserMap

_CLOSE_SECONDS: Final = 1  # that closing connections to sources may take


@asynccontextmanager
async def open_sources(
    users: UserMap,
) -> AsyncIterator["Sources"]:
    """Have `Sources` for the length of an ``async with`` block; none are there at first.

    Args:
      users: what comes before all of them.
    """
    damper = Damper(get_log("sources"))
    async with damper.running(), trio.open_nursery() as nursery:
        sources = Sources(users, damper, nursery)
        try:
            yield sources
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSE_SECONDS):
                await sources.aclose()


class Sources:
    """The sources that are asked.

    Args:
      users: what comes before all of them.
      damper: is told of failures.
      nursery: where questions are under way.

    Attributes:
      directory: asks them.
    """

    def __init__(
        self,
        users: UserMap,
        damper: Damper,
        nursery: trio.Nursery,
    ) -> None:
        self.directory = Directory(users)
        self._damper = damper
        self._nursery = nursery
        self._identity = make_identity()
        self._config = Config()

    def use(self, config: Config) -> None:
        """Ask what *config* names from now on, and nobody else.

        Where that is the same as before, what is known of names stays known.
        """
        before = self._config
        if (config.source, config.service) == (before.source, before.service):
            return
        self._config, old = config, self._all()
        sources = [
            self._ask(self._make(section), label, section)
            for label, section in zip(_labels(config), config.source, strict=True)
        ]
        services = {
            fold(name): self._ask(Machine(section), f"service {name}", section)
            for name, section in config.service.items()
        }
        now = datetime.now(UTC)
        listed = {
            fold(name): Status(name, "", now, details=section.title)
            for name, section in config.service.items()
        }
        plain = {fold(name) for name, section in config.service.items() if section.file}
        self.directory.known = Known(sources, services, listed, plain)
        for asked in old:
            self._nursery.start_soon(asked.aclose)

    async def aclose(self) -> None:
        """Let go of whatever is held between questions."""
        for asked in self._all():
            await asked.aclose()

    def _all(self) -> list[Asked]:
        known = self.directory.known
        return [*known.sources, *known.services.values()]

    def _ask(self, source: Source, label: str, section: Section | Service) -> Asked:
        bounds = Bounds(section.timeout, section.ttl, section.stale)
        return Asked(source, label, bounds, self._nursery, self.directory.answers, self._damper)

    def _make(self, section: Section) -> Source:
        match section:
            case WebSource():
                return Web(section, self._identity)
            case PlanSource():
                return Plans(section)
            case ProgramSource():
                return Programs(section)
            case FingerSource():
                return Fingers(section)


def _labels(config: Config) -> Iterator[str]:
    """Yield what each source is called: by its kind, and a number if it is not the first."""
    kinds: Counter[str] = Counter()
    for section in config.source:
        kinds[section.kind] += 1
        number = kinds[section.kind]
        yield section.kind if number == 1 else f"{section.kind}-{number}"
