"""A source within bounds: asked once, remembered, excused for a while, and never for ever."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_finger.log import get_log
from trio_finger.net import Damper
from trio_finger.protocol.profile import Profile
from trio_finger.sources import Asker, Found, SourceError
from trio_finger.sources import _asked as asked_module
from trio_finger.sources._asked import Asked, Bounds, Verdict
from trio_finger.sources._source import Circle

BOUNDS = Bounds(timeout=5, ttl=60, stale=3600)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SELF = Asker()

# By from where a question comes.
CIRCLES = {"may be back": Circle.PERHAPS, "came back": Circle.YES, "alone": Circle.NEVER}

Say = Callable[[str], Awaitable[Found | None]]


class Oracle:
    """A source that says what it is told to, and keeps who was asked for."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.asked: list[str] = []
        self.closed = False

    async def ask(self, name: str, asker: Asker) -> Found | None:
        self.asked.append(name)
        await trio.lowlevel.checkpoint()
        return await self.say(name)

    def circle(self, name: str, asker: Asker) -> Circle:
        return CIRCLES.get(asker.host or "", Circle.NO)

    async def aclose(self) -> None:
        self.closed = True


class Bench:
    """A source within bounds, with all that it takes."""

    def __init__(self, nursery: trio.Nursery, say: Say, bounds: Bounds = BOUNDS) -> None:
        self.source = Oracle(say)
        self.answers: Counter[tuple[str, str]] = Counter()
        damper = Damper(get_log("sources"))
        self.now = NOW
        self.asked = Asked(
            self.source, "oracle", bounds, nursery, self.answers, damper, lambda: self.now
        )


async def well(name: str) -> Found | None:
    return Found(f"{name} is well")


async def nobody(_: str) -> Found | None:
    return None


async def broken(_: str) -> Found | None:
    raise SourceError("on fire")


async def asleep(_: str) -> Found | None:
    await trio.sleep_forever()


async def test_asked_once_for_all_who_ask(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Many who ask for one name at a time are answered by one question."""

    async def slowly(name: str) -> Found | None:
        await trio.sleep(1)
        return await well(name)

    bench = Bench(nursery, slowly)
    verdicts: list[Verdict] = []

    async def ask() -> None:
        verdicts.append(await bench.asked.ask("moshez", SELF))

    async with trio.open_nursery() as crowd:
        for _ in range(100):
            crowd.start_soon(ask)
    assert verdicts == [Verdict(Found("moshez is well", NOW))] * 100
    assert bench.source.asked == ["moshez"]
    assert bench.answers == {("oracle", "found"): 1}


async def test_first_asker_leaves(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Whoever asked first may go away; who came after that is answered all the same."""
    gate = trio.Event()

    async def later(name: str) -> Found | None:
        await gate.wait()
        return await well(name)

    bench = Bench(nursery, later)
    with trio.move_on_after(1):
        await bench.asked.ask("moshez", SELF)
    gate.set()
    assert (await bench.asked.ask("moshez", SELF)).found == Found("moshez is well", NOW)
    assert bench.source.asked == ["moshez"]


async def test_remembered(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """An answer is taken for true for its time, and that there is no such user is, too."""
    for say in (well, nobody):
        bench = Bench(nursery, say)
        assert bench.asked.at_hand("moshez") is None
        verdict = await bench.asked.ask("moshez", SELF)
        await trio.sleep(BOUNDS.ttl - 1)
        assert bench.asked.at_hand("moshez") == verdict
        assert await bench.asked.ask("moshez", SELF) == verdict
        assert bench.source.asked == ["moshez"]
        await trio.sleep(1)
        assert bench.asked.at_hand("moshez") is None
        await bench.asked.ask("moshez", SELF)
        assert bench.source.asked == ["moshez"] * 2


async def test_since(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A status holds since it was first seen, until the source says another."""
    texts = ["one", "one", "two"]

    async def next_text(_: str) -> Found | None:
        return Found(texts.pop(0))

    bench = Bench(nursery, next_text)
    seen = []
    for hour in (12, 13, 14):
        bench.now = NOW.replace(hour=hour)
        found = (await bench.asked.ask("moshez", SELF)).found
        assert found is not None
        assert found.since is not None
        seen.append((found.text, found.since.hour))
        await trio.sleep(BOUNDS.ttl)
    assert seen == [("one", 12), ("one", 12), ("two", 14)]


async def test_excused_while_it_fails(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """What a source said before is given while it fails, for its time, and then no more."""
    bench = Bench(nursery, well, Bounds(timeout=5, ttl=60, stale=600))
    verdict = await bench.asked.ask("moshez", SELF)
    bench.source.say = broken
    with capture_logs() as log:
        await trio.sleep(61)
        assert await bench.asked.ask("moshez", SELF) == verdict
        await trio.sleep(600)
        assert await bench.asked.ask("moshez", SELF) == Verdict(failed=True)
        bench.source.say = well
        await trio.sleep(10)
        assert await bench.asked.ask("moshez", SELF) == verdict
    assert {(record["event"], record["reason"]) for record in log} == {("source failed", "on fire")}
    assert "moshez" not in str(log)
    assert bench.answers == {("oracle", "found"): 2, ("oracle", "failed"): 2}


async def test_every_reason_is_said(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """One way to fail does not hide another in the log, however short after each other."""
    reasons = iter(["on fire", "under water", "on fire"])

    async def fail(_: str) -> Found | None:
        raise SourceError(next(reasons))

    bench = Bench(nursery, fail)
    with capture_logs() as log:
        for name in ("moshez", "shawn", "zoe"):
            assert await bench.asked.ask(name, SELF) == Verdict(failed=True)
    assert [record["reason"] for record in log] == ["on fire", "under water"]


async def test_failure_is_remembered(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Not everybody waits for a source that is down: who comes next hears so at once."""
    bench = Bench(nursery, asleep)
    with capture_logs() as log:
        start = trio.current_time()
        assert await bench.asked.ask("moshez", SELF) == Verdict(failed=True)
        assert trio.current_time() - start == BOUNDS.timeout
        assert await bench.asked.ask("moshez", SELF) == Verdict(failed=True)
        assert trio.current_time() - start == BOUNDS.timeout
    assert bench.source.asked == ["moshez"]
    assert [record["reason"] for record in log] == ["no answer within 5 s"]


async def test_waiting_for_a_turn_counts(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """However many names are asked for, nobody waits longer than the timeout."""
    bench = Bench(nursery, asleep)
    with capture_logs():
        async with trio.open_nursery() as crowd:
            start = trio.current_time()
            for number in range(200):
                crowd.start_soon(bench.asked.ask, f"user{number}", SELF)
        assert trio.current_time() - start == BOUNDS.timeout
    assert len(bench.source.asked) == asked_module._AT_ONCE


async def test_fault(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A fault in the code of a source is a failure of that one, and is logged (T29)."""

    async def fault(_: str) -> Found | None:
        raise ZeroDivisionError

    bench = Bench(nursery, fault)
    with capture_logs() as log:
        assert await bench.asked.ask("moshez", SELF) == Verdict(failed=True)
    assert [record["event"] for record in log] == ["fault in a source", "source failed"]


async def test_circle(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """A question through another daemon does not wait for the one that it may be part of."""
    other = Asker(via=("trio-finger-1",))
    coming_back = trio.Event()

    async def ask_again(name: str) -> Found | None:
        if coming_back.is_set():
            return None
        coming_back.set()
        # The other daemon asks us, while we ask it.
        return (await bench.asked.ask(name, other)).found

    bench = Bench(nursery, ask_again)
    assert await bench.asked.ask("moshez", SELF) == Verdict()
    assert bench.source.asked == ["moshez"] * 2


async def test_came_back(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Our own question that may have come back is answered, while ours is under way."""
    gate = trio.Event()

    async def later(name: str) -> Found | None:
        await gate.wait()
        return await well(name)

    bench = Bench(nursery, later)
    nursery.start_soon(bench.asked.ask, "moshez", SELF)
    await wait_all_tasks_blocked()
    start = trio.current_time()
    assert await bench.asked.ask("moshez", Asker("came back")) == Verdict()
    assert trio.current_time() == start  # of this there is no doubt
    assert await bench.asked.ask("moshez", Asker("may be back")) == Verdict()
    assert trio.current_time() - start == BOUNDS.timeout / 2
    gate.set()
    assert (await bench.asked.ask("moshez", SELF)).found == Found("moshez is well", NOW)


async def test_came_from_beside_the_source(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """Somebody on the source's own host who asks meanwhile gets the answer, if it comes soon."""

    async def slowly(name: str) -> Found | None:
        await trio.sleep(BOUNDS.timeout / 4)
        return await well(name)

    bench = Bench(nursery, slowly)
    nursery.start_soon(bench.asked.ask, "moshez", SELF)
    await wait_all_tasks_blocked()
    found = (await bench.asked.ask("moshez", Asker("may be back"))).found
    assert found == Found("moshez is well", NOW)
    assert bench.source.asked == ["moshez"]


async def test_no_header_has_a_program_run_again(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """What asks nobody else is asked once, even for those who say that they are daemons (T6)."""

    async def slowly(name: str) -> Found | None:
        await trio.sleep(1)
        return await well(name)

    bench = Bench(nursery, slowly)
    async with trio.open_nursery() as askers:
        for number in range(10):
            askers.start_soon(
                bench.asked.ask, "moshez", Asker("alone", via=(f"trio-finger-{number}",))
            )
    assert bench.source.asked == ["moshez"]


async def test_unknown_in_a_circle_is_not_remembered(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """What was said to end a circle is nobody else's answer."""
    bench = Bench(nursery, nobody)
    assert await bench.asked.ask("moshez", Asker(via=("trio-finger-1",))) == Verdict()
    assert bench.asked.at_hand("moshez") is None


async def test_bounded_names(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Whatever strangers ask for, the table has its bound; who is asked for stays in it."""
    bench = Bench(nursery, nobody, Bounds(timeout=5, ttl=1e6, stale=1))
    await bench.asked.ask("moshez", SELF)
    for number in range(asked_module._MAX_NAMES + 100):
        await bench.asked.ask(f"user{number}", SELF)
        assert bench.asked.at_hand("moshez") is not None
    assert len(bench.asked._known) == asked_module._MAX_NAMES
    assert bench.asked.at_hand("user0") is None


async def test_bounded_texts(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """However long plans are, so much is remembered and no more."""
    plan = "x" * (asked_module._MAX_CHARACTERS // 4)

    async def long(_: str) -> Found | None:
        return Found("text", NOW, Profile(plan=plan))

    bench = Bench(nursery, long)
    for number in range(10):
        found = (await bench.asked.ask(f"user{number}", SELF)).found
        assert found is not None
        assert found.profile.plan == plan
    assert [number for number in range(10) if bench.asked.at_hand(f"user{number}")] == [7, 8, 9]
    bench.source.say = nobody
    for number in range(10):
        await trio.sleep(BOUNDS.ttl)
        await bench.asked.ask(f"user{number}", SELF)
    assert bench.asked._characters == 0


async def test_end(autojump_clock: MockClock) -> None:
    """When all is over, whoever still waits is let go, and the source is closed."""
    async with trio.open_nursery() as nursery:
        bench = Bench(nursery, asleep)
        nursery.start_soon(bench.asked.ask, "moshez", SELF)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert bench.asked._flights == {}
    await bench.asked.aclose()
    assert bench.source.closed
