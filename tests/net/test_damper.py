"""A log that strangers cannot flood: an event is said at once, and then in sums."""

from collections.abc import Iterator, MutableMapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import CapturingLogger
from trio.testing import MockClock

from tests.net.server import events
from trio_finger.log import get_log
from trio_finger.net._damper import Damper

QUIET = 10  # seconds


Records = Sequence[MutableMapping[str, Any]]


@pytest.fixture
def log() -> Iterator[Records]:
    with structlog.testing.capture_logs() as records:
        yield records


def values(log: Records) -> list[dict[str, Any]]:
    """Return what *log* says, without what is the same in all of it."""
    common = ("log_level", "door")
    return [{key: record[key] for key in record if key not in common} for record in log]


async def test_first_at_once(log: Records, autojump_clock: MockClock) -> None:
    """What happens for the first time is said at once, by whatever method, with all its values."""
    damper = Damper(get_log("test"))
    async with damper.running():
        damper.say(damper.log.warning, "one", peer="192.0.2.7")
        assert values(log) == [{"event": "one", "peer": "192.0.2.7"}]
        damper.say(damper.log.error, "other", reason="none")
        assert events(log) == [("warning", "one"), ("error", "other")]
    assert len(log) == 2


async def test_about(log: Records, autojump_clock: MockClock) -> None:
    """What happens to one thing hides nothing that happens to another."""
    damper = Damper(get_log("test"))
    async with damper.running():
        for source in ("web", "plan", "web"):
            damper.say(damper.log.warning, "failed", about=source, source=source)
        assert [record["source"] for record in log] == ["web", "plan"]
    assert values(log)[2] == {"event": "failed", "source": "web", "times": 1}


async def test_then_a_sum(log: Records, autojump_clock: MockClock) -> None:
    """What goes on is said each ten seconds: how often it happened since, and the last of it."""
    damper = Damper(get_log("test"))
    async with damper.running():
        damper.say(damper.log.warning, "one", peer=0)
        await trio.sleep(0.5)
        for number in range(1, 35):  # one a second
            damper.say(damper.log.warning, "one", peer=number)
            await trio.sleep(1)
        await trio.sleep(100)
        assert values(log) == [
            {"event": "one", "peer": 0},
            {"event": "one", "peer": 10, "times": 10},
            {"event": "one", "peer": 20, "times": 10},
            {"event": "one", "peer": 30, "times": 10},
            {"event": "one", "peer": 34, "times": 4},
        ]
    assert len(log) == 5


async def test_at_once_again(log: Records, autojump_clock: MockClock) -> None:
    """After ten quiet seconds the next time is like the first."""
    damper = Damper(get_log("test"))
    async with damper.running():
        for _ in range(3):
            damper.say(damper.log.warning, "one")
            await trio.sleep(QUIET)
    assert values(log) == [{"event": "one"}] * 3


async def test_sums_have_their_own_times(log: Records, autojump_clock: MockClock) -> None:
    """Different events hold up each other neither in what is said nor in when."""
    damper = Damper(get_log("test"))
    said: list[tuple[float, str]] = []
    began = trio.current_time()

    def say(event: str) -> None:
        def method(event: str, **_: object) -> None:
            said.append((round(trio.current_time() - began, 3), event))

        damper.say(method, event)

    async with damper.running():
        say("one")
        say("one")
        await trio.sleep(4)
        say("other")
        say("other")
        await trio.sleep(96)
    assert said == [(0, "one"), (4, "other"), (10, "one"), (14, "other")]
    assert log == []


@pytest.mark.parametrize("how", ["stop", "cancel", "fail"])
async def test_nothing_is_lost_at_the_end(
    log: Records, how: str, autojump_clock: MockClock
) -> None:
    """What is held back is said at the end, however that comes, and before its time."""
    damper = Damper(get_log("test"))
    began = trio.current_time()

    async def run(scope: trio.CancelScope) -> None:
        with scope:
            async with damper.running():
                for _ in range(3):
                    damper.say(damper.log.warning, "one")
                damper.say(damper.log.info, "other")
                if how == "cancel":
                    scope.cancel()
                    await trio.sleep_forever()
                if how == "fail":
                    raise ZeroDivisionError

    if how == "fail":
        with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
            await run(trio.CancelScope())
    else:
        await run(trio.CancelScope())
    assert trio.current_time() == began
    assert values(log) == [{"event": "one"}, {"event": "other"}, {"event": "one", "times": 2}]


async def test_said_before_and_after(log: Records, autojump_clock: MockClock) -> None:
    """What happens while nothing runs is said as soon as something does, or at its end."""
    damper = Damper(get_log("test"))
    damper.say(damper.log.warning, "one")
    damper.say(damper.log.warning, "one")
    async with damper.running():
        await trio.sleep(QUIET + 1)
        assert [record.get("times", 1) for record in log] == [1, 1]


async def test_t25_flood(log: Records, autojump_clock: MockClock) -> None:
    """T25: a hundred thousand events are two records, and hold no more than one in memory."""
    damper = Damper(get_log("test"))
    async with damper.running():
        for number in range(100_000):
            damper.say(damper.log.warning, "too many connections", peer=f"192.0.2.{number}")
        assert len(log) == len(damper._held) == len(damper._quiet_until) == 1
    assert log[1]["times"] == 99_999
    assert log[1]["peer"] == "192.0.2.99999"


steps = st.lists(st.tuples(st.sampled_from(["one", "other"]), st.integers(0, 12)), max_size=40)


@given(steps)
def test_any_pattern(steps: list[tuple[str, int]]) -> None:
    """Whatever happens when: the sums are right, and no event is said twice in ten seconds."""
    said: list[tuple[str, float, int]] = []

    async def run() -> None:
        def method(event: str, times: int = 1) -> None:
            said.append((event, trio.current_time(), times))

        damper = Damper(get_log("test"))
        async with damper.running():
            for event, wait in steps:
                damper.say(method, event)
                await trio.sleep(wait)
            end = trio.current_time()
        for event in ("one", "other"):
            times = [at for name, at, _ in said if name == event and at < end]
            assert all(b - a > QUIET - 0.001 for a, b in pairwise(times))

    trio.run(run, clock=MockClock(autojump_threshold=0))
    for event in ("one", "other"):
        happened = [name for name, _ in steps].count(event)
        assert sum(times for name, _, times in said if name == event) == happened


async def test_logger_is_asked_in_the_end(autojump_clock: MockClock) -> None:
    """A record that no level shows costs the same, and is nobody's fault."""
    quiet = CapturingLogger()
    damper = Damper(
        structlog.wrap_logger(quiet, wrapper_class=structlog.make_filtering_bound_logger(40))
    )
    async with damper.running():
        damper.say(damper.log.info, "one")
        damper.say(damper.log.info, "one")
    assert quiet.calls == []
