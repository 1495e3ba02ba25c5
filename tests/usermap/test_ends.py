"""A status that has an end goes back by itself, at the time that clocks on the wall say."""

from datetime import timedelta
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.usermap.maps import (
    LISTED,
    MINUTE,
    MODIFIED,
    START,
    YEAR,
    WallClock,
    Write,
    clear,
    expiring,
    hiding,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.protocol.setter import SetRequest
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, OPERATOR, Change, Status, UserMap

# What an end does


async def test_known_to_whoever_sets_and_reads(wall: WallClock, autojump_clock: MockClock) -> None:
    """A status with an end says when that is, to its setter, to readers and in the store."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"), clock=wall)
    for request in (
        SetRequest("moshez", "set", lasts="90s"),
        SetRequest("moshez", "set", until="2026-11-20T23:16:30Z"),
    ):
        status = await users.set(request, by=ANYBODY)
        assert status == Status("moshez", "set", START, START + timedelta(seconds=90))
        assert users.get("moshez") == status
        assert [told.until for told in await store.load()] == [START + timedelta(seconds=90)]


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "only-read"])
async def test_exactly_on_time(wall: WallClock, autojump_clock: MockClock, watched: bool) -> None:
    """Readers see it up to its end and no longer, whether or not anything else notices."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    await tell(users, "new", "created", lasts="1m")
    async with trio.open_nursery() as nursery:
        if watched:
            nursery.start_soon(users.expire)
        await trio.sleep(59.999)
        assert texts(users) == {"moshez": "set", "new": "created"}
        await trio.sleep_until(60)
        assert users.get("moshez") == LISTED
        assert users.get("new") is None
        assert list(users) == [LISTED]
        assert len(users) == 1
        nursery.cancel_scope.cancel()


async def test_subscribers_hear_it_once_in_order_and_on_time(
    wall: WallClock, autojump_clock: MockClock
) -> None:
    """Each end is heard when it comes, the earliest first, and never again."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"), clock=wall)
    await tell(users, "shawn", "third", lasts="1h")
    await tell(users, "new", "second", lasts="2.5m")
    await tell(users, "moshez", "first", lasts="1m")
    await tell(users, "ever", "no end")
    heard = []
    with users.subscribe() as changes, trio.move_on_after(86_400):
        async with expiring(users):
            async for change in changes:
                heard.append((round(autojump_clock.current_time(), 3), change))
    assert heard == [
        (60, Change("moshez", LISTED)),
        (150, Change("new", None)),
        (3600, Change("shawn", Status("shawn", "Alive", MODIFIED))),
    ]
    assert [told.name for told in await store.load()] == ["ever"]


async def test_back_to_a_plan(wall: WallClock, autojump_clock: MockClock) -> None:
    """Where a plan is left of somebody whom no file names, they are there without a status."""
    users = await restart(MemoryStore(), {}, clock=wall)
    await tell(users, "Zoë", "set", plan="Write it.", lasts="1m")
    with users.subscribe() as changes:
        async with expiring(users):
            await trio.sleep(61)
        nothing = Status("Zoë", "", START)
        assert taken(changes) == [Change("Zoë", nothing)]
    assert list(users) == [nothing]
    assert (len(users), users.profile("zoë").plan) == (1, "Write it.")


async def test_back_to_the_spelling_of_the_file(wall: WallClock, autojump_clock: MockClock) -> None:
    """Who is spelled anew in the file is called so in the change, too."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    await users.replace_file(listed(MosheZ="A"))
    with users.subscribe() as changes:
        async with expiring(users):
            await trio.sleep(61)
        assert taken(changes) == [Change("MosheZ", Status("MosheZ", "A", MODIFIED))]


async def test_nearer_end(wall: WallClock, autojump_clock: MockClock) -> None:
    """An end that comes before the one that is waited for is noticed when it comes."""
    users = await restart(MemoryStore(), {}, clock=wall)
    async with expiring(users):
        await wait_all_tasks_blocked()
        await tell(users, "moshez", "set", lasts="10.25s")
        with users.subscribe() as changes:
            await tell(users, "shawn", "set", lasts="0.5s")
            assert (await changes.receive()).status
            assert await changes.receive() == Change("shawn", None)
            assert round(autojump_clock.current_time(), 3) == 0.5
            assert await changes.receive() == Change("moshez", None)
            assert round(autojump_clock.current_time(), 3) == 10.25


@pytest.mark.parametrize(
    ("overtake", "left"),
    [
        (partial(tell, name="moshez", status="again"), "again"),
        (partial(tell, name="moshez", status="again", lasts="1d"), "again"),
        (partial(clear, name="moshez"), "A"),
        (partial(UserMap.replace_file, listed=listed(moshez="B")), "B"),
        (partial(UserMap.replace_file, listed={}), None),
    ],
    ids=["set-again", "later-end", "cleared", "line-edited", "line-removed"],
)
async def test_overtaken(
    wall: WallClock, autojump_clock: MockClock, overtake: Write, left: str | None
) -> None:
    """The end of a status that holds no more does nothing."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"), clock=wall)
    async with expiring(users):
        await tell(users, "moshez", "set", lasts="1m")
        await trio.sleep(30)
        await overtake(users)
        before, kept = list(users), await store.load()
        with users.subscribe() as changes:
            await trio.sleep(3600)
            assert taken(changes) == []
        assert [status.text for status in users] == ([left] if left else [])
        assert list(users) == before
        assert await store.load() == kept


async def test_earlier_end_overtakes(wall: WallClock, autojump_clock: MockClock) -> None:
    """A status that is set again ends at its own end, once, though that is the earlier one."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    async with expiring(users):
        await tell(users, "moshez", "set", lasts="1h")
        await tell(users, "moshez", "again", lasts="1m")
        with users.subscribe() as changes:
            await trio.sleep(7200)
            assert taken(changes) == [Change("moshez", LISTED)]


async def test_hidden_end_in_silence(wall: WallClock, autojump_clock: MockClock) -> None:
    """The end of a hidden user's status is not heard of; shown later, they are as they are."""
    store = MemoryStore()
    file = listed(moshez="A")
    users = await restart(store, file, hiding("moshez"), clock=wall)
    with users.subscribe() as changes:
        async with expiring(users):
            await tell(users, "moshez", "set", OPERATOR, lasts="1m")
            await trio.sleep(61)
        assert taken(changes) == []
        assert await store.load() == []
        await users.replace_file(file)
        assert taken(changes) == [Change("moshez", LISTED)]


async def test_ended_while_the_daemon_was_down(wall: WallClock, autojump_clock: MockClock) -> None:
    """What ended while no daemon ran is over at the next start, and leaves the store."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"), clock=wall)
    await tell(users, "moshez", "set", lasts="1m")
    await tell(users, "new", "created", lasts="1m")
    await tell(users, "later", "set", lasts="1h")
    wall.ahead += 2 * MINUTE
    users = UserMap(store, clock=wall)
    await users.load()
    assert texts(users) == {"later": "set"}
    assert len(users) == 1
    await users.replace_file(listed(moshez="A"))
    assert texts(users) == {"later": "set", "moshez": "A"}
    async with expiring(users):
        await trio.sleep(1)
        assert [told.name for told in await store.load()] == ["later"]
        await trio.sleep(3600)
    assert list(users) == [LISTED]


# The wall clock is set (T33)


async def test_a_year_ahead(wall: WallClock, autojump_clock: MockClock) -> None:
    """If the clock jumps ahead, readers see the ends at once, and subscribers in a second."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    with users.subscribe() as changes:
        async with expiring(users):
            await tell(users, "moshez", "set", lasts="30d")
            await tell(users, "new", "set", lasts="364d")
            await tell(users, "later", "set", lasts="366d")
            await trio.sleep(10)
            assert len(taken(changes)) == 3
            wall.ahead += YEAR
            assert texts(users) == {"moshez": "A", "later": "set"}
            assert len(users) == 2
            await trio.sleep(1.1)
            assert taken(changes) == [Change("moshez", LISTED), Change("new", None)]
            await tell(users, "soon", "set", lasts="10s")
            await trio.sleep(10.1)
            assert texts(users) == {"moshez": "A", "later": "set"}
            assert len(taken(changes)) == 2


async def test_a_year_back(wall: WallClock, autojump_clock: MockClock) -> None:
    """If the clock jumps back, a status holds until the clock says that it ends."""
    users = await restart(MemoryStore(), listed(moshez="A"), clock=wall)
    with users.subscribe() as changes:
        async with expiring(users):
            await tell(users, "moshez", "set", lasts="1m")
            await trio.sleep(30)
            wall.ahead -= YEAR
            await tell(users, "soon", "set", lasts="10s")
            await trio.sleep(100)
            assert texts(users) == {"moshez": "set"}
            assert [change.name for change in taken(changes)] == ["moshez", "soon", "soon"]
            wall.ahead += YEAR - 80 * timedelta(seconds=1)
            assert texts(users) == {"moshez": "set"}
            await trio.sleep(9.5)
            assert texts(users) == {"moshez": "set"}
            await trio.sleep(2)
            assert texts(users) == {"moshez": "A"}
            assert taken(changes) == [Change("moshez", LISTED)]


async def test_back_over_an_end(wall: WallClock, autojump_clock: MockClock) -> None:
    """What has ended does not come back when the clock is put back."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"), clock=wall)
    async with expiring(users):
        await tell(users, "moshez", "set", lasts="1m")
        await trio.sleep(61)
        wall.ahead -= YEAR
        await trio.sleep(10)
        assert list(users) == [LISTED]
    assert list(await restart(store, listed(moshez="A"), clock=wall)) == [LISTED]
