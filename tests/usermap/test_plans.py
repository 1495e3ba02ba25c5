"""Plans and profiles over the file's, and the statuses that were."""

from datetime import timedelta

import pytest

from tests.usermap.maps import (
    MODIFIED,
    START,
    clear,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_PLAN
from trio_finger.store import MemoryStore, Past, StoreError
from trio_finger.usermap import Change, RefusedError, Status, UserMap

PROFILE = Profile("Moshe Zadka", "1. Write it", "finger", ("https://example.org/",))
FILE = listed(moshez="A")


def profiled(plan: str) -> dict[str, Profile]:
    return {"moshez": Profile("Moshe Zadka", plan, "finger", ("https://example.org/",))}


async def test_profile_of_the_file() -> None:
    """A profile is what the file says; who has none, and nobody, has an empty one."""
    users = await restart(MemoryStore(), listed(moshez="A", shawn="B"), {"moshez": PROFILE})
    assert users.profile("MosheZ") == PROFILE
    for name in ("shawn", "nobody", "", "\0", "x" * 100_000):
        assert users.profile(name) == Profile()


async def test_plan_over_the_file() -> None:
    """A plan that was set holds over the file's, and leaves the rest of the profile."""
    store = MemoryStore()
    users = await restart(store, FILE, {"moshez": PROFILE})
    with users.subscribe() as changes:
        status = await tell(users, "MosheZ", None, plan="2. Mend it\r\n\x1b3. Rest\n\n")
        assert status == Status("moshez", "A", MODIFIED)
        assert taken(changes) == [], "the status is the same"
    assert users.profile("moshez") == profiled("2. Mend it\n3. Rest")["moshez"]
    assert [(told.field, told.over, told.until) for told in await store.load()] == [
        ("plan", "1. Write it", None)
    ]
    await tell(users, "moshez", None, plan="")
    assert users.profile("moshez") == PROFILE
    assert await store.load() == []


async def test_plan_of_one_not_in_the_file() -> None:
    """Who has nothing but a plan is there, without a status, until it is cleared."""
    users = await restart(MemoryStore(), {})
    with users.subscribe() as changes:
        status = await tell(users, "Zoë", None, plan="a plan")
        assert status == Status("Zoë", "", START)
        assert list(users) == [status]
        assert (len(users), users.get("ZOË")) == (1, status)
        assert await tell(users, "zoë", None, plan=" \n\n") is None
        assert (len(users), users.get("Zoë")) == (0, None)
        assert taken(changes) == [Change("Zoë", status), Change("Zoë", None)]


async def test_each_is_cleared_alone() -> None:
    """Clearing the status leaves the plan, and the other way round."""
    users = await restart(MemoryStore(), {})
    await tell(users, "moshez", "set", plan="a plan")
    assert await clear(users, "moshez") == Status("moshez", "", START)
    assert users.profile("moshez").plan == "a plan"
    await tell(users, "moshez", "again", plan="")
    assert texts(users) == {"moshez": "again"}
    assert users.profile("moshez").plan == ""


@pytest.mark.parametrize("down", [False, True], ids=["running", "while-down"])
@pytest.mark.parametrize(
    ("file", "profiles", "status", "plan"),
    [
        (FILE, profiled("1."), "set", "told"),
        (FILE, profiled("2."), "set", "2."),
        (FILE, {}, "set", ""),
        (listed(moshez="B"), profiled("1."), "B", "told"),
        (listed(moshez="B"), profiled("2."), "B", "2."),
        (listed(MosheZ="A"), profiled("1."), "set", "told"),
        (FILE, {"moshez": Profile("Other", "1.")}, "set", "told"),
        ({}, {}, None, ""),
    ],
)
async def test_until_their_plan_changes(
    file: dict[str, Status],
    profiles: dict[str, Profile],
    status: str | None,
    plan: str,
    down: bool,
) -> None:
    """A plan ends when the file's plan changes, a status when the status does, each alone."""
    store = MemoryStore()
    users = await restart(store, FILE, profiled("1."))
    await tell(users, "moshez", "set", plan="told")
    if down:
        users = await restart(store, file, profiles)
    else:
        await users.replace_file(file, profiles)
    holds = users.get("moshez")
    assert (holds.text if holds else None) == status
    assert users.profile("moshez").plan == plan
    kept = {told.text for told in await store.load()}
    assert kept == {"set", "told"} & {status, plan}


async def test_plan_of_one_whom_the_file_names_later() -> None:
    """A plan set over no line is over when there is one, even one without a plan."""
    users = await restart(MemoryStore(), {})
    await tell(users, "moshez", None, plan="told")
    await users.replace_file(FILE)
    assert users.profile("moshez") == Profile()


@pytest.mark.parametrize("plan", ["p" * (MAX_PLAN + 1), "é" * MAX_PLAN, "p" * 1_000_000])
async def test_plan_too_long(plan: str) -> None:
    """A plan that is too long is refused, and so is the status that came with it."""
    store = MemoryStore()
    users = await restart(store, FILE)
    with pytest.raises(RefusedError, match="the plan is longer"):
        await tell(users, "moshez", "set", plan=plan)
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []


async def test_nothing_asked_for() -> None:
    """Who asks for neither learns what holds, if there is such a user; nothing changes."""
    store = MemoryStore()
    users = await restart(store, FILE)
    assert await tell(users, "moshez", None) == FILE["moshez"]
    with pytest.raises(RefusedError, match="no such user"):
        await tell(users, "nobody", None)
    assert await store.load() == []


# History


async def test_history() -> None:
    """The statuses that were set, not what the file said, are remembered, the newest first."""
    users = await restart(MemoryStore(history=3), FILE)
    assert await users.history("moshez") == []
    for number in range(3):
        await tell(users, "moshez", f"status {number}")
    await tell(users, "MosheZ", "status 3", plan="a plan", lasts="1h")
    await clear(users, "moshez")
    assert await users.history("MosheZ") == [
        Past("moshez", "status 3", START, START + timedelta(hours=1)),
        Past("moshez", "status 2", START, None),
        Past("moshez", "status 1", START, None),
    ]


async def test_history_of_nobody() -> None:
    """Nobody has a history, though they had one when they were there."""
    users = await restart(MemoryStore(history=3), {})
    await tell(users, "moshez", "set")
    await clear(users, "moshez")
    assert await users.history("moshez") == []
    await tell(users, "moshez", "again")
    assert [past.text for past in await users.history("moshez")] == ["again", "set"]


async def test_history_that_cannot_be_told() -> None:
    """If the store cannot tell, it says so."""

    class UnreadableStore(MemoryStore):
        async def history(self, name: str) -> list[Past]:
            raise StoreError("the disk is gone")

    users = UserMap(UnreadableStore())
    await tell(users, "moshez", "set")
    with pytest.raises(StoreError, match="the disk is gone"):
        await users.history("moshez")
