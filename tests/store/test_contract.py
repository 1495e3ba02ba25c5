"""What every kind of store promises; a new kind only has to be added to `KINDS`."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from trio_finger.protocol.text import MAX_NAME, MAX_STATUS
from trio_finger.store import Store, StoreError, Told, open_store

# From the name of a kind to the address of a new, empty store of it in a folder.
KINDS: dict[str, Callable[[Path], str]] = {
    "memory": lambda folder: "memory:",
}

SINCE = datetime(2026, 11, 20, 23, 15, 1, 234567, tzinfo=UTC)
MOSHEZ = Told("moshez", "Happy and well", SINCE, over=None)
ZOE = Told("Zoë", "à la mode ☞ 😀", SINCE + timedelta(microseconds=1), over="at home")


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(KINDS[request.param](tmp_path)) as store:
        yield store


async def kept(store: Store) -> dict[str, Told]:
    """Return what *store* keeps, by name; there may be only one record a name."""
    records = await store.load()
    by_name = {told.name: told for told in records}
    assert len(by_name) == len(records)
    return by_name


async def test_new_store_is_empty(store: Store) -> None:
    """A new store keeps nothing."""
    assert await store.load() == []


async def test_what_is_kept_comes_back_exactly(store: Store) -> None:
    """Every field of a record comes back as it was, to the microsecond and the character."""
    await store.keep(MOSHEZ)
    await store.keep(ZOE)
    assert await kept(store) == {"moshez": MOSHEZ, "Zoë": ZOE}
    assert all(told.since.tzinfo is not None for told in await store.load())


@pytest.mark.parametrize(
    "told",
    [
        Told("n" * MAX_NAME, "s" * MAX_STATUS, SINCE, over="o" * MAX_STATUS),
        Told("é" * MAX_NAME, "é" * (MAX_STATUS // 2), SINCE, over="é" * (MAX_STATUS // 2)),
        Told("'; DROP TABLE told; --", "%s {x} \\ \" ' \t ]]>", SINCE, over="?"),
        Told("*", "[a-z]*", datetime(1, 1, 1, tzinfo=UTC), over="*"),
        Told("moshez", "a", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), over="a"),
    ],
    ids=["longest", "longest-beyond-ascii", "quotes", "patterns", "end-of-time"],
)
async def test_extremes_come_back(store: Store, told: Told) -> None:
    """The longest and the oddest that a record may hold is kept like any other."""
    await store.keep(told)
    assert await store.load() == [told]


async def test_absent_is_not_empty(store: Store) -> None:
    """That the file said nothing is told from everything that it could have said."""
    await store.keep(replace(MOSHEZ, name="absent", over=None))
    await store.keep(replace(MOSHEZ, name="word", over="None"))
    records = await kept(store)
    assert records["absent"].over is None
    assert records["word"].over == "None"


async def test_one_record_a_user(store: Store) -> None:
    """What is kept later takes the place of what was kept for that user, whatever the spelling."""
    await store.keep(MOSHEZ)
    await store.keep(replace(ZOE, name="Straße"))
    again = Told("MosheZ", "Elsewhere", SINCE + timedelta(hours=1), over="x")
    await store.keep(again)
    street = replace(ZOE, name="STRASSE", text="moved")
    await store.keep(street)
    assert await kept(store) == {"MosheZ": again, "STRASSE": street}


async def test_drop_forgets_whatever_the_spelling(store: Store) -> None:
    """A dropped user is forgotten under any spelling of the name; the others are not."""
    await store.keep(MOSHEZ)
    await store.keep(ZOE)
    await store.drop(["ZOE\u0308"])
    assert await store.load() == [MOSHEZ]


async def test_drop_passes_over_nobody(store: Store) -> None:
    """Dropping nobody, somebody unknown, or somebody twice is no error."""
    await store.keep(MOSHEZ)
    await store.drop([])
    await store.drop(["shlomo"])
    assert await store.load() == [MOSHEZ]
    await store.drop(["shlomo", "moshez", "Moshez"])
    await store.drop(["moshez"])
    assert await store.load() == []


async def test_dropped_can_be_kept_again(store: Store) -> None:
    """A user who was dropped is kept again like a new one."""
    await store.keep(MOSHEZ)
    await store.drop(["moshez"])
    again = replace(MOSHEZ, name="Moshez", text="Back")
    await store.keep(again)
    assert await store.load() == [again]


async def test_many(store: Store) -> None:
    """A thousand users are kept, and dropped in one go."""
    many = [replace(MOSHEZ, name=f"user{number}") for number in range(1000)]
    with trio.fail_after(20):
        for told in many:
            await store.keep(told)
        assert await kept(store) == {told.name: told for told in many}
        await store.drop([told.name for told in many[1:]])
    assert await store.load() == many[:1]


async def test_loaded_is_a_copy(store: Store) -> None:
    """What a caller does to the list that it was given does nothing to the store."""
    await store.keep(MOSHEZ)
    (await store.load()).clear()
    assert await store.load() == [MOSHEZ]


async def test_cancelled_keep_is_whole_or_nothing(store: Store) -> None:
    """A call that is cancelled leaves the old record or the new one, and a store that works."""
    await store.keep(MOSHEZ)
    new = replace(MOSHEZ, text="Elsewhere")
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.keep(new)
    assert await store.load() in ([MOSHEZ], [new])
    await store.keep(ZOE)
    assert (await kept(store))["Zoë"] == ZOE


@pytest.mark.parametrize("url", ["memory", "memory:", "memory:whatever"])
async def test_memory_needs_no_more_than_its_kind(url: str) -> None:
    """The kind alone chooses a memory store."""
    async with open_store(url) as store:
        assert await store.load() == []


@pytest.mark.parametrize("url", ["", ":", "paper:shelf", "Memory:"])
async def test_unknown_kind_is_refused(url: str) -> None:
    """An address of an unknown kind is refused in words that name the kind."""
    kind = url.partition(":")[0]
    with pytest.raises(StoreError, match=f"no store of the kind '{kind}'"):
        async with open_store(url):
            pytest.fail("it was opened")  # pragma: no cover
