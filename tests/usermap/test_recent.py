"""Whoever comes back learns what has changed meanwhile, or that it is not known any more."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from tests.usermap.maps import (
    MINUTE,
    MODIFIED,
    START,
    FailingStore,
    SlowStore,
    WallClock,
    clear,
    expiring,
    hiding,
    interrupted,
    listed,
    restart,
    taken,
    tell,
)
from trio_finger.protocol.profile import Profile
from trio_finger.store import MemoryStore, Past, StoreError, Told, open_store
from trio_finger.usermap import OPERATOR, Change, Recent, Status, UserMap
from trio_finger.usermap._recent import PAST_SIZE

FILE = listed(moshez="A", shawn="Alive")
DAY = timedelta(days=1)


class Clock:
    """A clock that goes on by ten microseconds whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=10)
        return self.now


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def said(changes: list[Change]) -> list[tuple[str, str | None]]:
    """Return who changed to what."""
    return [(each.name, None if each.status is None else each.status.text) for each in changes]


def still_told(heard: list[Change], users: UserMap) -> list[Change]:
    """Return what of *heard* is told to who comes back: of who is gone only that they are."""
    told = []
    for change in heard:
        there = users.get(change.name)
        if change.status is None:
            told.append(change)
        elif there is not None:
            told.append(Change(there.name, replace(change.status, name=there.name), change.number))
    return told


def numbers(changes: list[Change]) -> list[int]:
    return [change.number for change in changes]


async def started(store: MemoryStore | None = None, *, may_hide: bool = False) -> UserMap:
    """Return the map of a daemon that was just started on *store*, with no file read yet."""
    users = UserMap(store or MemoryStore(100), may_hide=may_hide, clock=Clock())
    await users.load()
    return users


# Numbers


async def test_number_is_the_time() -> None:
    """A change has the microsecond for its number, and a set the one since when it holds."""
    users = UserMap(MemoryStore(), clock=Clock())
    assert users.last_change == 0
    status = await tell(users, "moshez", "Here")
    assert status is not None
    assert users.last_change == microseconds(status.since)
    await clear(users, "moshez")
    [gone] = users.changes_since(0).changes
    assert gone.number == users.last_change
    assert microseconds(START) < gone.number <= microseconds(users._clock())


@pytest.mark.usefixtures("mock_clock")
async def test_numbers_grow_whatever_the_clock_does(wall: WallClock) -> None:
    """Numbers grow when the clock stands still, or is put back a day (T33)."""
    users = UserMap(MemoryStore(), clock=wall)
    with users.subscribe() as changes:
        for text in ("one", "two", "three"):
            await tell(users, "moshez", text)
        wall.ahead -= DAY
        await tell(users, "moshez", "yesterday")
        await users.replace_file(FILE)
        await users.replace_file({})
        heard = taken(changes)
    assert len(heard) == 8
    assert all(one.number < other.number for one, other in pairwise(heard))
    assert heard[-1].number == users.last_change


async def test_same_for_whoever_was_there_and_whoever_comes_back() -> None:
    """What is remembered are the changes that subscribers heard, numbers included."""
    users = await started()
    await users.replace_file(FILE)
    with users.subscribe() as changes:
        await tell(users, "moshez", "set", lasts="1h")
        await tell(users, "Zoë", "new", plan="A plan")
        await clear(users, "zoë")
        await tell(users, "zoë", None, plan="")
        await users.replace_file(listed(Moshez="B"))
        heard = taken(changes)
    assert said(heard)[1] == ("Zoë", "new")
    for place, change in enumerate(heard):
        again = users.changes_since(change.number)
        rest = still_told(heard[place + 1 :], users)
        assert again == Recent(rest, complete=True)
        assert numbers(again.changes) == numbers(rest)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["moshez", "Moshez", "zoë"]), st.integers(0, 4))))
def test_any_sequence(steps: list[tuple[str, int]]) -> None:
    """With a subscriber or with none, which is another way, the same is remembered."""

    async def play(*, heard: bool) -> list[Change]:
        now = START
        users = UserMap(MemoryStore(), clock=lambda: now)
        await users.replace_file(listed(moshez="A"))
        with users.subscribe(10_000) as changes:
            before = users.last_change
            if not heard:
                changes.close()
            for number, (name, step) in enumerate(steps):
                now += timedelta(milliseconds=1)
                if step == 0:
                    await tell(users, name, f"set {number}")
                elif step == 1 and users.get(name) is not None:
                    await clear(users, name)
                elif step == 2:
                    await users.replace_file({})
                else:
                    await users.replace_file(listed(**{name: f"listed {number // 2}"}))
            found = users.changes_since(before)
            assert found.complete
            if heard:
                assert found.changes == still_told(taken(changes), users)
            assert numbers(found.changes) == sorted(set(numbers(found.changes)))
            return found.changes

    heard, unheard = trio.run(lambda: play(heard=True)), trio.run(lambda: play(heard=False))
    assert heard == unheard
    assert numbers(heard) == numbers(unheard)


async def test_end_is_a_change(autojump_clock: trio.testing.MockClock, wall: WallClock) -> None:
    """That a status has ended is remembered as what holds from then on."""
    users = await restart(MemoryStore(), FILE, clock=wall)
    await tell(users, "moshez", "brief", lasts="1m")
    async with expiring(users):
        await trio.sleep(61)
        assert said(users.changes_since(users.last_change - 1).changes) == [("moshez", "A")]
    assert users.last_change == microseconds(START + MINUTE)


async def test_what_was_not_kept_did_not_happen() -> None:
    """What the store could not keep has no number."""
    store = FailingStore(100)
    users = await started(store)
    before = users.last_change
    store.failing = True
    with pytest.raises(StoreError):
        await tell(users, "moshez", "lost")
    assert users.last_change == before
    assert users.changes_since(before) == Recent([], complete=True)


# How far it reaches


@pytest.mark.parametrize("heard", [True, False])
async def test_bound_is_exact(heard: bool) -> None:
    """So many are remembered and no more, and who asks for more is told that there were."""
    users = UserMap(MemoryStore(), clock=Clock())
    with users.subscribe() as changes:
        if not heard:
            changes.close()
        await users.replace_file({})
        for number in range(PAST_SIZE - 1):
            await users.replace_file(listed(moshez=f"{number}"))
        assert len(users.changes_since(0).changes) == PAST_SIZE - 1
        assert users.changes_since(0).complete
        for number in range(10):
            await users.replace_file(listed(moshez=f"more {number}"))
    found = users.changes_since(0)
    assert len(found.changes) == PAST_SIZE
    assert not found.complete
    oldest = found.changes[0].number
    assert not users.changes_since(oldest - 1).complete
    assert users.changes_since(oldest) == Recent(found.changes[1:], complete=True)


async def test_number_from_another_time() -> None:
    """Who names a number that is yet to come, or none that ever was, has missed something."""
    users = await started()
    await tell(users, "moshez", "Here")
    for number in (users.last_change + 1, 10**30):
        assert users.changes_since(number) == Recent([], complete=False)
    for number in (0, -1, -(10**30)):
        found = users.changes_since(number)
        assert said(found.changes) == [("moshez", "Here")]
        assert not found.complete


# The users file


@pytest.mark.parametrize("heard", [True, False])
async def test_first_file_is_no_news(heard: bool) -> None:
    """The file as it is at start is not remembered; whoever listens hears of it."""
    users = await started()
    with users.subscribe() as changes:
        if not heard:
            changes.close()
        await users.replace_file(FILE)
        if heard:
            assert {*said(taken(changes))} == {("moshez", "A"), ("shawn", "Alive")}
        assert users.changes_since(users.last_change) == Recent([], complete=True)
        assert users.latest(10) == []
        await users.replace_file(FILE | listed(START, shawn="Kicking"))
    assert users.latest(10) == [Change("shawn", Status("shawn", "Kicking", START))]


async def test_first_file_does_not_push_out_the_past() -> None:
    """However long the file is at start, what was set before the restart is remembered."""
    store = MemoryStore(100)
    await tell(await started(store), "shawn", "set")
    users = await started(store)
    await users.replace_file(listed(**{f"user{n}": "A" for n in range(PAST_SIZE + 10)}))
    assert said(users.latest(10)) == [("shawn", "set")]


@pytest.mark.usefixtures("short_turns")
async def test_first_file_in_two_goes() -> None:
    """Where the first reading was cancelled midway, the rest of it is no news either."""
    users = await started()
    file = listed(**{f"user{n}": "A" for n in range(50)})
    await interrupted(users.replace_file(file), 30)
    assert 0 < len(users) < 50
    await users.replace_file(file)
    assert len(users) == 50
    assert users.latest(100) == []


async def test_plain_lines_are_remembered_as_they_were() -> None:
    """Lines of the file are told in their spelling, with the times of the file."""
    users = await started()
    await users.replace_file(listed(moshez="A", Zoë="à la mode", same="S"))
    before = users.last_change
    await users.replace_file(listed(START, moshez="B", ZOË="à la mode", New="", same="S"))
    found = users.changes_since(before)
    assert found.complete
    assert sorted(found.changes, key=lambda change: change.name) == [
        Change("New", Status("New", "", START)),
        Change("ZOË", Status("ZOË", "à la mode", MODIFIED)),
        Change("moshez", Status("moshez", "B", START)),
    ]
    await users.replace_file(listed(START, ZOË="à la mode", same="S"))
    assert sorted(said(users.changes_since(before).changes)) == [
        ("New", None),
        ("ZOË", "à la mode"),
        ("moshez", None),
    ]


# Over a restart


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:{tmp_path}/statuses.db"


async def test_restart_goes_on(url: str) -> None:
    """Who comes back after a restart gets what was set meanwhile, and nothing again.

    That may not be all: what was cleared, or changed in the users file, nobody knows.
    """
    async with open_store(url) as store:
        users = UserMap(store, clock=(clock := Clock()))
        await users.load()
        await users.replace_file(FILE)
        for number in range(5):
            await tell(users, "MosheZ", f"set {number}")
            await tell(users, "shawn", f"set {number}", lasts="1h")
        before = users.changes_since(users.last_change - 10_000).changes
        assert len(before) == 10
        users = UserMap(store, clock=clock)
        await users.load()
        await users.replace_file(FILE)
        for place, change in enumerate(before):
            found = users.changes_since(change.number)
            assert found == Recent(before[place + 1 :], complete=False)
            assert numbers(found.changes) == numbers(before[place + 1 :])
        assert users.latest(20) == before[::-1]
        begun = users.last_change
        assert users.changes_since(begun) == Recent([], complete=True)
        await tell(users, "moshez", "later")
        assert users.last_change > before[-1].number
        assert said(users.changes_since(before[-1].number).changes) == [("moshez", "later")]
        found = users.changes_since(begun)
        assert found.complete
        assert said(found.changes) == [("moshez", "later")]


class RememberingStore(SlowStore):
    """A slow store with a history."""

    def __init__(self) -> None:
        super().__init__()
        self._length = 100


async def test_set_together_are_told_together_over_a_restart() -> None:
    """Of what was kept in one go, who heard a part before the restart gets the rest."""
    store = RememberingStore()
    users = UserMap(store, clock=(clock := Clock()))
    await users.load()
    with users.subscribe() as changes, trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for name in ("first", "one", "two", "three"):
                nursery.start_soon(tell, users, name, "set")
                await wait_all_tasks_blocked()
            store.let()
        heard = taken(changes)
    assert [len(asked) for asked in store.asked] == [1, 3]
    users = UserMap(store, clock=clock)
    await users.load()
    for place, change in enumerate(heard):
        assert users.changes_since(change.number).changes == heard[place + 1 :]


async def test_restart_without_a_history() -> None:
    """Where the store remembers nothing, who comes back is told that there may be more."""
    store = MemoryStore(0)
    users = UserMap(store, clock=(clock := Clock()))
    await tell(users, "moshez", "set")
    before = users.last_change
    await tell(users, "moshez", "set again")
    users = UserMap(store, clock=clock)
    await users.load()
    assert users.changes_since(before) == Recent([], complete=False)
    assert users.last_change > before
    assert users.changes_since(users.last_change).complete


async def test_history_longer_than_the_past() -> None:
    """Of a long history the newest are remembered."""
    store = MemoryStore(PAST_SIZE + 10)
    since = [START + n * timedelta(seconds=1) for n in range(PAST_SIZE + 10)]
    await store.write([Told("moshez", f"{n}", moment, None) for n, moment in enumerate(since)])
    users = await started(store)
    found = users.changes_since(microseconds(since[10]))
    assert said(found.changes) == [("moshez", f"{n}") for n in range(11, PAST_SIZE + 10)]
    found = users.changes_since(microseconds(since[9]))
    assert len(found.changes) == PAST_SIZE


async def test_clock_was_put_back() -> None:
    """What was set by a clock that was ahead, or long before 1970, keeps the order (T33)."""
    times = [START + DAY, START - DAY, datetime(1, 1, 1, tzinfo=UTC), START + DAY, START]
    store = MemoryStore(100)
    await store.write([Told("moshez", f"{n}", since, None) for n, since in enumerate(times)])
    users = await started(store)
    status = await tell(users, "moshez", "now")
    assert status is not None
    assert status.since < START + DAY
    found = users.latest(10)
    assert [text for _, text in said(found)] == ["now", "4", "3", "2", "1", "0"]
    assert found[0].number == users.last_change > microseconds(START + DAY)
    for place, change in enumerate(found):
        assert users.changes_since(change.number).changes == found[:place][::-1]


async def test_first_of_all_is_before_1970() -> None:
    """Numbers are positive, even of what was set before they began."""
    store = MemoryStore(100)
    await store.write([Told("moshez", "set", datetime(1, 1, 1, tzinfo=UTC), None)])
    users = await started(store)
    assert numbers(users.latest(1)) == [1]
    assert users.changes_since(1) == Recent([], complete=False)


async def test_unreadable_history() -> None:
    """A store that cannot tell its history is an error at start."""

    class UnreadableStore(MemoryStore):
        async def latest(self, limit: int) -> list[Past]:
            raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="the disk is gone"):
        await started(UnreadableStore())


# The newest statuses


async def test_latest_are_statuses_newest_first() -> None:
    """The newest statuses come first, no more than asked for."""
    users = await started()
    for number in range(3):
        for name in ("moshez", "shawn"):
            await tell(users, name, f"{number}")
    assert said(users.latest(3)) == [("shawn", "2"), ("moshez", "2"), ("shawn", "1")]
    assert len(users.latest(100)) == 6
    assert users.latest(0) == []


async def test_latest_is_of_those_who_are_there() -> None:
    """Of who is gone nothing is told; once back, all of it is."""
    users = await started()
    await tell(users, "moshez", "set")
    await tell(users, "shawn", "set")
    await clear(users, "moshez")
    assert said(users.latest(10)) == [("shawn", "set")]
    await tell(users, "MosheZ", "back")
    assert said(users.latest(10)) == [("MosheZ", "back"), ("shawn", "set"), ("MosheZ", "set")]


# The hidden (T8)

GHOST = FILE | listed(Ghost="Boo")


async def hide_later(store: MemoryStore) -> UserMap:
    """They set something, and were hidden then."""
    users = await started(store)
    await users.replace_file(GHOST)
    await tell(users, "ghost", "Boo 1")
    await users.replace_file(GHOST, hiding("Ghost"))
    return users


async def set_in_hiding(store: MemoryStore) -> UserMap:
    """They have been hidden all the time."""
    users = await started(store)
    await users.replace_file(GHOST, hiding("Ghost"))
    await tell(users, "ghost", "Boo 1", OPERATOR)
    return users


async def hidden_at_start(store: MemoryStore) -> UserMap:
    """They were hidden before the restart as they are after it."""
    await set_in_hiding(store)
    users = await started(store, may_hide=True)
    await users.replace_file(GHOST, hiding("Ghost"))
    return users


async def hidden_and_cleared_before_the_file_is_read(store: MemoryStore) -> UserMap:
    """Nothing is known of them but that they had set something once."""
    users = await set_in_hiding(store)
    await clear(users, "ghost", OPERATOR)
    return await started(store, may_hide=True)


async def hidden_by_a_line_with_a_fault(store: MemoryStore) -> UserMap:
    """Nothing is known of them, and there are lines that cannot be read."""
    users = await hidden_and_cleared_before_the_file_is_read(store)
    await users.replace_file(FILE, partial=True)
    return users


async def no_longer_named(store: MemoryStore) -> UserMap:
    """The file named and hid them before the restart, and names them no more."""
    await set_in_hiding(store)
    users = await started(store, may_hide=True)
    await users.replace_file(FILE)
    return users


@pytest.mark.parametrize(
    "haunt",
    [
        hide_later,
        set_in_hiding,
        hidden_at_start,
        hidden_and_cleared_before_the_file_is_read,
        hidden_by_a_line_with_a_fault,
        no_longer_named,
    ],
)
async def test_hidden_are_not_told_of(
    haunt: Callable[[MemoryStore], Coroutine[None, None, UserMap]],
) -> None:
    """No word of a hidden user is told, whenever they became so (T8)."""
    users = await haunt(MemoryStore(100))
    told = users.changes_since(0).changes + users.latest(100)
    assert "Boo" not in repr(told)
    assert all(change.status is None for change in told if change.name == "Ghost")


async def test_gone_when_hidden() -> None:
    """Who becomes hidden is gone: who comes back hears that as those did who were there."""
    users = await started()
    await users.replace_file(GHOST)
    await tell(users, "ghost", "Boo 1")
    shown = users.last_change
    await users.replace_file(GHOST, hiding("Ghost"))
    assert users.changes_since(shown) == Recent([Change("Ghost", None)], complete=True)
    await tell(users, "ghost", "Boo 2", OPERATOR)
    assert users.changes_since(shown) == Recent([Change("Ghost", None)], complete=True)


async def test_no_trace_of_what_the_hidden_set() -> None:
    """Neither at once nor after a restart does a number show that a hidden user set anything."""

    async def last_changes(*, haunted: bool) -> tuple[int, int]:
        store, clock = MemoryStore(100), lambda: START
        users = UserMap(store, clock=clock)
        await users.load()
        await users.replace_file(GHOST, hiding("Ghost"))
        await tell(users, "moshez", "set")
        before = users.last_change
        if haunted:
            await tell(users, "ghost", "Boo 1", OPERATOR)
        assert users.last_change == before
        users = UserMap(store, may_hide=True, clock=lambda: START + DAY)
        await users.load()
        await users.replace_file(GHOST, hiding("Ghost"))
        return before, users.last_change

    assert await last_changes(haunted=True) == await last_changes(haunted=False)


async def test_visible_again() -> None:
    """Who is hidden no longer is told of like anybody; but what they set in hiding is not."""
    store = MemoryStore(100)
    users = await started(store)
    await users.replace_file(GHOST)
    await tell(users, "ghost", "Boo 0")
    await users.replace_file(GHOST, hiding("Ghost"))
    await tell(users, "ghost", "Boo 1", OPERATOR)
    await clear(users, "ghost", OPERATOR)
    users = await started(store)
    await users.replace_file(GHOST, {"ghost": Profile("Casper")})
    assert said(users.latest(10)) == said(users.changes_since(0).changes) == [("Ghost", "Boo 0")]
    assert [past.text for past in await users.history("ghost")] == ["Boo 0"]
