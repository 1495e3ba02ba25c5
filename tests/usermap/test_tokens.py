"""A token lets its bearer set one user's status, and nobody can be known by anything else."""

from dataclasses import astuple
from datetime import timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.strategies import texts as any_texts
from tests.usermap.maps import START, WallClock, restart, tell
from trio_finger.store import MemoryStore, StoreError, Token
from trio_finger.usermap import Caller, DeniedError, UserMap, make_token

HOUR = timedelta(hours=1)


async def test_bearer_is_its_user() -> None:
    """Who bears a token may set the status of the user it was made for, and no other's."""
    store = MemoryStore()
    users = await restart(store, {})
    token, record = make_token("moshez", START, None)
    await store.add_token(record)
    caller = await users.identify(token)
    assert caller == Caller("moshez")
    await tell(users, "MosheZ", "set", caller)
    with pytest.raises(DeniedError):
        await tell(users, "shawn", "set", caller)


async def test_several_tokens() -> None:
    """A user may have several tokens; each works, whatever becomes of the others."""
    store = MemoryStore()
    users = UserMap(store)
    made = [make_token("moshez", START, None) for _ in range(3)]
    for _, record in made:
        await store.add_token(record)
    assert await store.revoke_token(made[1][1].id)
    found = [await users.identify(token) for token, _ in made]
    assert found == [Caller("moshez"), None, Caller("moshez")]


async def test_wrong_halves() -> None:
    """A wrong secret is nobody's, nor is a right one with another token's id, or half a token."""
    store = MemoryStore()
    users = UserMap(store)
    (one, record), (other, another) = (make_token(name, START, None) for name in ("one", "other"))
    await store.add_token(record)
    await store.add_token(another)
    id_, _, secret = one.partition(".")
    other_id, _, other_secret = other.partition(".")
    for token in (
        f"{id_}.{other_secret}",
        f"{other_id}.{secret}",
        *(f"{id_}.{secret[:-1]}", f"{id_}.{secret}x", f"{id_}.{secret} ", f"{id_}.{secret}\n"),
        *(f"{id_}.{secret.swapcase()}", f"{id_.swapcase()}x.{secret}", f" {one}", f"{one}."),
        *(id_, secret, f"{id_}.", f".{secret}", f"{id_}{secret}", f"{id_}..{secret}"),
        *(f"{id_}.{record.digest.hex()}", f"{id_}.{sha256(secret.encode()).hexdigest()}"),
    ):
        assert await users.identify(token) is None, token
    assert await users.identify(one) == Caller("one")


@pytest.mark.parametrize(
    "token",
    [
        *(
            "",
            ".",
            "..",
            "a.b",
            " ",
            "\0",
            "\0.\0",
            "%s.{}",
            "' OR 1=1 --.x",
            "moshez",
            "None.None",
        ),
        *("é.x", "x.é", "\udcff.x", "x.\ud800", "😀" * 50, "x" * 201, "." * 201, "x." * 1_000_000),
    ],
)
async def test_garbage(token: str) -> None:
    """What is no token is nobody's."""
    store = MemoryStore()
    await store.add_token(make_token("moshez", START, None)[1])
    assert await UserMap(store).identify(token) is None


@given(any_texts("0123456789abcdef.-_", max_size=300))
async def test_any_text(token: str) -> None:
    """No text that anybody makes up is a token."""
    store = MemoryStore()
    await store.add_token(make_token("moshez", START, None)[1])
    assert await UserMap(store).identify(token) is None


async def test_far_too_long_is_not_looked_up() -> None:
    """What cannot be a token does not reach the store."""

    class UnusedStore(MemoryStore):
        async def find_token(self, token_id: str) -> Token | None:
            raise StoreError("it was asked")

    users = UserMap(UnusedStore())
    for token in ("x" * 201, "x" * 1_000_000, "é", "\udcff"):
        assert await users.identify(token) is None
    with pytest.raises(StoreError):
        await users.identify("x" * 200)


async def test_expiry(autojump_clock: MockClock) -> None:
    """A token works up to its end by the clock on the wall and no longer, even if that is set."""
    store, wall = MemoryStore(), WallClock()
    users = UserMap(store, clock=wall)
    token, record = make_token("moshez", START, START + HOUR)
    await store.add_token(record)
    for ahead, expected in (
        (timedelta(), Caller("moshez")),
        (HOUR - timedelta(microseconds=1), Caller("moshez")),
        (HOUR, None),
        (timedelta(days=365), None),
        (timedelta(days=-365), Caller("moshez")),
    ):
        wall.ahead = ahead
        assert await users.identify(token) == expected


async def test_revoked_at_once() -> None:
    """A token that was revoked works no more from that moment on."""
    store = MemoryStore()
    users = UserMap(store)
    token, record = make_token("moshez", START, None)
    assert await users.identify(token) is None
    await store.add_token(record)
    assert await users.identify(token) == Caller("moshez")
    assert await store.revoke_token(record.id)
    assert await users.identify(token) is None


async def test_store_that_cannot_tell() -> None:
    """If the store cannot tell, nobody is let in, and it says why."""

    class UnreadableStore(MemoryStore):
        async def find_token(self, token_id: str) -> Token | None:
            raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="the disk is gone"):
        await UserMap(UnreadableStore()).identify(make_token("moshez", START, None)[0])


@given(st.none() | st.just(START + HOUR))
def test_record_does_not_hold_the_secret(expires: None) -> None:
    """What is kept of a token is its id, what it is for, and a hash of a secret."""
    token, record = make_token("moshez", START, expires)
    id_, _, secret = token.partition(".")
    assert record == Token(id_, "moshez", sha256(secret.encode()).digest(), START, expires)
    assert secret not in "".join(map(str, astuple(record)))
    assert secret.encode() not in record.digest
    assert len(secret) >= 43, "256 bits"


def test_no_two_alike() -> None:
    """Every token has an id and a secret of its own."""
    tokens = [make_token("moshez", START, None)[0].split(".") for _ in range(1000)]
    assert len({id_ for id_, _ in tokens}) == len({secret for _, secret in tokens}) == 1000
