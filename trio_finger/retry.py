"""Delays, and the loop that keeps trying.

Whatever lives on another machine goes away now and then. Coming back at once, all of
us together, keeps it from getting up again: so each wait is longer than the one before,
up to a limit, and partly left to chance.
"""

from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import NoReturn

import trio


def backoff_delays(
    random: Random, *, first: float = 1, factor: float = 2, longest: float = 300
) -> Iterator[float]:
    """Yield delays, in seconds, for ever.

    They grow from *first* by *factor* up to *longest*; what is yielded is at least half
    of that and at most the whole, by chance.
    """
    whole = min(first, longest)
    while True:
        yield random.uniform(whole / 2, whole)
        whole = min(whole * factor, longest)


async def keep_trying(
    attempt: Callable[[], Awaitable[None]],
    *,
    expected: type[Exception] | tuple[type[Exception], ...],
    delays: Callable[[], Iterator[float]],
    stable: float,
    on_failure: Callable[[list[Exception], float], None],
) -> NoReturn:
    """Run *attempt* again whenever it ends, for ever: cancel it to stop.

    Args:
      attempt: is expected to fail sooner or later; returning counts as that too.
      expected: the exceptions that this is for, alone or in groups.
      delays: begins a series of delays between attempts, in seconds.
      stable: an attempt that lasted for so many seconds was a good one, and a new
        series begins after it. It should be more than an attempt can take to find out
        that nobody is there.
      on_failure: is told why the attempt ended, and the delay until the next one.

    Raises:
      Exception: any that is not *expected*: it is a bug, and trying again hides it.
    """
    series = delays()
    while True:
        began = trio.current_time()
        reasons: list[Exception] = []
        try:
            await attempt()
        except* expected as group:
            reasons = _leaves(group)
        if trio.current_time() - began >= stable:
            series = delays()
        delay = next(series)
        on_failure(reasons, delay)
        await trio.sleep(delay)


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    """Return the exceptions in *group*, and in the groups in it."""
    leaves: list[Exception] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, ExceptionGroup) else [error]
    return leaves
