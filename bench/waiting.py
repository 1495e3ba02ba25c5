"""Waiting for what tells nobody when it happens: a server in another process."""

from collections.abc import Awaitable, Callable

import trio

from bench.process import cpu_seconds

QUIET = 0.3  # seconds without work
CALM = 0.05  # of a processor counts as without
PATIENCE = 20  # seconds for a server to come to rest

EVERY = 0.1  # seconds


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once *holds* says so; how long to wait at most is the caller's to say."""
    while not await holds():  # noqa: ASYNC110  # no event can be set from over there
        await trio.sleep(EVERY)


async def settle(pid: int) -> None:
    """Return once *pid* does nothing any more; that it has closed what was open is not enough.

    Raises:
      trio.TooSlowError: it goes on and on.
    """

    async def is_quiet() -> bool:
        before = cpu_seconds(pid)
        await trio.sleep(QUIET)
        return cpu_seconds(pid) - before <= CALM * QUIET

    with trio.fail_after(PATIENCE):
        await until(is_quiet)
