"""The finger door, connection by connection; what is answered is tested by itself."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import pairwise

import pytest
import trio
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, memory_stream_pair

from tests.rfc1288.asking import (
    FORWARDING_DENIED,
    LIST_DENIED,
    MOSHEZ,
    MOSHEZ_LONG,
    NO_SUCH_USER,
    SHAWN,
    is_whole,
    make_users,
)
from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.protocol.proxy import PRETENDED
from trio_finger.services.finger import Door, handle_finger, serve_finger
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import Status, UserMap

TOO_LONG = b"Query too long (at most 1024 bytes)\r\n"


@pytest.fixture
async def users() -> UserMap:
    return await make_users({"moshez": "Happy and well", "shawn": "Alive"})


# Over a stream


Client = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


def make_door(users: UserMap, config: Finger | None = None) -> Door:
    """Return a door that logs every query."""
    return Door(
        config or Finger(), Directory(users), Counts(), Log(level="debug"), get_log("finger")
    )


async def talk(client: Client, users: UserMap, config: Finger) -> bytes:
    """Serve *client* over a stream in memory, and return all that it was sent."""
    server_end, client_end = memory_stream_pair()
    got = bytearray()

    async def serve() -> None:
        await handle_finger(server_end, config, make_door(users, config))
        await server_end.aclose()

    async def listen() -> None:
        with suppress(trio.ClosedResourceError):
            async for data in client_end:
                got.extend(data)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(listen)
            with suppress(trio.BrokenResourceError):
                await client(client_end)
    return bytes(got)


def send(*chunks: bytes, eof: bool = False, pause: float = 0) -> Client:
    """Return a client that sends *chunks*, one by one."""

    async def client(stream: trio.abc.HalfCloseableStream) -> None:
        for chunk in chunks:
            await stream.send_all(chunk)
            await trio.sleep(pause)
        if eof:
            await stream.send_eof()

    return client


@pytest.mark.parametrize(
    ("client", "answer"),
    [
        (send(b"moshez\r\n"), MOSHEZ),
        (send(b"moshez\n"), MOSHEZ),  # C9
        (send(b"moshez\r"), MOSHEZ),
        (send(b"moshez", eof=True), MOSHEZ),
        (send(eof=True), LIST_DENIED),
        (send(b"\r\n"), LIST_DENIED),
        (send(b"moshez\r\n", eof=True), MOSHEZ),
        (send(b"mos", b"hez", b"\r", b"\n"), MOSHEZ),
        (send(*[b"%c" % byte for byte in b"/W moshez\r\n"]), MOSHEZ_LONG),
        (send(b"moshez\r\nshawn\r\n"), MOSHEZ),
        (send(b"moshez\r\n", bytes(100_000)), MOSHEZ),
        (send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), NO_SUCH_USER * 3),
        (send(b"a" * MAX_QUERY + b"\r\n"), NO_SUCH_USER),
        (send(b"a" * (MAX_QUERY + 1) + b"\r\n"), TOO_LONG),
        (send(b"a" * MAX_QUERY, eof=True), NO_SUCH_USER),
        (send(b"a" * (MAX_QUERY + 1)), TOO_LONG),
        (send(b"a" * 1_000_000), TOO_LONG),
        (send(b"\0" * 536, eof=True), NO_SUCH_USER),
        (send(b"moshez@h\r\n"), FORWARDING_DENIED),
    ],
)
async def test_one_query_one_answer(
    users: UserMap, client: Client, answer: bytes, autojump_clock: MockClock
) -> None:
    """One line, however it comes and whatever follows it, gets one answer, and then the end."""
    assert await talk(client, users, Finger(list=False)) == answer


@given(data=st.data(), end=st.sampled_from([b"\r\n", b"\n", b"\r", b""]))
def test_any_bytes_in_any_chunks(data: st.DataObject, end: bytes) -> None:
    """Any bytes in any chunking get the same one answer of whole lines (T1, RFC 1288, 3.1)."""
    sent = data.draw(st.binary(max_size=3000) | st.just(b"moshez shawn")) + end
    assume(not sent.startswith(PRETENDED))  # which is refused; its pieces may be queries
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [sent[a:b] for a, b in pairwise([0, *cuts, len(sent)])]

    async def check() -> None:
        users = await make_users({"moshez": "Happy and well", "shawn": "Alive"})
        in_chunks = await talk(send(*filter(None, chunks), eof=True), users, Finger(list=False))
        at_once = await talk(send(sent, eof=True), users, Finger(list=False))
        assert in_chunks == at_once
        assert is_whole(in_chunks)

    trio.run(check, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    "client",
    [
        send(),
        send(b"moshez"),
        send(*[b"x"] * 1000, pause=0.5),
    ],
    ids=["nothing", "half a line", "a byte now and then"],
)
async def test_deadline_of_a_query(
    users: UserMap, client: Client, autojump_clock: MockClock
) -> None:
    """T23: a query must be there within the configured time in all, not since the last byte."""
    server, other = memory_stream_pair()
    config = Finger(timeout=Duration(7))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client, other)
        with pytest.raises(trio.TooSlowError):
            await handle_finger(server, config, make_door(users, config))
        assert trio.current_time() - began == pytest.approx(7)
        nursery.cancel_scope.cancel()


async def test_end_is_the_servers(users: UserMap, autojump_clock: MockClock) -> None:
    """The server ends the answer at once, without waiting for the client to (F3)."""
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_finger, server, Finger(), make_door(users))
        await client.send_all(b"moshez\r\n")
        began = trio.current_time()
        assert b"".join([data async for data in client]) == MOSHEZ
        assert trio.current_time() == began


async def test_one_query_is_one_record(users: UserMap, autojump_clock: MockClock) -> None:
    """T11: whatever a query holds, it is logged as one value of one record."""
    with capture_logs() as log:
        await talk(send(b"a\0\x1b[31m\xff event=forged\r\n2026 error forged\r\n"), users, Finger())
    assert [record["event"] for record in log] == ["query"]
    assert log[0]["query"] == "a\0\x1b[31m\\xff event=forged"


# Over real connections


@asynccontextmanager
async def serving(users: UserMap, config: Finger) -> AsyncIterator[tuple[int, trio.Event]]:
    """Serve finger for the length of an ``async with``; its port, and what stops it."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            run = partial(serve_finger, config, Directory(users), listeners, stop=stop)
            nursery.start_soon(partial(run, counts=Counts(), records=Log()))
            yield listeners[0].socket.getsockname()[1], stop
            stop.set()


async def finger(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        return b"".join([part async for part in stream])


async def test_served(users: UserMap) -> None:
    """Clients are answered over TCP, and a client that sends more gets all of it (F3, T34)."""
    async with serving(users, Finger(rate=None)) as (port, _):
        for _ in range(50):
            assert await finger(port, b"moshez\r\n" + b"shawn\r\n" * 5000) == MOSHEZ
        assert await finger(port, b"x" * 1024 * 1024) == TOO_LONG


async def test_resets(users: UserMap) -> None:
    """Clients that reset the connection at any point are nobody's fault and harm nobody."""
    with capture_logs() as log:
        async with serving(users, Finger()) as (port, _):
            for data in (b"", b"mos", b"moshez\r\n", b"x" * 100_000):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await stream.send_all(data)
                await stream.aclose()
                assert await finger(port, b"moshez\r\n") == MOSHEZ
    assert {record["log_level"] for record in log} <= {"debug"}


async def test_fault_of_our_own() -> None:
    """A fault in the server is answered as such, with nothing of the inside (T18)."""

    class BrokenMap(UserMap):
        def get(self, name: str) -> Status | None:
            raise RuntimeError("the password is swordfish")

    with capture_logs():
        async with serving(BrokenMap(MemoryStore()), Finger()) as (port, _):
            assert await finger(port, b"moshez\r\n") == b"Internal error in server\r\n"
            assert await finger(port, b"@h\r\n") == FORWARDING_DENIED


async def test_cap_of_the_configuration(users: UserMap) -> None:
    """No more connections are served at once than the configuration allows (T25)."""
    with capture_logs():
        async with (
            serving(users, Finger(max_connections=1)) as (port, _),
            await trio.open_tcp_stream("127.0.0.1", port) as first,
        ):
            await first.send_all(b"mos")  # until then the kernel keeps it
            assert await finger(port, b"shawn") == b""
            # Whoever is answered on the spot takes up no room.
            assert await finger(port, b"shawn\r\n") == SHAWN
            await first.send_all(b"hez\r\n")
            assert b"".join([part async for part in first]) == MOSHEZ


async def test_stop_answers_who_is_there(users: UserMap) -> None:
    """After a stop a query that is under way is still answered."""
    async with (
        serving(users, Finger()) as (port, stop),
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(b"mos")
        assert await finger(port, b"shawn\r\n") == SHAWN
        stop.set()
        await stream.send_all(b"hez\r\n")
        assert b"".join([part async for part in stream]) == MOSHEZ
