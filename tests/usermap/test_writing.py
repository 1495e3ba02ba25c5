"""What a store that fails or blocks, and a crowd of writers, do to the map."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.usermap.maps import (
    FailingStore,
    SlowStore,
    clear,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.store import Dropped, MemoryStore, StoreError, Told
from trio_finger.usermap import UserMap

# A store that fails or blocks


async def test_failed_store_changes_nothing() -> None:
    """What the store could not keep or forget has not happened, for readers and subscribers."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    await tell(users, "moshez", "set")
    before, kept = list(users), await store.load()
    store.failing = True
    with users.subscribe() as changes:
        for name in ("moshez", "shawn", "new"):
            with pytest.raises(StoreError):
                await tell(users, name, "other")
        with pytest.raises(StoreError):
            await clear(users, "moshez")
        with pytest.raises(StoreError):
            await users.replace_file(listed(moshez="B"))
        assert taken(changes) == []
    assert list(users) == before
    assert await store.load() == kept
    store.failing = False
    await tell(users, "moshez", "other")
    await users.replace_file(listed(moshez="B"))
    assert texts(users) == {"moshez": "B"}


async def test_file_edit_that_ends_nothing_needs_no_store() -> None:
    """A file whose edits end no set status is taken over though the store fails."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    await tell(users, "moshez", "set")
    store.failing = True
    assert await users.replace_file(listed(moshez="A", shawn="Edited")) == 1
    assert texts(users) == {"moshez": "set", "shawn": "Edited"}


async def test_unexpected_fault_in_the_store() -> None:
    """Any other exception from the store leaves the map as it was, and unlocked."""

    class BuggyStore(MemoryStore):
        async def write(self, writes: Sequence[Told | Dropped]) -> None:
            raise ZeroDivisionError

    users = await restart(BuggyStore(), listed(moshez="A"))
    for _ in range(2):
        with trio.fail_after(1), pytest.raises(ZeroDivisionError):
            await tell(users, "moshez", "set")
    assert texts(users) == {"moshez": "A"}


async def test_readers_never_wait_and_see_what_is_kept() -> None:
    """While the store takes its time, readers get at once what was there before."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell, users, "moshez", "set")
            await wait_all_tasks_blocked()
            nursery.start_soon(tell, users, "new", "created")
            await wait_all_tasks_blocked()
            assert texts(users) == {"moshez": "A"}
            assert (len(users), users.get("new")) == (1, None)
            assert taken(changes) == []
            store.let()
        assert texts(users) == {"moshez": "set", "new": "created"}
        assert [change.name for change in taken(changes)] == ["moshez", "new"]


async def test_writers_are_in_one_order() -> None:
    """Whoever writes, the store, the readers and the subscribers agree on the order."""
    store = SlowStore()
    users = await restart(store, {})

    with users.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(tell, users, f"user{number % 7}", f"status {number}")
            await wait_all_tasks_blocked()
            assert len(store.asked) == 1, "one writer at a time"
            store.let()
        heard = [change.status.text for change in taken(changes) if change.status]
    asked = [told for some in store.asked for told in some if isinstance(told, Told)]
    assert heard == [told.text for told in asked]
    assert len(set(heard)) == 100
    last = {told.name: told.text for told in asked}
    assert texts(users) == last == {told.name: told.text for told in await store.load()}


async def test_clear_waits_for_the_set_before_it() -> None:
    """A clear that comes while a set is being kept clears what that sets."""
    store = SlowStore()
    users = await restart(store, {})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, users, "moshez", "set")
        await wait_all_tasks_blocked()
        nursery.start_soon(clear, users, "moshez")
        await wait_all_tasks_blocked()
        store.let()
    assert list(users) == []
    assert await store.load() == []


async def test_file_and_set_at_one_time() -> None:
    """A file that is replaced while a set is being kept comes after it, and ends it."""
    store = SlowStore()
    users = await restart(store, listed(moshez="A"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, users, "moshez", "set")
        await wait_all_tasks_blocked()
        nursery.start_soon(users.replace_file, listed(moshez="B"))
        await wait_all_tasks_blocked()
        assert texts(users) == {"moshez": "A"}
        store.let()
    assert texts(users) == {"moshez": "B"}
    assert await store.load() == []


async def test_store_that_cannot_tell() -> None:
    """A store that cannot load fails the start."""

    class UnreadableStore(MemoryStore):
        async def load(self) -> list[Told]:
            raise StoreError("not a database")

    with pytest.raises(StoreError):
        await UserMap(UnreadableStore()).load()
