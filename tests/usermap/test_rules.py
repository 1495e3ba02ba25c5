"""Which status wins, for every rule that says so, and what can be a name or a status."""

from datetime import timedelta

import pytest

from tests.usermap.maps import MODIFIED, START, clear, listed, restart, taken, tell, texts
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_NAME, MAX_STATUS
from trio_finger.store import MemoryStore
from trio_finger.usermap import RefusedError, Status, UserMap

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
    status = await tell(users, "moshez", "Giving a tutorial")
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
    await tell(users, "moshez", "set")
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
    await tell(users, "moshez", "set")
    await users.replace_file(listed(moshez="B"))
    await users.replace_file(listed(moshez="A"))
    assert texts(users) == {"moshez": "A"}
    assert texts(await restart(store, listed(moshez="A"))) == {"moshez": "A"}


async def test_set_again_is_set_over_the_file_of_that_moment() -> None:
    """Rule 2: a status that is set anew is set over what the file says by then."""
    users = await restart(MemoryStore(), listed(moshez="A"))
    await tell(users, "moshez", "first")
    await users.replace_file(listed(moshez="B"))
    await tell(users, "moshez", "second")
    await users.replace_file(listed(moshez="B"))
    assert texts(users) == {"moshez": "second"}
    await users.replace_file(listed(moshez="A"))
    assert texts(users) == {"moshez": "A"}


async def test_every_restart_agrees() -> None:
    """Rule 2: whatever held before a restart holds after it, and after the next."""
    store = MemoryStore()
    file = listed(moshez="A", shawn="Alive")
    users = await restart(store, file)
    await tell(users, "moshez", "set")
    await tell(users, "Zoë", "created")
    before = list(users)
    for _ in range(3):
        users = await restart(store, file)
        assert list(users) == before


async def test_kept_statuses_hold_before_the_file_is_read() -> None:
    """Rule 2: at start, with no file read yet, what was set already holds."""
    store = MemoryStore()
    await tell(await restart(store, listed(moshez="A")), "moshez", "set")
    users = UserMap(store)
    await users.load()
    assert texts(users) == {"moshez": "set"}


async def test_nobody_is_shown_who_may_be_hidden() -> None:
    """With a file that can hide users, whom it named is shown once it has been read."""
    store = MemoryStore()
    before = await restart(store, listed(moshez="A"))
    await tell(before, "moshez", "set")
    await tell(before, "itamar", "passing")
    users = UserMap(store, may_hide=True)
    await users.load()
    assert texts(users) == {"itamar": "passing"}
    assert len(users) == 1
    assert users.get("moshez") is None
    with users.subscribe() as changes:
        await users.replace_file(listed(moshez="A"))
        assert [(change.name, change.status) for change in taken(changes)] == [
            ("moshez", users.get("moshez"))
        ]
    assert texts(users) == {"moshez": "set", "itamar": "passing"}


async def test_faults_in_the_file_end_nothing() -> None:
    """While a file has faults, whom it does not name is as before: their line may be wrong."""
    store = MemoryStore()
    hidden = {"spy": Profile(hidden=True)}
    users = UserMap(store, may_hide=True)
    await users.replace_file(listed(moshez="A", shawn="Alive", spy="S"), hidden)
    await tell(users, "moshez", "set")
    await users.replace_file(listed(shawn="Edited"), partial=True)
    assert texts(users) == {"moshez": "set", "shawn": "Edited"}
    assert users.is_hidden("spy")
    await users.replace_file(listed(moshez="A", shawn="Edited", spy="S"), hidden)
    assert texts(users) == {"moshez": "set", "shawn": "Edited"}

    again = UserMap(store, may_hide=True)
    await again.load()
    await again.replace_file(listed(shawn="Edited"), partial=True)
    assert texts(again) == {"shawn": "Edited"}, "moshez may be hidden"
    await again.replace_file(listed(moshez="A", shawn="Edited"))
    assert texts(again) == {"moshez": "set", "shawn": "Edited"}
    await again.replace_file(listed(shawn="Edited"))
    assert texts(again) == {"shawn": "Edited"}


async def test_same_file_changes_nothing() -> None:
    """Rule 3: reading an unchanged file again, however new it is, changes nothing at all."""
    users = await restart(MemoryStore(), listed(moshez="A", shawn="Alive"))
    await tell(users, "moshez", "set")
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
    assert await tell(users, "moshez", "Here") == Status("moshez", "Here", START)
    assert texts(users) == {"moshez": "Here"}
    assert len(users) == 1


async def test_create_turned_off() -> None:
    """Rule 4: the operator can turn that off, and people in the file can still be set."""
    store = MemoryStore()
    users = UserMap(store, create=False)
    await users.replace_file(listed(moshez="A"))
    with pytest.raises(RefusedError, match="only users whom the users file names"):
        await tell(users, "shawn", "Here")
    await tell(users, "Moshez", "set")
    assert texts(users) == {"moshez": "set"}
    assert [told.text for told in await store.load()] == ["set"]
    users.create = True
    await tell(users, "shawn", "Here")
    assert texts(users) == {"moshez": "set", "shawn": "Here"}


async def test_clear_goes_back_to_the_file() -> None:
    """Rule 5: clearing shows what the file says again, as old as it was."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    await tell(users, "moshez", "set")
    assert await clear(users, "MOSHEZ") == Status("moshez", "A", MODIFIED)
    assert users.get("moshez") == Status("moshez", "A", MODIFIED)
    assert await store.load() == []


async def test_clear_of_one_not_in_the_file() -> None:
    """Rule 5: where the file says nothing, a cleared user no longer exists."""
    store = MemoryStore()
    users = await restart(store, {})
    await tell(users, "moshez", "set")
    assert await clear(users, "moshez") is None
    assert (len(users), users.get("moshez"), list(users)) == (0, None, [])
    assert await store.load() == []
    with pytest.raises(RefusedError, match="no such user"):
        await clear(users, "moshez")


async def test_clear_of_nothing_set() -> None:
    """Clearing a user for whom nothing was set changes nothing and is no error."""
    users = await restart(MemoryStore(), listed(moshez="A"))
    with users.subscribe() as changes:
        assert await clear(users, "moshez") == Status("moshez", "A", MODIFIED)
        assert taken(changes) == []
    assert texts(users) == {"moshez": "A"}


# Names and texts


async def test_one_user_whatever_the_spelling() -> None:
    """Names are one user's if they are the same casefolded after NFC; the first spelling shows."""
    users = await restart(MemoryStore(), listed(Straße="A"))
    await tell(users, "STRASSE", "set")
    await tell(users, "Zoë", "first")
    await tell(users, "ZOE\u0308", "second")
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
        await tell(users, name, "Here")
    with pytest.raises(RefusedError, match="name"):
        await clear(users, name)
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []


@pytest.mark.parametrize("text", [" \t ", "\0\x1b\u200b", "s" * (MAX_STATUS + 1), "é" * 513])
async def test_what_cannot_be_a_status_cannot_be_set(text: str) -> None:
    """A status that is empty once it is clean, or too long, is refused, and nothing changes."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    with pytest.raises(RefusedError, match="the status is"):
        await tell(users, "moshez", text)
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []


async def test_what_is_stored_is_clean() -> None:
    """Control and bidi characters are gone from what is shown and from what is kept (T9)."""
    store = MemoryStore()
    users = await restart(store, {})
    await tell(users, "moshez", " \x1b[31mred\u202e\r\nalert\x9b\t! ")
    assert texts(users) == {"moshez": "[31mredalert\t!"}
    assert [told.text for told in await store.load()] == ["[31mredalert\t!"]


async def test_templates_stay_text() -> None:
    """What looks like a format or a template is a text like any other (T12)."""
    users = await restart(MemoryStore(), {})
    for text in ("%s %d", "{user.__class__}", "{{7*7}}", "${x}", "<b>"):
        await tell(users, "moshez", text)
        assert texts(users) == {"moshez": text}


async def test_order_is_that_of_folded_names() -> None:
    """Everybody comes in one order, whether from the file or set."""
    users = await restart(MemoryStore(), listed(b="1", D="2"))
    for name in ("C", "a", "B", "é"):
        await tell(users, name, "set")
    assert [status.name for status in users] == ["a", "b", "C", "D", "é"]
