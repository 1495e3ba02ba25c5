"""Ends and writers: between an end and its being noticed, a store that fails, and the cost."""

from functools import partial

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.usermap.maps import (
    LISTED,
    MINUTE,
    START,
    YEAR,
    FailingStore,
    SlowStore,
    WallClock,
    Write,
    clear,
    expiring,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.store import MemoryStore, Told
from trio_finger.usermap import Change, RefusedError, Status, UserMap
from trio_finger.usermap._ends import Ends

# Between an end and its being noticed


async def test_ended_is_over_for_writers(wall: WallClock, autojump_clock: MockClock) -> None:
    """Whoever writes finds that it is over, too, though it has not been taken back yet."""
    users = await restart(MemoryStore(), {}, clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    wall.ahead += MINUTE
    with pytest.raises(RefusedError, match="no such user"):
        await clear(users, "moshez")
    assert await tell(users, "MosheZ", "again") == Status("MosheZ", "again", START + MINUTE)


@pytest.mark.parametrize(
    ("write", "heard"),
    [
        (partial(clear, name="moshez"), [LISTED]),
        (partial(tell, name="moshez", status=None, plan="Write it."), [LISTED]),
        (partial(UserMap.replace_file, listed=listed(moshez="A", shawn="B")), [LISTED]),
        (
            partial(UserMap.replace_file, listed=listed(START, moshez="B")),
            [Status("moshez", "B", START)],
        ),
        (partial(UserMap.replace_file, listed={}), [None]),
        (
            partial(tell, name="moshez", status="again"),
            [Status("moshez", "again", START + MINUTE)],
        ),
    ],
    ids=["clear", "plan", "other-line", "line-edited", "line-removed", "set"],
)
async def test_ended_and_written_over(
    wall: WallClock, autojump_clock: MockClock, write: Write, heard: list[Status | None]
) -> None:
    """Subscribers hear once that it is over, though somebody wrote before it was taken back."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    with users.subscribe() as changes:
        wall.ahead += MINUTE
        await write(users)
        async with expiring(users):
            await trio.sleep(5)
        found = [change.status for change in taken(changes) if change.name == "moshez"]
    assert found == heard


async def test_ends_while_it_is_cleared(wall: WallClock, autojump_clock: MockClock) -> None:
    """Subscribers hear once that it is over, though it ended while the store was at it."""
    store = SlowStore()
    store.let(2)
    users = await restart(store, listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    await tell(users, "new", "set", lasts="1m")
    with users.subscribe() as changes:
        async with expiring(users), trio.open_nursery() as nursery:
            await trio.sleep(50)
            nursery.start_soon(clear, users, "moshez")
            await trio.sleep(15)
            assert list(users) == [LISTED]
            store.let()
            await trio.sleep(1)
        assert taken(changes) == [Change("moshez", LISTED), Change("new", None)]
    assert await store.load() == []


async def test_ended_before_it_was_kept(wall: WallClock, autojump_clock: MockClock) -> None:
    """A status whose end came while the store was at it is kept, and over."""
    store = SlowStore()
    users = await restart(store, {}, clock=wall)
    async with expiring(users), trio.open_nursery() as nursery:
        nursery.start_soon(partial(tell, users, "moshez", "set", lasts="5s"))
        await trio.sleep(10)
        store.let()
        await trio.sleep(1)
    assert list(users) == []
    assert [isinstance(write, Told) for some in store.asked for write in some] == [True, False]


# A store that fails when an ended status is to be dropped


async def test_store_that_fails_at_an_end(wall: WallClock, autojump_clock: MockClock) -> None:
    """Readers and subscribers see that it is over, the log has a warning, and all goes on."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    await tell(users, "shawn", "later", lasts="1h")
    with capture_logs() as log, users.subscribe() as changes:
        async with expiring(users):
            store.failing = True
            await trio.sleep(61)
            assert texts(users) == {"moshez": "A", "shawn": "later"}
            assert taken(changes) == [Change("moshez", LISTED)]
            await trio.sleep(600)
            store.failing = False
            await tell(users, "new", "set")
            await trio.sleep(3600)
            assert texts(users) == {"moshez": "A", "new": "set"}
            assert [change.name for change in taken(changes)] == ["new", "shawn"]
    assert log == [
        {
            "event": "ended statuses not cleared away",
            "reason": "the disk is full",
            "door": "users",
            "log_level": "warning",
        }
    ]
    users = await restart(store, listed(moshez="A"), clock=wall)
    assert texts(users) == {"moshez": "A", "new": "set"}
    async with expiring(users):
        await trio.sleep(1)
    assert [told.name for told in await store.load()] == ["new"]


async def test_store_that_does_not_answer_at_an_end(
    wall: WallClock, autojump_clock: MockClock
) -> None:
    """A store that hangs at that moment holds up writers for a bounded time, readers never."""
    store = SlowStore()
    store.let(1)
    users = await restart(store, listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    with capture_logs() as log:
        async with expiring(users), trio.open_nursery() as nursery:
            await trio.sleep(60.5)
            nursery.start_soon(tell, users, "new", "set")
            await trio.sleep(1)
            assert list(users) == [LISTED]
            await trio.sleep(30)
            store.let()
            await trio.sleep(1)
            assert texts(users) == {"moshez": "A", "new": "set"}
    assert [record["reason"] for record in log] == ["the store does not answer"]


# How much ends cost


async def test_overtaken_ends_do_not_pile_up() -> None:
    """A hundred thousand ends that were overtaken take no more room than a thousand."""
    ends = Ends()
    ends.put("other", START + YEAR)
    for number in range(50_000):
        ends.put("moshez", START + number * MINUTE)
    assert len(ends._heap) < 1100
    for number in range(50_000):
        ends.put(f"user{number}", START + YEAR)
        ends.put(f"user{number}", None)
    assert len(ends._heap) < 1100
    assert list(ends.pop_due(START + 2 * YEAR)) == ["moshez", "other"]
    assert not ends._ends
    assert not ends._heap


async def test_same_end_for_thousands(wall: WallClock, autojump_clock: MockClock) -> None:
    """Thousands of statuses that end together are dropped from the store in slices."""
    store = SlowStore()
    many = [
        Told(f"user{number}", "set", START, None, until=START + MINUTE) for number in range(5000)
    ]
    await MemoryStore.write(store, many)
    users = await restart(store, {}, clock=wall)
    store.let()
    async with expiring(users):
        await trio.sleep(59)
        assert len(users) == 5000
        await trio.sleep(2)
    assert len(users) == 0
    assert [len(writes) for writes in store.asked] == [500] * 10
    assert await store.load() == []
