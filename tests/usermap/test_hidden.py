"""Hidden users exist for themselves and the operator; for others they do not (T8)."""

from collections.abc import Awaitable, Callable

import pytest

from tests.usermap.maps import (
    MODIFIED,
    START,
    clear,
    hiding,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.protocol.profile import Profile
from trio_finger.store import MemoryStore, Past, StoreError
from trio_finger.usermap import (
    ANYBODY,
    OPERATOR,
    Caller,
    Change,
    RefusedError,
    Status,
    UserMap,
)

FILE = listed(moshez="A", Ghost="Boo")
ALONE = listed(moshez="A")
SPELLINGS = ["ghost", "Ghost", "GHOST"]
THEMSELVES = [OPERATOR, Caller("ghost"), Caller("GHOST")]
OTHERS = [ANYBODY, Caller("moshez"), Caller("ghos")]

Question = Callable[[UserMap, str, Caller], Awaitable[object]]


async def haunted() -> UserMap:
    """Return a map with a hidden user, whose status and plan have been set more than once."""
    users = await restart(MemoryStore(history=10), FILE, hiding("Ghost"))
    await tell(users, "ghost", "first", OPERATOR)
    await tell(users, "ghost", "set", OPERATOR, plan="Haunt it.", lasts="1h")
    return users


async def outcome(question: Awaitable[object]) -> object:
    """Return what comes of *question*, be it an error."""
    try:
        return await question
    except RefusedError as error:
        return type(error), str(error)


async def read(users: UserMap, name: str, by: Caller) -> object:
    return users.get(name), users.profile(name), list(users), len(users), await users.history(name)


async def set_it(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, "mine", by)


async def set_until(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, "mine", by, lasts="1h")


async def set_plan(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, None, by, plan="mine")


async def set_status_and_plan(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, "mine", by, plan="mine")


async def clear_it(users: UserMap, name: str, by: Caller) -> object:
    return await clear(users, name, by)


async def clear_plan(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, None, by, plan="")


async def nothing(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, None, by)


async def nonsense(users: UserMap, name: str, by: Caller) -> object:
    return await tell(users, name, "mine", by, until="never")


@pytest.mark.parametrize("create", [True, False], ids=["create", "no-create"])
@pytest.mark.parametrize("by", OTHERS)
@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize(
    "question",
    [
        read,
        set_it,
        set_until,
        set_plan,
        set_status_and_plan,
        clear_it,
        clear_plan,
        nothing,
        nonsense,
    ],
)
async def test_as_if_there_were_no_such_user(
    question: Question, name: str, by: Caller, create: bool
) -> None:
    """Whatever others ask or do, they get what they would get for somebody who is nobody."""
    users, control = await haunted(), await restart(MemoryStore(history=10), ALONE)
    users.create = control.create = create
    assert await outcome(question(users, name, by)) == await outcome(question(control, name, by))


async def test_nobody_in_every_answer() -> None:
    """To spell it out: no status, an empty profile, no history, not counted, not listed."""
    users = await haunted()
    for name in SPELLINGS:
        assert users.get(name) is None
        assert users.profile(name) == Profile()
        assert await users.history(name) == []
    assert texts(users) == {"moshez": "A"}
    assert len(users) == 1


async def test_others_cannot_clear() -> None:
    """Others who clear a hidden user are told that there is none, and clear nothing."""
    users = await haunted()
    with pytest.raises(RefusedError, match="no such user"):
        await clear(users, "ghost")
    with pytest.raises(RefusedError, match="no such user"):
        await tell(users, "ghost", None, plan="")
    status = await tell(users, "ghost", None, OPERATOR)
    assert status is not None
    assert status.text == "set"


@pytest.mark.parametrize("by", THEMSELVES)
async def test_set_by_themselves(by: Caller) -> None:
    """They and the operator set and clear it as anybody's, and get back what holds."""
    store = MemoryStore()
    users = await restart(store, FILE, hiding("Ghost"))
    status = await tell(users, "ghost", "set", by)
    assert status == Status("Ghost", "set", START)
    assert [told.text for told in await store.load()] == ["set"]
    assert await tell(users, "ghost", None, by, plan="Haunt it.") == status
    assert await clear(users, "ghost", by) == Status("Ghost", "Boo", MODIFIED)
    assert await clear(users, "ghost", by) == Status("Ghost", "Boo", MODIFIED)
    assert users.get("ghost") is None


@pytest.mark.parametrize("by", [ANYBODY, *THEMSELVES])
async def test_setting_shows_nothing(by: Caller) -> None:
    """Whoever sets a hidden user, no reader and no subscriber sees anything of it."""
    users = await haunted()
    before = list(users)
    with users.subscribe() as changes:
        await tell(users, "ghost", "set", by, plan="Haunt it.")
        await tell(users, "ghost", "again", by, lasts="1h")
        if by is not ANYBODY:
            await clear(users, "ghost", by)
        assert taken(changes) == []
    assert list(users) == before
    assert users.get("ghost") is None


async def test_kept_over_a_restart() -> None:
    """What a hidden user set holds after a restart, and is as hidden."""
    store = MemoryStore()
    users = await restart(store, FILE, hiding("Ghost"))
    status = await tell(users, "ghost", "set", OPERATOR)
    users = await restart(store, FILE, hiding("Ghost"))
    assert texts(users) == {"moshez": "A"}
    assert await tell(users, "ghost", None, OPERATOR) == status


async def test_becoming_hidden_and_visible() -> None:
    """For subscribers one who is hidden is gone, and is there again when no longer hidden."""
    users = await restart(MemoryStore(history=10), FILE)
    status = await tell(users, "ghost", "set")
    with users.subscribe() as changes:
        assert await users.replace_file(FILE, hiding("Ghost")) == 1
        assert taken(changes) == [Change("Ghost", None)]
        assert await users.replace_file(FILE, hiding("Ghost")) == 0
        later = await tell(users, "ghost", "later", OPERATOR)
        assert taken(changes) == []
        assert await users.replace_file(FILE, {}) == 1
        assert taken(changes) == [Change("Ghost", later)]
    assert users.get("ghost") == later != status
    # What was set in hiding is shown for as long as it holds, and is not looked up later.
    assert [past.text for past in await users.history("ghost")] == ["set"]


async def test_added_and_removed_while_hidden() -> None:
    """A hidden user who is added to the file, edited or removed is not heard of."""
    users = await restart(MemoryStore(), ALONE)
    with users.subscribe() as changes:
        for file in (FILE, listed(moshez="A", Ghost="Edited"), ALONE):
            profiles = hiding("Ghost") if "ghost" in file else {}
            assert await users.replace_file(file, profiles) == 0
            assert texts(users) == {"moshez": "A"}
        assert taken(changes) == []


async def test_hidden_line_for_somebody_who_was_set() -> None:
    """Who was set without a line is gone once they have one that hides them, status and all."""
    users = await restart(MemoryStore(), ALONE)
    await tell(users, "ghost", "set", plan="Haunt it.")
    with users.subscribe() as changes:
        await users.replace_file(FILE, hiding("Ghost"))
        assert taken(changes) == [Change("ghost", None)]
        await users.replace_file(ALONE)
        assert taken(changes) == []
    assert texts(users) == {"moshez": "A"}


async def test_history_does_not_reach_the_store() -> None:
    """The history of the hidden, and of nobody, is empty without a look into the store."""

    class UnreadableStore(MemoryStore):
        async def history(self, name: str) -> list[Past]:
            raise StoreError("it was asked")

        async def remembered(self) -> list[str]:
            return ["moshez", "ghost", "nobody"]

    users = await restart(UnreadableStore(), FILE, hiding("Ghost"))
    for name in ("ghost", "nobody"):
        assert await users.history(name) == []
    with pytest.raises(StoreError):
        await users.history("moshez")
