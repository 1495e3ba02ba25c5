"""Everything that is asked for while the store is at it is kept in one go after that."""

from collections.abc import Sequence
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.usermap.maps import SlowStore, clear, listed, restart, taken, tell, texts
from trio_finger.store import Dropped, MemoryStore, StoreError, Told
from trio_finger.usermap import DeniedError, RefusedError, Status, UserMap

CROWD = 50


class Crowd:
    """Setters, each a task of its own, and what became of them.

    Attributes:
      answers: what each was answered or refused with, in that order.
    """

    def __init__(self, users: UserMap, nursery: trio.Nursery) -> None:
        self.answers: dict[str, Status | Exception | None] = {}
        self._users = users
        self._nursery = nursery

    async def ask(self, name: str, status: str | None, plan: str | None = None) -> trio.CancelScope:
        """Have somebody ask for something, and see that they wait; return what cancels them."""
        scope = trio.CancelScope()
        self._nursery.start_soon(self._ask, scope, name, status, plan)
        await wait_all_tasks_blocked()
        return scope

    async def _ask(
        self, scope: trio.CancelScope, name: str, status: str | None, plan: str | None
    ) -> None:
        with scope:
            text = status or f"no {name}"
            try:
                self.answers[text] = await tell(self._users, name, status, plan=plan)
            except (RefusedError, StoreError) as error:
                self.answers[text] = error


async def let(store: SlowStore, writes: int = 1) -> None:
    """Let *store* get done with *writes*, and everybody hear of it."""
    store.let(writes)
    await wait_all_tasks_blocked()


async def test_a_crowd_is_two_writes() -> None:
    """Of a crowd, the first is kept alone, and all others together; each is answered then."""
    store = SlowStore()
    users = await restart(store, {})
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            crowd = Crowd(users, nursery)
            names = [f"user{number:02}" for number in range(CROWD)]
            for name in names:
                await crowd.ask(name, f"of {name}")
            assert crowd.answers == {}
            await let(store)
            assert list(crowd.answers) == ["of user00"]
            assert list(texts(users)) == names[:1]
            assert [change.name for change in taken(changes)] == names[:1]
            await let(store)
        assert [change.name for change in taken(changes)] == names[1:]
    assert [len(writes) for writes in store.asked] == [1, CROWD - 1]
    assert crowd.answers == {f"of {name}": users.get(name) for name in names}
    assert texts(users) == {name: f"of {name}" for name in names}


async def test_a_crowd_at_one_moment() -> None:
    """So it is if all come at the same moment, in whatever order."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        for number in range(CROWD):
            nursery.start_soon(tell, users, f"user{number}", "set")
        await wait_all_tasks_blocked()
        await let(store, 2)
    assert sum(len(writes) for writes in store.asked) == CROWD
    assert len(store.asked) <= 2
    assert len(users) == CROWD


async def test_one_user_in_order() -> None:
    """What is asked for one user is kept in the order in which it came, none left out."""
    store = SlowStore()
    users = await restart(store, {})
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            crowd = Crowd(users, nursery)
            for name, text in (
                *(("first", "0"), ("moshez", "1"), ("MosheZ", "2"), ("shawn", "a")),
                *(("moshez", "3"), ("shawn", "b"), ("moshez", "4")),
            ):
                await crowd.ask(name, text)
            await let(store, 10)
        assert [change.status.text for change in taken(changes) if change.status] == [
            *("0", "1", "a", "2", "b", "3", "4")
        ]
    assert store.texts == [["0"], ["1", "a"], ["2", "b"], ["3"], ["4"]]
    assert sorted(crowd.answers) == ["0", "1", "2", "3", "4", "a", "b"]
    assert texts(users) == {"first": "0", "moshez": "4", "shawn": "b"}


async def test_set_clear_set() -> None:
    """A clear between two sets clears the first and not the second."""
    store = SlowStore()
    users = await restart(store, {})
    heard = []
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            for text in ("one", "", "two"):
                nursery.start_soon(tell, users, "moshez", text)
                await wait_all_tasks_blocked()
            await let(store, 3)
        heard = [change.status and change.status.text for change in taken(changes)]
    assert heard == ["one", None, "two"]
    assert texts(users) == {"moshez": "two"}


async def test_status_and_plan_are_one() -> None:
    """A status and a plan that are asked for together are kept together, or neither is."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        crowd = Crowd(users, nursery)
        await crowd.ask("moshez", "set", "a plan")
        await crowd.ask("shawn", "set too", "his plan")
        store.failing = True
        await let(store)
        store.failing = False
        await let(store)
    assert store.texts == [["set", "a plan"], ["set too", "his plan"]]
    assert isinstance(crowd.answers["set"], StoreError)
    assert texts(users) == {"shawn": "set too"}
    assert [users.profile(name).plan for name in ("moshez", "shawn")] == ["", "his plan"]


async def test_refused_among_others() -> None:
    """One that is refused spoils no other; what it may depends on what is there by then."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    users.create = False
    async with trio.open_nursery() as nursery:
        crowd = Crowd(users, nursery)
        await crowd.ask("moshez", "0")
        await crowd.ask("moshez", "1")
        await crowd.ask("stranger", "2")
        await crowd.ask("nobody", "")
        await crowd.ask("shawn", "3")
        await let(store, 2)
    assert store.texts == [["0"], ["1", "3"]]
    assert isinstance(crowd.answers["2"], DeniedError)
    assert str(crowd.answers["no nobody"]) == "no such user"
    assert texts(users) == {"moshez": "1", "shawn": "3"}


async def test_nothing_but_refusals_need_no_store() -> None:
    """Where there is nothing to keep the store is left alone."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    with pytest.raises(RefusedError):
        await clear(users, "nobody")
    assert await clear(users, "moshez") == listed(moshez="A")["moshez"]
    assert store.asked == []


async def test_store_that_fails_a_batch() -> None:
    """All in a batch that could not be kept hear of it, nothing has changed, and all goes on."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    async with trio.open_nursery() as nursery:
        crowd = Crowd(users, nursery)
        for name in ("moshez", "one", "two", "three"):
            await crowd.ask(name, f"of {name}")
        await crowd.ask("nobody", "")
        await let(store)
        before, kept = list(users), await store.load()
        with users.subscribe() as changes:
            store.failing = True
            await let(store)
            store.failing = False
            assert taken(changes) == []
        assert list(users) == before
        assert await store.load() == kept
        errors = [crowd.answers[f"of {name}"] for name in ("one", "two", "three")]
        assert [str(error) for error in errors] == ["the disk is full"] * 3
        assert len(set(map(id, errors))) == 3, "each has an error of its own"
        assert str(crowd.answers["no nobody"]) == "no such user"
        await crowd.ask("one", "again")
        await let(store)
    assert texts(users) == {"moshez": "of moshez", "one": "again"}


async def test_fault_in_the_store_reaches_everybody() -> None:
    """An exception that no store should raise ends each ask in it, and none hangs (T29)."""

    class BuggyStore(MemoryStore):
        bugs = CROWD

        async def write(self, writes: Sequence[Told | Dropped]) -> None:
            await trio.lowlevel.checkpoint()
            if self.bugs:
                self.bugs -= 1
                raise ZeroDivisionError
            await super().write(writes)

    users = await restart(BuggyStore(), listed(moshez="A"))
    faults = 0

    async def ask(number: int) -> None:
        nonlocal faults
        with pytest.raises(ZeroDivisionError):
            await tell(users, f"user{number}", "set")
        faults += 1

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            for number in range(CROWD):
                nursery.start_soon(ask, number)
        assert faults == CROWD
        assert texts(users) == {"moshez": "A"}
        await tell(users, "moshez", "set")
    assert texts(users) == {"moshez": "set"}


# Those who go before they are answered


async def test_cancelled_before_its_turn() -> None:
    """Who goes before the store was asked has asked for nothing, and nobody else is harmed."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        crowd = Crowd(users, nursery)
        await crowd.ask("first", "0")
        await crowd.ask("one", "1")
        gone = await crowd.ask("two", "2")
        await crowd.ask("two", "3")
        gone.cancel()
        await wait_all_tasks_blocked()
        await let(store, 2)
    assert store.texts == [["0"], ["1", "3"]]
    assert sorted(crowd.answers) == ["0", "1", "3"]
    assert texts(users) == {"first": "0", "one": "1", "two": "3"}


@pytest.mark.parametrize("gone", ["one", "two", "three"])
async def test_cancelled_during_the_write(gone: str) -> None:
    """Who goes while the store is at it is kept; the others are, and hear of it."""
    store = SlowStore()
    users = await restart(store, {})
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            crowd = Crowd(users, nursery)
            await crowd.ask("first", "of first")
            scopes = {name: await crowd.ask(name, f"of {name}") for name in ("one", "two", "three")}
            await let(store)
            await crowd.ask("late", "of late")
            scopes[gone].cancel()
            await wait_all_tasks_blocked()
            assert len(store.asked) == 2, "the write goes on"
            await let(store, 2)
        assert len(taken(changes)) == 5
    assert store.texts == [["of first"], ["of one", "of two", "of three"], ["of late"]]
    everybody = {name: f"of {name}" for name in ("first", "late", "one", "three", "two")}
    assert texts(users) == everybody
    assert {told.name: told.text for told in await store.load()} == everybody
    assert set(everybody.values()) - set(crowd.answers) <= {f"of {gone}"}


async def test_everybody_is_cancelled() -> None:
    """If all go at once, what the store was at is kept, nothing else, and the map is free."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        crowd = Crowd(users, nursery)
        for number in range(10):
            await crowd.ask(f"user{number}", f"status {number}")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await let(store)
    assert store.texts == [["status 0"]]
    assert texts(users) == {"user0": "status 0"}
    store.let()
    with trio.fail_after(5):
        await tell(users, "moshez", "set")
    assert users.get("moshez") is not None
    assert len(store.asked) == 2


async def test_file_waits_for_its_turn() -> None:
    """A file that is read among the sets ends what was set before it, and none after it."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A", shawn="A"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, users, "moshez", "before")
        await wait_all_tasks_blocked()
        nursery.start_soon(users.replace_file, listed(moshez="B", shawn="B"))
        await wait_all_tasks_blocked()
        nursery.start_soon(tell, users, "shawn", "after")
        await wait_all_tasks_blocked()
        await let(store, 10)
    assert texts(users) == {"moshez": "B", "shawn": "after"}
    assert {told.name: told.over for told in await store.load()} == {"shawn": "B"}


# A store that does not answer


async def test_store_that_never_answers(autojump_clock: MockClock) -> None:
    """Who waits for a store that hangs is told after half a minute, and the next may try."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    with trio.fail_after(60.1):
        async with trio.open_nursery() as nursery:
            for name in ("moshez", "one", "two", "three"):
                nursery.start_soon(partial(fail_to_tell, users, name))
    assert [len(writes) for writes in store.asked] in ([1, 3], [4])
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []
    store.let()
    await tell(users, "moshez", "set")
    assert texts(users) == {"moshez": "set"}


async def fail_to_tell(users: UserMap, name: str) -> None:
    with pytest.raises(StoreError, match="the store does not answer"):
        await tell(users, name, "set")


async def test_cancelled_while_the_store_hangs(autojump_clock: MockClock) -> None:
    """Not even a store that hangs makes anybody stay for longer than that."""
    users = await restart(SlowStore(), {})
    began = trio.current_time()
    with trio.move_on_after(1):
        await fail_to_tell(users, "moshez")
    assert trio.current_time() - began < 30.1
    assert list(users) == []
