"""Who may set what."""

import pytest

from tests.usermap.maps import (
    START,
    FailingStore,
    clear,
    hiding,
    listed,
    restart,
    taken,
    tell,
    texts,
)
from trio_finger.protocol.setter import SetRequest
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, OPERATOR, Caller, DeniedError, RefusedError, Status


@pytest.mark.parametrize(
    ("by", "name"),
    [
        (ANYBODY, "moshez"),
        (ANYBODY, "new"),
        (OPERATOR, "moshez"),
        (OPERATOR, "new"),
        (Caller("moshez"), "moshez"),
        (Caller("MosheZ"), "moshez"),
        (Caller("moshez"), "MOSHEZ"),
        (Caller("zoe\u0308"), "ZOË"),
        (Caller("new"), "new"),
    ],
)
async def test_may_set(by: Caller, name: str) -> None:
    """Some may set anybody; a user may set themselves, whatever the spelling."""
    users = await restart(MemoryStore(), listed(moshez="A"))
    status = await tell(users, name, "set", by, plan="Write it.")
    assert status is not None
    assert status.text == "set"
    assert users.get(name) == status
    assert users.profile(name).plan == "Write it."
    await clear(users, name, by)
    assert "set" not in texts(users).values()


@pytest.mark.parametrize("name", ["shawn", "SHAWN", "nobody", "moshez2", "moshe\u0301z"])
@pytest.mark.parametrize(
    "request_",
    [
        SetRequest("", "set"),
        SetRequest("", ""),
        SetRequest("", None, "a plan"),
        SetRequest("", None, ""),
        SetRequest("", "set", "a plan", lasts="1h"),
        SetRequest("", "\0" * 10_000, until="nonsense"),
        SetRequest(""),
    ],
)
async def test_another_user(name: str, request_: SetRequest) -> None:
    """Another's status and plan may not be set or cleared; nothing changes, and nobody hears."""
    store = FailingStore()
    users = await restart(store, listed(moshez="A", shawn="Alive"))
    await tell(users, "shawn", "set", plan="1.")
    before, kept = list(users), await store.load()
    request = SetRequest(name, request_.status, request_.plan, request_.lasts, request_.until)
    store.failing = True
    with users.subscribe() as changes:
        with pytest.raises(DeniedError, match="you may not set the status of"):
            await users.set(request, by=Caller("moshez"))
        assert taken(changes) == []
    assert list(users) == before
    assert users.profile("shawn").plan == "1."
    assert await store.load() == kept


@pytest.mark.parametrize("by", [ANYBODY, OPERATOR, Caller("new")])
async def test_without_create(by: Caller) -> None:
    """Where only whom the file names can be set, that goes for everybody, and for plans."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    await tell(users, "early", "before that was so")
    users.create = False
    for name in ("new", "early"):
        for status, plan in (("set", None), (None, "a plan"), ("set", "a plan"), ("", "a plan")):
            with pytest.raises(DeniedError):
                await tell(users, name, status, by, plan=plan)
    assert texts(users) == {"moshez": "A", "early": "before that was so"}
    assert len(await store.load()) == 1
    with pytest.raises(RefusedError, match="no such user") as caught:
        await clear(users, "new", by)
    assert not isinstance(caught.value, DeniedError)


async def test_without_create_one_can_still_be_cleared() -> None:
    """Who was set before that was turned off can be cleared."""
    users = await restart(MemoryStore(), {})
    await tell(users, "early", "before that was so", plan="a plan")
    users.create = False
    assert await clear(users, "early") == Status("early", "", START)
    assert await tell(users, "early", None, plan="") is None
    assert list(users) == []


async def test_hidden_user_without_create() -> None:
    """Hidden users and the operator can set them where only the listed can be set."""
    users = await restart(MemoryStore(), listed(ghost="A"), hiding("ghost"))
    users.create = False
    for by in (OPERATOR, Caller("Ghost")):
        assert await tell(users, "ghost", "set", by) == Status("ghost", "set", START)
        assert await clear(users, "ghost", by) == listed(ghost="A")["ghost"]
    with pytest.raises(DeniedError):
        await tell(users, "ghost", "set")


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (SetRequest("mo\nshez", "set"), "white space"),
        (SetRequest("moshez", "set", until="\r\nok\x1b[31m\u202e\0"), "got "),
        (SetRequest("moshez", "set", lasts="\r\nok\x1b[31m\u202e\udcff"), "got "),
        (SetRequest("moshez", "set", until="2026-11-20 00:00Z"), "not in the future"),
        (SetRequest("moshez", "set", lasts="999999999.999999999d"), "ten years"),
        (SetRequest("moshez", "set", "p" * 20_000), "the plan is longer"),
        (SetRequest("moshez", "\u200b"), "the status is empty"),
    ],
)
async def test_refusals_are_fit_to_show(request_: SetRequest, why: str) -> None:
    """What makes no sense is refused in one line of printable text, whatever it held (T9)."""
    store = MemoryStore()
    users = await restart(store, listed(moshez="A"))
    with pytest.raises(RefusedError, match=why) as caught:
        await users.set(request_, by=ANYBODY)
    assert str(caught.value).isprintable()
    assert texts(users) == {"moshez": "A"}
    assert await store.load() == []
