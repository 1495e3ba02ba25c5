"""Which status wins, and that no store, file or crowd of writers can confuse it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from unicodedata import normalize

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from trio.testing import wait_all_tasks_blocked

from trio_finger.protocol.text import MAX_NAME, MAX_STATUS, fold
from trio_finger.store import MemoryStore, Store, StoreError, Told
from trio_finger.usermap import Change, RefusedError, Status, UserMap

START = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)


class Clock:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self._seconds = count()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))


class FailingStore(MemoryStore):
    """A store that can be told to fail, and then keeps nothing and forgets nothing."""

    failing = False

    async def keep(self, told: Told) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        await super().keep(told)

    async def drop(self, names: list[str]) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        await super().drop(names)


class SlowStore(MemoryStore):
    """A store that keeps and forgets only when `go` is set, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.go = trio.Event()
        self.asked: list[Told | list[str]] = []

    async def keep(self, told: Told) -> None:
        self.asked.append(told)
        await self.go.wait()
        await super().keep(told)

    async def drop(self, names: list[str]) -> None:
        self.asked.append(names)
        await self.go.wait()
        await super().drop(names)


def listed(since: datetime = MODIFIED, /, **users: str) -> dict[str, Status]:
    """Return what a users file says that names *users*."""
    return {fold(name): Status(name, text, since) for name, text in users.items()}


def texts(users: UserMap) -> dict[str, str]:
    """Return everybody's status as it is shown."""
    return {status.name: status.text for status in users}


async def restart(store: Store, file: Mapping[str, Status]) -> UserMap:
    """Return the map of a daemon that was just started on *store* and *file*."""
    users = UserMap(store, clock=Clock())
    await users.load()
    await users.replace_file(file)
    return users


def taken(changes: trio.MemoryReceiveChannel[Change]) -> list[Change]:
    """Return the changes that are there by now."""
    found = []
    while True:
        try:
            found.append(changes.receive_nowait())
        except trio.WouldBlock:
            return found


# Which status wins, rule by rule


async def test_nobody() -> None:
    """An empty map knows nobody, by any name."""
    users = UserMap(MemoryStore())
    assert len(users) == 0
    assert list(users) == []
    for name in ("", "moshez", "%s", "\0", "\udcff", "a" * 100_000):
        assert users.get(name) is None


async def test_file_alone() -> None:
    """Where nothing was set, the file's status holds, since the file says so."""
    users = await restart(MemoryStore(), listed(moshez="Happy and well"))
    assert users.get("moshez") == Status("moshez", "Happy and well", MODIFIED)


async def test_set_holds_over_the_file() -> None:
    """Rule 1: what a person set holds over the file, since they set it."""
    users = await restart(MemoryStore(), listed(moshez="Happy and well", shawn="Alive"))
    status = await users.tell("moshez", "Giving a tutorial")
    assert status == Status("moshez", "Giving a tutorial", START)
    assert users.get("moshez") == status
    assert texts(users) == {"moshez": "Giving a tutorial", "shawn": "Alive"}


@pytest.mark.parametrize("down", [False, True], ids=["running", "while-down"])
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"moshez": "A"}, {"moshez": "A"}, "set"),
        ({"moshez": "A"}, {"moshez": "B"}, "B"),
        ({"moshez": "A"}, {}, None),
        ({}, {"moshez": "A"}, "A"),
        ({}, {"moshez": "set"}, "set"),
        ({}, {}, "set"),
        ({"moshez": "A"}, {"moshez": "A", "shawn": "Alive"}, "set"),
        ({"moshez": "A", "shawn": "Alive"}, {"moshez": "A"}, "set"),
        ({"moshez": "A", "shawn": "Alive"}, {"moshez": "A", "shawn": "Edited"}, "set"),
        ({"moshez": "set"}, {"moshez": "set"}, "set"),
        ({"moshez": "set"}, {"moshez": "B"}, "B"),
        ({"moshez": "A"}, {"MosheZ": "A"}, "set"),
        ({"moshez": "A"}, {"MosheZ": "a"}, "a"),
    ],
)
async def test_until_their_line_changes(
    before: dict[str, str], after: dict[str, str], expected: str | None, down: bool
) -> None:
    """Rules 1 and 2: a set status ends when that user's line is added, edited or removed, even
    while the daemon is down, and does not end when another's is."""
    store = MemoryStore()
    users = await restart(store, listed(**before))
    await users.tell("moshez", "set")
    if down:
        users = await restart(store, listed(**after))
    else:
        await users.replace_file(listed(**after))
    status = users.get("moshez")
    assert (status.text if status else None) == expected
    kept = {told.name for told in await store.load()}
    assert kept == ({"moshez"} if status and status.since == START else set())


async def test_over_is_over() -> None:
    """Rule 1: once a line has changed, changing it back does not bring back what was set."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    await users.tell("moshez", "set")
    await users.replace_file(listed(moshez="B"))
    await users.replace_file(listed(moshez="A"))
    assert texts(users) == {"moshez": "A"}
    assert texts(await restart(store, listed(moshez="A"))) == {"moshez": "A"}


async def test_set_again_is_set_over_the_file_of_that_moment() -> None:
    """Rule 2: a status that is set anew is set over what the file says by then."""
    users = await restart(MemoryStore(), listed(moshez="A"))
    await users.tell("moshez", "first")
    await users.replace_file(listed(moshez="B"))
    await users.tell("moshez", "second")
    await users.replace_file(listed(moshez="B"))
    assert texts(users) == {"moshez": "second"}
    await users.replace_file(listed(moshez="A"))
    assert texts(users) == {"moshez": "A"}


async def test_every_restart_agrees() -> None:
    """Rule 2: whatever held before a restart holds after it, and after the next."""
    store = MemoryStore()
    file = listed(moshez="A", shawn="Alive")
    users = await restart(store, file)
    await users.tell("moshez", "set")
    await users.tell("Zoë", "created")
    before = list(users)
    for _ in range(3):
        users = await restart(store, file)
        assert list(users) == before


async def test_kept_statuses_hold_before_the_file_is_read() -> None:
    """Rule 2: at start, with no file read yet, what was set already holds."""
    store = MemoryStore()
    await (await restart(store, listed(moshez="A"))).tell("moshez", "set")
    users = UserMap(store)
    await users.load()
    assert texts(users) == {"moshez": "set"}


async def test_same_file_changes_nothing() -> None:
    """Rule 3: reading an unchanged file again, however new it is, changes nothing at all."""
    users = await restart(MemoryStore(), listed(moshez="A", shawn="Alive"))
    await users.tell("moshez", "set")
    before = list(users)
    with users.subscribe() as changes:
        touched = listed(MODIFIED + timedelta(days=1), moshez="A", shawn="Alive")
        assert await users.replace_file(touched) == 0
        assert taken(changes) == []
    assert list(users) == before


async def test_since_of_a_line_is_its_own() -> None:
    """Rule 3: in an edited file only the edited lines are new."""
    users = await restart(MemoryStore(), listed(moshez="A", shawn="Alive"))
    later = MODIFIED + timedelta(days=1)
    assert await users.replace_file(listed(later, moshez="B", shawn="Alive")) == 1
    assert list(users) == [Status("moshez", "B", later), Status("shawn", "Alive", MODIFIED)]


async def test_create() -> None:
    """Rule 4: somebody may be set who is not in the file."""
    users = await restart(MemoryStore(), {})
    assert await users.tell("moshez", "Here") == Status("moshez", "Here", START)
    assert texts(users) == {"moshez": "Here"}
    assert len(users) == 1


async def test_create_turned_off() -> None:
    """Rule 4: the operator can turn that off, and people in the file can still be set."""
    store = MemoryStore()
    users = UserMap(store, create=False)
    await users.replace_file(listed(moshez="A"))
    with pytest.raises(RefusedError, match="only users whom the users file names"):
        await users.tell("shawn", "Here")
    await users.tell("Moshez", "set")
    assert texts(users) == {"moshez": "set"}
    assert [told.text for told in await store.load()] == ["set"]
    users.create = True
    await users.tell("shawn", "Here")
    assert texts(users) == {"moshez": "set", "shawn": "Here"}


async def test_clear_goes_back_to_the_file() -> None:
    """Rule 5: clearing shows what the file says again, as old as it was."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    await users.tell("moshez", "set")
    assert await users.clear("MOSHEZ") == Status("moshez", "A", MODIFIED)
    assert users.get("moshez") == Status("moshez", "A", MODIFIED)
    assert await store.load() == []


async def test_clear_of_one_not_in_the_file() -> None:
    """Rule 5: where the file says nothing, a cleared user no longer exists."""
    store = MemoryStore()
    users = await restart(store, {})
    await users.tell("moshez", "set")
    assert await users.clear("moshez") is None
    assert (len(users), users.get("moshez"), list(users)) == (0, None, [])
    assert await store.load() == []
    with pytest.raises(RefusedError, match="no such user"):
        await users.clear("moshez")


async def test_clear_of_nothing_set() -> None:
    """Clearing a user for whom nothing was set changes nothing and is no error."""
    users = await restart(MemoryStore(), listed(moshez="A"))
    with users.subscribe() as changes:
        assert await users.clear("moshez") == Status("moshez", "A", MODIFIED)
        assert taken(changes) == []
    assert texts(users) == {"moshez": "A"}


# Names and texts


async def test_one_user_whatever_the_spelling() -> None:
    """Names are one user's if they are the same casefolded after NFC; the first spelling shows."""
    users = await restart(MemoryStore(), listed(Straße="A"))
    await users.tell("STRASSE", "set")
    await users.tell("Zoë", "first")
    await users.tell("ZOE\u0308", "second")
    assert texts(users) == {"Straße": "set", "Zoë": "second"}
    assert len(users) == 2
    assert users.get("strasse") == users.get("STRAßE") != users.get("zoë")


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "mo shez", "@host", "a/b", "a:b", "a!b", "a,b", "..", "."),
        *("a\0", "a\nb", "a\u200bb", "a\u202eb", "\udcff", "n" * (MAX_NAME + 1), "n" * 1_000_000),
    ],
)
async def test_what_cannot_be_a_name_cannot_be_set(name: str) -> None:
    """A name that cannot be one is refused in words, and nothing changes."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    with pytest.raises(RefusedError, match="name"):
        await users.tell(name, "Here")
    with pytest.raises(RefusedError, match="no such user"):
        await users.clear(name)
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []


@pytest.mark.parametrize("text", ["", " \t ", "\0\x1b\u200b", "s" * (MAX_STATUS + 1), "é" * 513])
async def test_what_cannot_be_a_status_cannot_be_set(text: str) -> None:
    """A status that is empty once it is clean, or too long, is refused, and nothing changes."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    with pytest.raises(RefusedError, match="the status is"):
        await users.tell("moshez", text)
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []


async def test_what_is_stored_is_clean() -> None:
    """Control and bidi characters are gone from what is shown and from what is kept (T9)."""
    store = MemoryStore()
    users = await restart(store, {})
    await users.tell("moshez", " \x1b[31mred\u202e\r\nalert\x9b\t! ")
    assert texts(users) == {"moshez": "[31mredalert\t!"}
    assert [told.text for told in await store.load()] == ["[31mredalert\t!"]


async def test_templates_stay_text() -> None:
    """What looks like a format or a template is a text like any other (T12)."""
    users = await restart(MemoryStore(), {})
    for text in ("%s %d", "{user.__class__}", "{{7*7}}", "${x}", "<b>"):
        await users.tell("moshez", text)
        assert texts(users) == {"moshez": text}


async def test_order_is_that_of_folded_names() -> None:
    """Everybody comes in one order, whether from the file or set."""
    users = await restart(MemoryStore(), listed(b="1", D="2"))
    for name in ("C", "a", "B", "é"):
        await users.tell(name, "set")
    assert [status.name for status in users] == ["a", "b", "C", "D", "é"]


# A store that fails or blocks


async def test_failed_store_changes_nothing() -> None:
    """What the store could not keep or forget has not happened, for readers and subscribers."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    await users.tell("moshez", "set")
    before, kept = list(users), await store.load()
    store.failing = True
    with users.subscribe() as changes:
        for name in ("moshez", "shawn", "new"):
            with pytest.raises(StoreError):
                await users.tell(name, "other")
        with pytest.raises(StoreError):
            await users.clear("moshez")
        with pytest.raises(StoreError):
            await users.replace_file(listed(moshez="B"))
        assert taken(changes) == []
    assert list(users) == before
    assert await store.load() == kept
    store.failing = False
    await users.tell("moshez", "other")
    await users.replace_file(listed(moshez="B"))
    assert texts(users) == {"moshez": "B"}


async def test_file_edit_that_ends_nothing_needs_no_store() -> None:
    """A file whose edits end no set status is taken over though the store fails."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    await users.tell("moshez", "set")
    store.failing = True
    assert await users.replace_file(listed(moshez="A", shawn="Edited")) == 1
    assert texts(users) == {"moshez": "set", "shawn": "Edited"}


async def test_unexpected_fault_in_the_store() -> None:
    """Any other exception from the store leaves the map as it was, and unlocked."""

    class BuggyStore(MemoryStore):
        async def keep(self, told: Told) -> None:
            raise ZeroDivisionError

    users = await restart(BuggyStore(), listed(moshez="A"))
    for _ in range(2):
        with trio.fail_after(1), pytest.raises(ZeroDivisionError):
            await users.tell("moshez", "set")
    assert texts(users) == {"moshez": "A"}


async def test_readers_never_wait_and_see_what_is_kept() -> None:
    """While the store takes its time, readers get at once what was there before."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(users.tell, "moshez", "set")
            await wait_all_tasks_blocked()
            nursery.start_soon(users.tell, "new", "created")
            await wait_all_tasks_blocked()
            assert texts(users) == {"moshez": "A"}
            assert (len(users), users.get("new")) == (1, None)
            assert taken(changes) == []
            store.go.set()
        assert texts(users) == {"moshez": "set", "new": "created"}
        assert [change.name for change in taken(changes)] == ["moshez", "new"]


async def test_cancelled_writer_changes_nothing() -> None:
    """A writer that is cancelled while the store blocks changes nothing and lets the next in."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.tell, "moshez", "set")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert texts(users) == {"moshez": "A"}
    store.go.set()
    with trio.fail_after(1):
        await users.tell("moshez", "other")
    assert texts(users) == {"moshez": "other"}


async def test_writers_are_in_one_order() -> None:
    """Whoever writes, the store, the readers and the subscribers agree on the order."""
    store = SlowStore()
    users = await restart(store, {})
    names = [f"user{number % 7}" for number in range(100)]
    results: dict[str, Status] = {}

    async def write(number: int, name: str) -> None:
        status = await users.tell(name, f"status {number}")
        results[status.text] = status

    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            for number, name in enumerate(names):
                nursery.start_soon(write, number, name)
            await wait_all_tasks_blocked()
            assert len(store.asked) == 1, "one writer at a time"
            store.go.set()
        heard = [change.status for change in taken(changes)]
    asked = [told for told in store.asked if isinstance(told, Told)]
    assert [status.text for status in heard if status] == [told.text for told in asked]
    assert heard == [results[told.text] for told in asked]
    last = {told.name: told.text for told in asked}
    assert texts(users) == last == {told.name: told.text for told in await store.load()}


async def test_clear_waits_for_the_set_before_it() -> None:
    """A clear that comes while a set is being kept clears what that sets."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.tell, "moshez", "set")
        await wait_all_tasks_blocked()
        nursery.start_soon(users.clear, "moshez")
        await wait_all_tasks_blocked()
        store.go.set()
    assert list(users) == []
    assert await store.load() == []


async def test_file_and_set_at_one_time() -> None:
    """A file that is replaced while a set is being kept comes after it, and ends it."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.tell, "moshez", "set")
        await wait_all_tasks_blocked()
        nursery.start_soon(users.replace_file, listed(moshez="B"))
        await wait_all_tasks_blocked()
        assert texts(users) == {"moshez": "A"}
        store.go.set()
    assert texts(users) == {"moshez": "B"}
    assert await store.load() == []


async def test_readers_see_the_old_file_or_the_new() -> None:
    """While a large file is taken over others run, and never see a mixture."""
    many = 5000
    users = await restart(
        MemoryStore(), {f"u{n}": Status(f"u{n}", "old", START) for n in range(many)}
    )
    looks: list[set[str]] = []

    async def read(done: trio.CancelScope) -> None:
        with done:
            while True:
                looks.append({status.text for status in users})
                await trio.lowlevel.checkpoint()

    done = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, done)
        changed = await users.replace_file(
            {f"u{n}": Status(f"u{n}", "new", START) for n in range(many)}
        )
        looks.append({status.text for status in users})
        done.cancel()
    assert changed == many
    assert all(len(look) == 1 for look in looks)
    assert len(looks) > 2, "readers ran meanwhile"
    assert looks[-1] == {"new"}


async def test_store_that_cannot_tell() -> None:
    """A store that cannot load fails the start."""

    class UnreadableStore(MemoryStore):
        async def load(self) -> list[Told]:
            raise StoreError("not a database")

    with pytest.raises(StoreError):
        await UserMap(UnreadableStore()).load()


# Any sequence of all of that, against a model


NAMES = ["moshez", "MosheZ", "shawn", "Zoë", "ZOE\u0308", "Straße", "STRASSE"]
TEXTS = ["A", "B", "set", "☞"]
files = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(TEXTS))


@dataclass
class Model:
    """What should hold: the rules, written down once more and as plainly as can be."""

    file: dict[str, Status] = field(default_factory=dict)
    told: dict[str, tuple[Status, str | None]] = field(default_factory=dict)

    def says(self, key: str) -> str | None:
        return self.file[key].text if key in self.file else None

    def shown(self) -> dict[str, Status]:
        everyone = self.file | {key: status for key, (status, _) in self.told.items()}
        return {
            key: replace(status, name=self.file[key].name if key in self.file else status.name)
            for key, status in everyone.items()
        }

    def tell(self, name: str, text: str, since: datetime) -> None:
        key, name = fold(name), normalize("NFC", name)
        if key in self.told:
            name = self.told[key][0].name
        self.told[key] = (Status(name, text, since), self.says(key))

    def read(self, file: dict[str, Status]) -> None:
        old, self.file = self.file, file
        for key, status in file.items():
            if key in old and old[key].text == status.text:
                file[key] = replace(status, since=old[key].since)
        self.told = {key: told for key, told in self.told.items() if told[1] == self.says(key)}


class MapMachine(RuleBasedStateMachine):
    """A map, a store that fails at times, files, restarts, and a subscriber throughout."""

    @initialize(file=files)
    def start(self, file: dict[str, str]) -> None:
        self.now = START
        self.model = Model()
        self.store = FailingStore()
        self.written = file
        self.boot()

    def boot(self) -> None:
        """Start anew on the store, and on what was last written to the file."""
        self.leave()
        self.users = UserMap(self.store, clock=lambda: self.now)
        trio.run(self.users.load)
        self.model.file = {}
        self.heard = {fold(status.name): status for status in self.users}
        self.subscription = ExitStack()
        self.changes = self.subscription.enter_context(self.users.subscribe())
        self.read()

    def read(self) -> None:
        self.now += timedelta(seconds=1)
        file = listed(self.now, **self.written)
        trio.run(self.users.replace_file, file)
        self.model.read(dict(file))

    def leave(self) -> None:
        if hasattr(self, "subscription"):
            self.subscription.close()

    def teardown(self) -> None:
        self.leave()

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def tell(self, name: str, text: str) -> None:
        self.now += timedelta(seconds=1)
        status = trio.run(self.users.tell, name, text)
        self.model.tell(name, text, self.now)
        assert status == self.model.shown()[fold(name)]

    @rule(name=st.sampled_from(NAMES))
    def clear(self, name: str) -> None:
        key = fold(name)
        if key not in self.model.shown():
            with pytest.raises(RefusedError):
                trio.run(self.users.clear, name)
            return
        status = trio.run(self.users.clear, name)
        self.model.told.pop(key, None)
        assert status == self.model.shown().get(key)

    @rule(file=files)
    def edit_and_read(self, file: dict[str, str]) -> None:
        self.written = file
        self.read()

    @rule()
    def read_again(self) -> None:
        self.now += timedelta(seconds=1)
        assert trio.run(self.users.replace_file, listed(self.now, **self.written)) == 0

    @rule(file=st.none() | files)
    def restart(self, file: dict[str, str] | None) -> None:
        if file is not None:
            self.written = file
        self.boot()

    @rule(name=st.sampled_from(NAMES), text=st.sampled_from(TEXTS))
    def fail_to_tell(self, name: str, text: str) -> None:
        self.store.failing = True
        with pytest.raises(StoreError):
            trio.run(self.users.tell, name, text)
        self.store.failing = False

    @rule(name=st.sampled_from(NAMES))
    def fail_to_clear(self, name: str) -> None:
        if fold(name) in self.model.told:
            self.store.failing = True
            with pytest.raises(StoreError):
                trio.run(self.users.clear, name)
            self.store.failing = False

    @invariant()
    def shows_what_the_model_says(self) -> None:
        shown = self.model.shown()
        assert {fold(status.name): status for status in self.users} == shown
        assert [fold(status.name) for status in self.users] == sorted(shown)
        assert len(self.users) == len(shown)
        for name in NAMES:
            assert self.users.get(name) == shown.get(fold(name))

    @invariant()
    def keeps_what_the_model_says(self) -> None:
        kept = trio.run(self.store.load)
        assert {fold(told.name): (told.text, told.since, told.over) for told in kept} == {
            key: (status.text, status.since, over)
            for key, (status, over) in self.model.told.items()
        }

    @invariant()
    def tells_every_change(self) -> None:
        for change in taken(self.changes):
            if change.status is None:
                del self.heard[fold(change.name)]
            else:
                assert change.name == change.status.name
                self.heard[fold(change.name)] = change.status
        shown = self.model.shown()
        assert {key: (status.text, status.since) for key, status in self.heard.items()} == {
            key: (status.text, status.since) for key, status in shown.items()
        }


TestMapMachine = MapMachine.TestCase
TestMapMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
