"""The setter door: the tutorial's session, and that a refusal changes nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, memory_stream_pair

from trio_finger.config import Setter
from trio_finger.protocol.setter import MAX_REQUEST
from trio_finger.protocol.text import MAX_NAME, MAX_STATUS
from trio_finger.services.setter import handle_setter, serve_setter
from trio_finger.store import MemoryStore, StoreError, Told
from trio_finger.usermap import Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
OK = b"ok\r\n"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def users(store: MemoryStore) -> UserMap:
    return await make_users(store)


async def make_users(store: MemoryStore) -> UserMap:
    """Return a map with two users of the file, for one of whom something is set."""
    users = UserMap(store, clock=lambda: SINCE)
    await users.replace_file(
        {name: Status(name, "from the file", SINCE) for name in ("moshez", "shawn")}
    )
    await users.tell("shawn", "Alive")
    return users


def texts(users: UserMap) -> dict[str, str]:
    return {status.name: status.text for status in users}


BEFORE = {"moshez": "from the file", "shawn": "Alive"}


async def say(users: UserMap, *chunks: bytes, eof: bool = True) -> bytes:
    """Say *chunks* at the door, over a stream in memory, and return all of the reply."""
    server, client = memory_stream_pair()
    got = bytearray()

    async def serve() -> None:
        await handle_setter(server, users)
        await server.aclose()

    async def listen() -> None:
        async for data in client:
            got.extend(data)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(listen)
            with suppress(trio.BrokenResourceError):
                for chunk in chunks:
                    await client.send_all(chunk)
                if eof:
                    await client.send_eof()
    return bytes(got)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
async def test_the_tutorials_session(
    users: UserMap, store: MemoryStore, end: bytes, last: bool, autojump_clock: MockClock
) -> None:
    """A name, a status and the end of the input set it, and only then it is ok."""
    session = b"moshez" + end + b"Giving a tutorial now, sorry!" + end * last
    assert await say(users, session) == OK
    assert texts(users) == BEFORE | {"moshez": "Giving a tutorial now, sorry!"}
    assert "Giving a tutorial now, sorry!" in [told.text for told in await store.load()]


async def test_ok_only_once_it_is_kept(autojump_clock: MockClock) -> None:
    """Nothing is answered before the store has kept it."""

    class SlowStore(MemoryStore):
        kept = False

        async def keep(self, told: Told) -> None:
            await trio.sleep(5)
            await super().keep(told)
            self.kept = True

    store = SlowStore()
    users = UserMap(store)
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_setter, server, users)
        await client.send_all(b"moshez\nHere\n")
        await client.send_eof()
        assert await client.receive_some() == OK
        assert store.kept
        assert users.get("moshez") is not None


async def test_nothing_before_the_end_of_input(users: UserMap, autojump_clock: MockClock) -> None:
    """As long as the client has not ended its input, nothing is set and nothing is answered."""
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_setter, server, users)
        await client.send_all(b"moshez\nHere\n")
        with trio.move_on_after(30):
            pytest.fail(f"{await client.receive_some()!r} came too early")
        assert texts(users) == BEFORE
        await client.send_eof()
        assert await client.receive_some() == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"MosheZ\nHere", {"moshez": "Here"}),
        (b" moshez \t\n  Here \t\n", {"moshez": "Here"}),
        (b"moshez\nHere\n\n\n", {"moshez": "Here"}),
        (b"new\nHere", {"new": "Here"}),
        ("Zoë\nà la mode ☞".encode(), {"Zoë": "à la mode ☞"}),
        (b"moshez\n\x1b[31mred\xe2\x80\xae\x07", {"moshez": "[31mred"}),
        (b"moshez\n%s {0} {{7*7}} <b>", {"moshez": "%s {0} {{7*7}} <b>"}),
        (b"n" * MAX_NAME + b"\n" + b"s" * MAX_STATUS, {"n" * MAX_NAME: "s" * MAX_STATUS}),
    ],
)
async def test_granted(
    users: UserMap, request_: bytes, expected: dict[str, str], autojump_clock: MockClock
) -> None:
    """What is right is set, clean and without the blanks around it."""
    assert await say(users, request_) == OK
    assert texts(users) == BEFORE | expected


@pytest.mark.parametrize(
    "request_", [b"shawn\n\n", b"shawn\r\n\r\n", b"SHAWN\n \t\n", b"shawn\n\n\n\n"]
)
async def test_empty_second_line_clears(
    users: UserMap, store: MemoryStore, request_: bytes, autojump_clock: MockClock
) -> None:
    """An empty second line goes back to what the file says."""
    assert await say(users, request_) == OK
    assert texts(users) == BEFORE | {"shawn": "from the file"}
    assert await store.load() == []


async def test_clearing_one_who_was_created(users: UserMap, autojump_clock: MockClock) -> None:
    """Somebody whom the file does not name is gone once they are cleared."""
    assert await say(users, b"new\nHere") == OK
    assert await say(users, b"new\n\n") == OK
    assert texts(users) == BEFORE
    assert await say(users, b"new\n\n") == b"error: no such user\r\n"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (b"", b"nothing was sent"),
        (b"\n", b"nothing was sent"),
        (b"moshez", b"second line, the status, is missing"),
        (b"moshez\n", b"second line, the status, is missing"),
        (b"moshez\r\n", b"second line, the status, is missing"),
        (b"\nHere", b"the name is empty"),
        (b"nobody\n\n", b"no such user"),
        (b"moshez\nHere\nand there", b"no further lines"),
        (b"moshez\n\nplan", b"no further lines"),
        (b"moshez\nmosh\xe9z", b"not UTF-8"),
        (b"mosh\xe9z\nHere", b"not UTF-8"),
        (b"mo shez\nHere", b"white space"),
        (b"moshez@host\nHere", b"a name cannot hold '@'"),
        (b"../moshez\nHere", b"a name cannot hold '/'"),
        (b"..\nHere", b"cannot be a name"),
        (b"mo\0shez\nHere", b"control or invisible"),
        (b"mo\xe2\x80\x8bshez\nHere", b"control or invisible"),
        (b"n" * (MAX_NAME + 1) + b"\nHere", b"longer than 64 characters"),
        (b"moshez\n" + b"s" * (MAX_STATUS + 1), b"longer than 1024 bytes"),
        (b"moshez\n\0\x1b\x07", b"the status is empty"),
        (b"moshez\nHere" + b"\n" * MAX_REQUEST, b"longer than 4096 bytes"),
        (bytes(1_000_000), b"longer than 4096 bytes"),
    ],
)
async def test_refusals_change_nothing(
    users: UserMap, store: MemoryStore, request_: bytes, why: bytes, autojump_clock: MockClock
) -> None:
    """What cannot be is refused in one line that says why, and nothing has changed."""
    kept = await store.load()
    with users.subscribe() as changes:
        reply = await say(users, request_)
        assert changes.statistics().current_buffer_used == 0
    assert reply.startswith(b"error: ")
    assert why in reply
    assert reply.count(b"\n") == reply.count(b"\r") == 1
    assert reply.endswith(b"\r\n")
    assert texts(users) == BEFORE
    assert await store.load() == kept


async def test_bound_of_a_request_is_exact(users: UserMap, autojump_clock: MockClock) -> None:
    """A request of the size allowed is taken, one byte more is not, and no end is waited for."""
    request = b"moshez\nHere"
    assert await say(users, request.ljust(MAX_REQUEST)) == OK
    too_long = request.ljust(MAX_REQUEST + 1)
    assert (
        await say(users, too_long, eof=False) == b"error: the request is longer than 4096 bytes\r\n"
    )


async def test_no_creation(users: UserMap, autojump_clock: MockClock) -> None:
    """Where the operator turned creation off, only users of the file can be set."""
    users.create = False
    assert (await say(users, b"new\nHere")).startswith(b"error: only users whom the users file")
    assert await say(users, b"moshez\nHere") == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


async def test_store_that_fails(autojump_clock: MockClock) -> None:
    """Where it cannot be kept, the answer is an error, and nothing has changed."""

    class FullStore(MemoryStore):
        async def keep(self, told: Told) -> None:
            raise StoreError("the disk is full")

    users = UserMap(FullStore())
    assert await say(users, b"moshez\nHere") == b"error: the disk is full\r\n"
    assert texts(users) == {}


@pytest.mark.parametrize("chunk", [b"", b"moshez\n", b"moshez\nHere\n"])
async def test_client_that_never_ends_its_input(
    users: UserMap, chunk: bytes, autojump_clock: MockClock
) -> None:
    """A client that never ends its input is told so after a minute, and nothing is set."""
    began = trio.current_time()
    reply = await say(users, chunk, eof=False)
    assert reply == b"error: no end of input within 60 seconds\r\n"
    assert trio.current_time() - began < 65
    assert texts(users) == BEFORE


async def test_a_byte_now_and_then(users: UserMap, autojump_clock: MockClock) -> None:
    """The minute is for the whole request, not since the last byte (T23)."""
    server, client = memory_stream_pair()

    async def trickle() -> None:
        while True:
            await client.send_all(b"x")
            await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        began = trio.current_time()
        await handle_setter(server, users)
        assert trio.current_time() - began < 65
        nursery.cancel_scope.cancel()
    assert texts(users) == BEFORE


@given(data=st.data())
def test_any_bytes_in_any_chunks(data: st.DataObject) -> None:
    """Any bytes in any chunking get one line, and `ok` is said of nothing but a change or clear."""
    parts = st.sampled_from([b"moshez", b"shawn", b"\n", b"\r\n", b"Here", b" ", b"\0", b"\xff"])
    sent = data.draw(st.binary(max_size=100) | st.lists(parts, max_size=8).map(b"".join))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [chunk for a, b in pairwise([0, *cuts, len(sent)]) if (chunk := sent[a:b])]

    async def check() -> None:
        users = await make_users(MemoryStore())
        others = await make_users(MemoryStore())
        reply = await say(users, *chunks)
        assert reply == await say(others, sent)
        assert texts(users) == texts(others)
        assert reply.endswith(b"\r\n")
        assert reply.count(b"\n") == reply.count(b"\r") == 1
        if reply != OK:
            assert reply.startswith(b"error: ")
            assert texts(users) == BEFORE

    trio.run(check, clock=MockClock(autojump_threshold=0))


# Over real connections


@asynccontextmanager
async def serving(users: UserMap) -> AsyncIterator[int]:
    """Serve the setter for the length of an ``async with``, on the port that it yields."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_setter, Setter(), users, listeners, stop=stop))
            yield listeners[0].socket.getsockname()[1]
            stop.set()


async def session(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        await stream.send_eof()
        return b"".join([part async for part in stream])


async def test_served(users: UserMap) -> None:
    """Over TCP, too, the reply arrives, even to a client that sent far too much (T34)."""
    async with serving(users) as port:
        for _ in range(50):
            reply = await session(port, b"moshez\nHere\n" + b"x" * 500_000)
            assert reply == b"error: the request is longer than 4096 bytes\r\n"
        assert await session(port, b"moshez\r\nHere\r\n") == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


async def test_fault_of_our_own() -> None:
    """A fault in the server is an error that shows nothing of the inside (T18)."""

    class BuggyStore(MemoryStore):
        async def keep(self, told: Told) -> None:
            raise RuntimeError("the password is swordfish")

    users = UserMap(BuggyStore())
    with capture_logs():
        async with serving(users) as port:
            assert await session(port, b"moshez\nHere") == b"error: internal error in server\r\n"
            assert await session(port, b"nobody\n\n") == b"error: no such user\r\n"
    assert texts(users) == {}
