"""A users file is taken over in turns with everybody else, and only what differs in it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.usermap.maps import (
    LISTED,
    MODIFIED,
    START,
    FailingStore,
    SlowStore,
    interrupted,
    listed,
    restart,
    stopped_clock,
    taken,
    tell,
    texts,
)
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import fold
from trio_finger.store import MemoryStore, StoreError
from trio_finger.usermap import Status, UserMap

MANY = 3000
File = dict[str, tuple[str, Profile | None]]

names = st.sampled_from(["a", "A", "b", "Bob", "BOB", "Zoë", "Straße", "STRASSE", "x" * 64])
profiles = st.builds(
    Profile,
    full_name=st.sampled_from(["", "Ada Lovelace", "Bob Lovelace"]),
    plan=st.sampled_from(["", "A plan"]),
    hidden=st.booleans(),
)
files = st.dictionaries(names, st.tuples(st.sampled_from(["", "1", "2"]), st.none() | profiles))


def crowd(text: str, many: int = MANY) -> dict[str, Status]:
    """Return a file with many users who are all up to *text*."""
    return {f"u{n}": Status(f"u{n}", text, MODIFIED) for n in range(many)}


async def read(users: UserMap, file: File, version: int = 0) -> int:
    """Have *users* read *file*, which was written on day *version*."""
    since = MODIFIED + timedelta(days=version)
    lines = {fold(name): (name, text, profile) for name, (text, profile) in file.items()}
    return await users.replace_file(
        {key: Status(name, text, since) for key, (name, text, _) in lines.items()},
        {key: profile for key, (_, _, profile) in lines.items() if profile},
    )


def everything(users: UserMap) -> object:
    """Return all that *users* says, but for since when."""
    return (
        [replace(status, since=MODIFIED) for status in users],
        [users.profile(status.name) for status in users],
        len(users),
        [users.is_hidden(name) for name in ("a", "Bob", "zoë", "strasse", "x" * 64)],
        [status.name for status in users.named("lovelace", 10)],
        [status.name for status in users.named("Ada", 10)],
    )


@given(st.lists(files, min_size=1, max_size=5))
async def test_differences_come_to_the_same_as_the_whole(versions: list[File]) -> None:
    """One version of a file after the other leaves what the last one says, however it began."""
    users = UserMap(MemoryStore())
    for number, file in enumerate(versions):
        await read(users, file, number)
        afresh = UserMap(MemoryStore())
        await read(afresh, file)
        assert everything(users) == everything(afresh)
        assert await read(users, file, number + 1) == 0
    assert sum(len(part.texts) for part in users._layers.file.parts) == len(
        set(map(fold, versions[-1]))
    )


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("12"))))
async def test_since(versions: list[dict[str, str]]) -> None:
    """A line keeps its age while it says the same, whatever the others do."""
    users = UserMap(MemoryStore())
    expected: dict[str, Status] = {}
    for number, file in enumerate(versions):
        since = MODIFIED + timedelta(days=number)
        await users.replace_file(listed(since, **file))
        expected = {
            name: expected[name]
            if name in expected and expected[name].text == text
            else Status(name, text, since)
            for name, text in file.items()
        }
        assert {status.name: status for status in users} == expected


async def test_age_of_most_takes_no_room() -> None:
    """Where every line has changed, no line's age is kept as an exception."""
    users = await restart(MemoryStore(), crowd("old"))
    later = MODIFIED + timedelta(days=1)
    await users.replace_file(
        {key: replace(s, text="new", since=later) for key, s in crowd("").items()}
    )
    parts = users._layers.file.parts
    assert sum(len(part.sinces) + len(part.names) + len(part.profiles) for part in parts) == 0
    assert {status.since for status in users} == {later}


# While it is taken over


async def test_each_is_old_or_new() -> None:
    """Readers go on and see nobody gone, nobody twice, and everybody wholly old or new."""
    users = await restart(MemoryStore(), crowd("old"))
    old = Status("u7", "old", MODIFIED)
    new = Status("u7", "new", START)
    everybody = [status.name for status in users]
    looks: list[set[str]] = []

    async def look(done: trio.CancelScope) -> None:
        with done:
            while True:
                looks.append({status.text for status in users})
                assert [status.name for status in users] == everybody
                assert len(users) == MANY
                assert users.get("u7") in (old, new)
                await trio.lowlevel.checkpoint()

    done = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, done)
        file = {key: replace(status, since=START) for key, status in crowd("new").items()}
        assert await users.replace_file(file) == MANY
        done.cancel()
    assert looks[0] == {"old"}
    assert {"old", "new"} in looks
    assert {status.text for status in users} == {"new"}


async def test_everybody_hears_of_everything() -> None:
    """Who takes all there is each turn hears of each change once, of more than a feed holds."""
    users = await restart(MemoryStore(), crowd("old"))
    heard: dict[str, Status | None] = {}

    async def listen(done: trio.CancelScope) -> None:
        with users.subscribe() as changes, done:
            while True:
                for change in [await changes.receive(), *taken(changes)]:
                    assert change.name not in heard
                    heard[change.name] = change.status

    done = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, done)
        await wait_all_tasks_blocked()
        assert await users.replace_file(crowd("new", 2000)) == MANY
        await wait_all_tasks_blocked()
        done.cancel()
    gone = {f"u{n}": None for n in range(2000, MANY)}
    assert heard == {**{status.name: status for status in users}, **gone}


async def test_nothing_differs() -> None:
    """A file that says the same is read without holding up anybody who sets something."""
    store = SlowStore()
    users = await restart(store, crowd("old"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, users, "u1", "set")
        await wait_all_tasks_blocked()
        nursery.start_soon(users.replace_file, crowd("old"))
        await wait_all_tasks_blocked()
        nursery.start_soon(tell, users, "u2", "set")
        await wait_all_tasks_blocked()
        store.let()
    assert [status.name for status in users if status.text == "set"] == ["u1", "u2"]


@pytest.mark.usefixtures("short_turns")
async def test_two_files_at_once() -> None:
    """Two files are taken over one after the other."""
    users = await restart(MemoryStore(), crowd("old", 50))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.replace_file, crowd("first", 50))
        await wait_all_tasks_blocked(0)
        nursery.start_soon(users.replace_file, crowd("second", 20))
    assert len(users) in (20, 50)
    assert len({status.text for status in users}) == 1


@pytest.mark.usefixtures("short_turns")
async def test_hidden_are_not_shown_for_a_moment() -> None:
    """At start, somebody who is hidden is never seen, though they had set something."""
    store = MemoryStore()
    before = await restart(store, listed(Ghost="Boo", **{f"u{n}": "A" for n in range(50)}))
    await tell(before, "ghost", "set")
    users = UserMap(store, may_hide=True)
    await users.load()
    seen: list[str] = []

    async def look(done: trio.CancelScope) -> None:
        with done:
            while True:
                assert users.get("ghost") is None
                seen.extend(status.name for status in users)
                await trio.lowlevel.checkpoint()

    done = trio.CancelScope()
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(look, done)
            file = listed(Ghost="Boo", **{f"u{n}": "A" for n in range(50)})
            await users.replace_file(file, {"ghost": Profile(hidden=True)})
            done.cancel()
        assert "Ghost" not in {change.name for change in taken(changes)}
    assert "u1" in seen
    assert not {"ghost", "Ghost"} & set(seen)


# Cancelled midway


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize("turns", [*range(1, 12), 20, 50, 100, 200, 400])
async def test_cancelled_midway(turns: int) -> None:
    """What was told over a changed line never comes back, and the next reading finds the rest."""
    store = FailingStore()
    file = listed(START, moshez="A", shawn="A", **{f"u{n}": "old" for n in range(30)})
    new = listed(START, moshez="B", Zoë="new", **{f"u{n}": "new" for n in range(10, 40)})
    users = await restart(store, file)
    await tell(users, "moshez", "set")
    await tell(users, "shawn", "set")
    await tell(users, "u3", "set", plan="a plan")

    await interrupted(users.replace_file(new), turns)
    told = {status.name for status in users if status.text == "set"}
    assert told == {key for key in told if fold(key) in {fold(t.name) for t in await store.load()}}
    assert [users.get(status.name) for status in users] == list(users)
    assert len(list(users)) == len(users)

    if not told:
        await users.replace_file(file)
        assert texts(users) == {status.name: status.text for status in file.values()}
    await users.replace_file(new)
    assert list(users) == list(await restart(MemoryStore(), new))
    assert await store.load() == []


@pytest.mark.usefixtures("short_turns")
async def test_store_that_fails_changes_nothing() -> None:
    """If what is over cannot be dropped, not a single line is taken over; the next time all is."""
    store = FailingStore()
    users = await restart(store, crowd("old", 50))
    await tell(users, "u49", "set")
    before = list(users)
    store.failing = True
    with pytest.raises(StoreError):
        await users.replace_file(crowd("new", 60))
    assert list(users) == before
    store.failing = False
    assert await users.replace_file(crowd("new", 60)) == 60


# Going through everybody


@settings(max_examples=50)
@given(st.data())
async def test_iteration_beside_changes(data: st.DataObject) -> None:
    """Whoever is there all the time comes exactly once and in order, whatever others do."""
    users = await restart(MemoryStore(), crowd("old", 40))
    there = set(texts(users))
    seen: list[str] = []
    keys = [f"u{n}" for n in range(60)]
    for status in users:
        seen.append(status.name)
        if data.draw(st.integers(0, 4)) == 0:
            left = data.draw(st.sets(st.sampled_from(keys)))
            await users.replace_file({key: Status(key, "new", START) for key in left})
            there &= set(texts(users))
        if data.draw(st.integers(0, 4)) == 0:
            await tell(users, data.draw(st.sampled_from(keys)), "set")
    assert seen == sorted(set(seen))
    assert there <= set(seen)


async def test_iteration_of_a_large_map_beside_its_file() -> None:
    """So it is in a map of thousands that is read again meanwhile, to its last user."""
    users = await restart(MemoryStore(), crowd("old"))
    seen: list[str] = []

    async def go_through() -> None:
        for count, status in enumerate(users):
            seen.append(status.name)
            if count % 100 == 0:
                await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_through)
        nursery.start_soon(users.replace_file, {**crowd("new", 1500), **crowd("x", 10)})
    assert seen == sorted(set(seen))
    assert {f"u{n}" for n in range(1500)} <= set(seen)
    assert len(users) == 1500


async def test_counted_though_ended(autojump_clock: MockClock) -> None:
    """Many statuses that have ended, and are not taken back yet, count for nobody."""
    now = START
    users = await restart(MemoryStore(), listed(moshez="A"), clock=lambda: now)
    for n in range(100):
        await tell(users, f"u{n}", "set", lasts="1m")
        await tell(users, f"u{n}", "again", lasts="2m" if n % 2 else "1m")
    await tell(users, "moshez", "set", plan="a plan", lasts="1m")
    assert len(users) == 101
    now = START + timedelta(seconds=60)
    assert len(users) == len(list(users)) == 51
    now = START + timedelta(seconds=120)
    assert (len(users), list(users)) == (1, [LISTED])


# By full name


def called(**full_names: str) -> dict[str, Profile]:
    return {fold(name): Profile(full_name) for name, full_name in full_names.items()}


async def test_named() -> None:
    """Words of full names are found in any spelling, in order, without what encloses them."""
    everybody = {
        "c": "Zoe\u0308 (Zed) O'Neil",
        "b": "Moshe “ZOË”, Zadka!",
        "a": "zoë",
        "d": "Zoe",
        "e": "",
        "f": "... !",
    }
    users = await restart(
        MemoryStore(), listed(**dict.fromkeys(everybody, "A")), called(**everybody)
    )

    def find(word: str, limit: int = 10) -> str:
        return "".join(status.name for status in users.named(word, limit))

    assert find("ZOË") == find("(zoe\u0308)") == "abc"
    assert find("Zoë", 2) == "ab"
    assert find("zoë", 0) == ""
    assert find("zed") == find("O'NEIL") == "c"
    assert find("moshe") == "b"
    assert find("zo") == find("Zoë Zed") == find("") == find("...") == find("\udcff" * 1000) == ""


async def test_named_goes_with_the_file() -> None:
    """Who is renamed, removed or hidden is found no more; what they set is what is found."""
    file = listed(a="A", b="B")
    users = await restart(MemoryStore(), file, called(a="Ada Lovelace", b="Ada Byron"))
    status = await tell(users, "a", "set")
    assert users.named("ada", 10) == [status, file["b"]]
    await users.replace_file(file, called(a="Ada Lovelace", b="Lord Byron"))
    assert users.named("ada", 10) == [status]
    assert users.named("byron", 10) == [file["b"]]
    await users.replace_file(file, {"a": Profile("Ada Lovelace", hidden=True)})
    assert users.named("ada", 10) == users.named("byron", 10) == []
    await users.replace_file(listed(b="B"), called(b="Ada"))
    assert users.named("Ada", 10) == [file["b"]]
    await users.replace_file({})
    assert not any(users._layers.file.full_names._keys)


async def test_named_like_many_others() -> None:
    """A word that thousands have is found in order, and forgotten one by one."""
    many = crowd("A", 2000)
    users = await restart(MemoryStore(), many, dict.fromkeys(many, Profile("John Doe")))
    assert users.named("doe", 3) == [many[key] for key in ("u0", "u1", "u10")]
    assert [status.name for status in users.named("john", 5000)] == sorted(many)
    await users.replace_file(many, {"u7": Profile("John Doe")})
    assert users.named("john", 3) == [many["u7"]]


async def test_at_hand_is_bounded_and_right() -> None:
    """What was asked for once is as right the next time, and the memory for it has a bound."""
    users = UserMap(MemoryStore(), clock=stopped_clock)
    await users.replace_file(crowd("old", 20_000))
    for n in range(20_000):
        assert users.get(f"U{n}") == Status(f"u{n}", "old", MODIFIED)
        assert users.get(f"nobody{n}") is None
    assert len(users._layers.at_hand) <= 16_384
    ask = partial(users.get, "u19999")
    assert await tell(users, "u19999", "set") == ask() == ask()
    await users.replace_file({**crowd("old", 20_000), **listed(u19999="new")})
    assert ask() == ask() == Status("u19999", "new", MODIFIED)
    await users.replace_file(crowd("old", 19_999))
    assert ask() is None
