"""Delays, and the loop that keeps trying."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import count, islice
from random import Random
from typing import NoReturn

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_finger.retry import backoff_delays, keep_trying


@given(st.randoms(use_true_random=False), st.floats(0.1, 10), st.floats(1, 5), st.floats(0.1, 100))
def test_delays(random: Random, first: float, factor: float, longest: float) -> None:
    """Each delay is between half and the whole of what grows by the factor to the limit."""
    delays = backoff_delays(random, first=first, factor=factor, longest=longest)
    whole = first
    for delay in islice(delays, 20):
        assert min(whole, longest) / 2 <= delay <= min(whole, longest)
        whole = min(whole * factor, longest)


def test_delays_differ() -> None:
    """Many that lost the same server do not come back at the same moment."""
    assert len({next(backoff_delays(Random(seed))) for seed in range(100)}) > 90


def seconds() -> Iterator[float]:
    """Yield 1, 2, 3 ..."""
    return iter(count(1.0))


class EnoughError(Exception):
    """Ends a test from within an attempt."""


class Attempts:
    """Runs one of *scripts* at each attempt, and then raises `EnoughError`."""

    def __init__(self, *scripts: Callable[[], Awaitable[None]]) -> None:
        self._scripts = iter(scripts)
        self.failures: list[tuple[list[str], float]] = []

    async def run(self) -> None:
        await trio.lowlevel.checkpoint()
        for script in self._scripts:
            await script()
            return
        raise EnoughError

    def on_failure(self, reasons: list[Exception], delay: float) -> None:
        self.failures.append(([str(reason) for reason in reasons], delay))

    async def keep_trying(self, stable: float = 60) -> NoReturn:
        await keep_trying(
            self.run,
            expected=(OSError, EOFError),
            delays=seconds,
            stable=stable,
            on_failure=self.on_failure,
        )


async def refuse() -> None:
    await trio.lowlevel.checkpoint()
    raise OSError("refused")


async def last_a_minute() -> None:
    await trio.sleep(60)
    raise EOFError("gone")


async def finish() -> None:
    await trio.lowlevel.checkpoint()


async def test_delays_grow(autojump_clock: MockClock) -> None:
    """Failures in a row are waited upon for longer and longer, and all are told."""
    attempts = Attempts(refuse, finish, refuse)
    began = trio.current_time()
    with pytest.raises(EnoughError):
        await attempts.keep_trying()
    assert attempts.failures == [(["refused"], 1), ([], 2), (["refused"], 3)]
    assert trio.current_time() - began == pytest.approx(1 + 2 + 3)


async def test_series_begins_afresh(autojump_clock: MockClock) -> None:
    """An attempt that was stable ends the series of delays; a shorter one does not."""
    attempts = Attempts(refuse, refuse, last_a_minute, refuse)
    with pytest.raises(EnoughError):
        await attempts.keep_trying(stable=60)
    assert [delay for _, delay in attempts.failures] == [1, 2, 1, 2]

    attempts = Attempts(refuse, refuse, last_a_minute, refuse)
    with pytest.raises(EnoughError):
        await attempts.keep_trying(stable=61)
    assert [delay for _, delay in attempts.failures] == [1, 2, 3, 4]


async def test_groups_are_told_flat(autojump_clock: MockClock) -> None:
    """What was expected may come in groups of groups, as nurseries make them."""

    async def fail_together() -> None:
        async with trio.open_nursery() as outer:
            outer.start_soon(refuse)
            async with trio.open_nursery() as inner:
                inner.start_soon(refuse)
                inner.start_soon(refuse)

    attempts = Attempts(fail_together)
    with pytest.raises(EnoughError):
        await attempts.keep_trying()
    [(reasons, _)] = attempts.failures
    assert set(reasons) == {"refused"}


async def test_a_bug_is_not_swallowed(autojump_clock: MockClock) -> None:
    """An exception that was not expected comes out at once, even beside one that was."""

    async def fail_and_be_wrong() -> None:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("both", [OSError("refused"), KeyError("bug")])

    attempts = Attempts(fail_and_be_wrong)
    with pytest.RaisesGroup(KeyError):
        await attempts.keep_trying()
    assert attempts.failures == []


@pytest.mark.parametrize("script", [trio.sleep_forever, refuse])
async def test_cancelled(autojump_clock: MockClock, script: Callable[[], Awaitable[None]]) -> None:
    """It stops when cancelled, in an attempt and between two."""
    attempts = Attempts(script)
    with trio.move_on_after(0.5) as scope:
        await attempts.keep_trying()
    assert scope.cancelled_caught
