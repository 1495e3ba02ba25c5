"""A log that a crowd of strangers cannot flood: the same event is said once, then counted."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import trio
from structlog.typing import FilteringBoundLogger

_QUIET_SECONDS = 10


@dataclass(slots=True)
class _Held:
    """What has not been said yet: how often it happened, and how to say it."""

    count: int
    say: Callable[..., None]


class Damper:
    """Says an event at once, and then, every ten seconds, how often it happened since.

    Args:
      log: where.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self.log = log
        # Both by events and whom they are about, which are a few fixed texts.
        self._quiet_until: dict[tuple[str, object], float] = {}
        self._held: dict[tuple[str, object], _Held] = {}
        self._holds = trio.Event()

    def say(
        self, say: Callable[..., None], event: str, *, about: object = "", **values: object
    ) -> None:
        """Log *event*, now or in a sum.

        Args:
          say: how: a method of `log`.
          event: what happened; the same text is the same event.
          about: what it happened to, where one thing shall not hide another.
          values: what else the record says. A sum has those of the last time.
        """
        now = trio.current_time()
        key = event, about
        if now >= self._quiet_until.get(key, now) and key not in self._held:
            self._quiet_until[key] = now + _QUIET_SECONDS
            say(event, **values)
            return
        count = self._held[key].count if key in self._held else 0

        def say_sum(times: int) -> None:
            say(event, **values, times=times)

        self._held[key] = _Held(count + 1, say_sum)
        self._holds.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Say what is held back when its time has come, and all of it in the end."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._run)
                yield
                nursery.cancel_scope.cancel()
        finally:
            self._flush(math.inf)

    async def _run(self) -> NoReturn:
        while True:
            await self._holds.wait()
            await trio.sleep_until(min(self._quiet_until[key] for key in self._held))
            self._flush(trio.current_time())

    def _flush(self, now: float) -> None:
        """Say what has been held back long enough by *now*."""
        for key in [key for key in self._held if self._quiet_until[key] <= now]:
            held = self._held.pop(key)
            self._quiet_until[key] = now + _QUIET_SECONDS
            held.say(held.count)
        if not self._held:
            self._holds = trio.Event()
