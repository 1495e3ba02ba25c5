"""The live doors as time goes by, and under whatever a client says: on streams in memory."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import (
    MemoryReceiveStream,
    MemorySendStream,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)
from wsproto.connection import Connection as WebSocketClient
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage

from tests.services.live_door import HANDSHAKE, format_request
from tests.strategies import chunked
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Connection, Gate, Limits
from trio_finger.protocol.setter import SetRequest
from trio_finger.services.web._head import parse_head
from trio_finger.services.web._live import Live
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, UserMap

PATIENCE = 1000  # seconds of a clock that jumps
Duplex = trio.StapledStream[MemorySendStream, MemoryReceiveStream]


class Memory:
    """The doors, in memory.

    Attributes:
      slow: how many followers were sent away for that.
      over: whether the connection is.
    """

    def __init__(self) -> None:
        self.users = UserMap(MemoryStore())
        self.stop = trio.Event()
        self.slow = 0
        self.over = trio.Event()
        gate = Gate(Limits(10), Counts(), get_log("test"))
        self.live = Live(self.users, {"localhost"}, gate)

    async def tell(self, status: str) -> None:
        await self.users.set(SetRequest("moshez", status), by=ANYBODY)

    async def follow(self, stream: trio.abc.Stream, target: str) -> None:
        head = parse_head(format_request(target, HANDSHAKE))
        assert head is not None
        door = self.live.events if target.startswith("/live.sse") else self.live.websocket
        try:
            # A stream in memory has all that the doors need of a connection.
            await door(cast("Connection", stream), head)
        except trio.TooSlowError:
            self.slow += 1
        await stream.aclose()
        self.over.set()


@asynccontextmanager
async def following(
    target: str = "/live", *, lockstep: bool = False
) -> AsyncIterator[tuple[Memory, trio.abc.HalfCloseableStream]]:
    """Have somebody follow for the length of an ``async with`` block."""
    door = Memory()
    await door.users.load()
    client, server = lockstep_stream_pair() if lockstep else memory_stream_pair()
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(door.live.run, door.stop)
            nursery.start_soon(door.follow, server, target)
            yield door, client
            await client.aclose()
            door.stop.set()
        assert door.live.following == 0


class Reader:
    """Says what comes over a WebSocket."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.frames = WebSocketClient(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._is_greeted = False

    async def next(self) -> Event:
        while not self._events:
            data = bytes(await self.stream.receive_some())
            assert data, "the end"
            if not self._is_greeted:
                self._is_greeted = True
                data = data.partition(b"\r\n\r\n")[2]
            self.frames.receive_data(data)
            self._events += self.frames.events()
        return self._events.pop(0)

    async def find(self, kind: type[Event]) -> Event:
        """Return the next event of that *kind*."""
        while not isinstance(found := await self.next(), kind):
            pass
        return found

    async def say(self, *events: Event) -> None:
        await self.stream.send_all(b"".join(map(self.frames.send, events)))


async def test_pings_keep_a_follower(autojump_clock: trio.testing.MockClock) -> None:
    """There is a ping every 30 s, and who answers stays, however quiet it is."""
    async with following() as (door, client):
        reader = Reader(client)
        for count in range(1, 10):
            ping = await reader.find(Ping)
            assert trio.current_time() == pytest.approx(30 * count)
            assert isinstance(ping, Ping)
            await reader.say(ping.response())
        await door.tell("Still here")
        assert isinstance(await reader.next(), TextMessage)


async def test_who_does_not_answer_pings_is_sent_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Half a minute after a ping there has to be a sign of life, or it is the end (T23)."""
    async with following() as (door, client):
        close = await Reader(client).find(CloseConnection)
        assert isinstance(close, CloseConnection)
        assert (close.code, close.reason) == (1013, "no answer to a ping")
        await door.over.wait()
        assert trio.current_time() == pytest.approx(60)
        assert door.slow == 1


async def test_who_follows_a_quiet_user_is_told_how_far_they_are(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """What others say need not be remembered for them: with a sign of life comes the number."""
    async with following("/live?user=shawn") as (door, client):
        reader = Reader(client)
        await reader.find(TextMessage)
        for status in ("One", "Two"):
            await door.tell(status)  # moshez
            hello = await reader.find(TextMessage)
            assert isinstance(hello, TextMessage)
            assert json.loads(hello.data) == {
                "type": "hello",
                "server": "trio-finger",
                "id": str(door.users.last_change),
                "missed": False,
            }
            await reader.find(Ping)
            await reader.say(Pong())
        assert trio.current_time() == pytest.approx(60)


async def test_events_of_a_quiet_user_say_how_far_one_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A browser takes the id of what is no event, and comes back with it."""
    async with following("/live.sse?user=shawn") as (door, client):
        await wait_all_tasks_blocked()
        await client.receive_some()
        await door.tell("One")  # moshez
        said = await client.receive_some()
        while b"id: " not in said:
            said += await client.receive_some()
        assert said == b"id: %d\n\n" % door.users.last_change


async def test_comments_keep_an_event_stream(autojump_clock: trio.testing.MockClock) -> None:
    """There is a comment every 15 s, and nothing is expected of the client."""
    async with following("/live.sse") as (door, client):
        await wait_all_tasks_blocked()
        await client.receive_some()
        for count in range(1, 20):
            while (data := await client.receive_some()) != b":\n\n":
                pass
            assert trio.current_time() == pytest.approx(15 * count)
        await door.tell("Still here")
        data = await client.receive_some()
        assert b"event: status\n" in data


@pytest.mark.parametrize("target", ["/live", "/live.sse"])
async def test_who_does_not_read_is_cut(
    autojump_clock: trio.testing.MockClock, target: str
) -> None:
    """A write has its time; when that is over, so is the connection (T24)."""
    async with following(target, lockstep=True) as (door, client):
        while b"hello" not in await client.receive_some():
            pass
        await wait_all_tasks_blocked()
        started = trio.current_time()
        await door.tell("Happy")
        await door.over.wait()
        assert 10 <= trio.current_time() - started < 11
        assert door.slow == 1


@pytest.mark.parametrize("target", ["/live", "/live.sse"])
async def test_who_is_too_far_behind_is_cut_sooner(
    autojump_clock: trio.testing.MockClock, target: str
) -> None:
    """More than 1,024 changes wait for nobody (T24)."""
    async with following(target, lockstep=True) as (door, client):
        while b"hello" not in await client.receive_some():
            pass
        for number in range(1024 + 1):
            await door.tell(str(number))
            await wait_all_tasks_blocked()
        assert door.live.following == 1
        await door.tell("one more")
        await door.over.wait()
        assert trio.current_time() < 3
        assert door.slow == 1


@pytest.mark.parametrize("reads", [True, False])
async def test_a_close_that_is_not_answered(
    autojump_clock: trio.testing.MockClock, *, reads: bool
) -> None:
    """Nobody waits longer than 2 s for a client when the daemon stops."""
    async with following(lockstep=not reads) as (door, client):
        reader = Reader(client)
        await reader.find(TextMessage)
        door.stop.set()
        if reads:
            close = await reader.find(CloseConnection)
            assert isinstance(close, CloseConnection)
            assert close.code == 1001
        await door.over.wait()
        assert trio.current_time() == pytest.approx(2)
        assert door.slow == 0


async def test_a_close_that_is_answered(autojump_clock: trio.testing.MockClock) -> None:
    """Once both have said that it is the end, it is, at once."""
    async with following() as (door, client):
        reader = Reader(client)
        await reader.find(TextMessage)
        door.stop.set()
        close = await reader.find(CloseConnection)
        assert isinstance(close, CloseConnection)
        await reader.say(close.response())
        await door.over.wait()
        assert trio.current_time() == 0


@pytest.mark.parametrize("code", [None, 1000, 1001, 3000, 4999])
async def test_the_client_closes(autojump_clock: trio.testing.MockClock, code: int | None) -> None:
    """It gets its own code back (RFC 6455, 5.5.1), and the connection is over."""
    async with following() as (door, client):
        reader = Reader(client)
        await reader.find(TextMessage)
        if code is None:
            await client.send_all(b"\x88\x80\0\0\0\0")
        else:
            await reader.say(CloseConnection(code, "enough"))
        close = await reader.find(CloseConnection)
        assert isinstance(close, CloseConnection)
        assert close.code == (code or 1005)
        await door.over.wait()
        assert trio.current_time() == 0


async def test_pings_of_the_client(autojump_clock: trio.testing.MockClock) -> None:
    """Each is answered with what it holds; messages in between change nothing."""
    async with following() as (_door, client):
        reader = Reader(client)
        for payload in (b"", b"one", b"x" * 125):
            await reader.say(TextMessage("hello?"), Ping(payload), BytesMessage(b"\0"))
            pong = await reader.find(Pong)
            assert isinstance(pong, Pong)
            assert pong.payload == payload


async def test_pings_without_reading(autojump_clock: trio.testing.MockClock) -> None:
    """What answers them does not pile up for a client that does not read (T24)."""
    async with following(lockstep=True) as (door, client):
        while b"hello" not in await client.receive_some():
            pass
        ping = WebSocketClient(ConnectionType.CLIENT).send(Ping(b"x" * 100))
        for _ in range(100):
            await client.send_all(ping)
        await door.over.wait()
        assert door.slow == 1
        assert trio.current_time() < 12


SENDS: list[tuple[int, Callable[[Reader], Awaitable[None]]]] = [
    (1009, lambda reader: reader.say(TextMessage("x" * 4097))),
    (1009, lambda reader: reader.say(*[BytesMessage(b"x" * 800, message_finished=False)] * 6)),
    (1008, lambda reader: reader.say(*[TextMessage("x" * 2000)] * 9)),
    (1002, lambda reader: reader.stream.send_all(b"GET / HTTP/1.1\r\n\r\n")),
    (1002, lambda reader: reader.stream.send_all(b"\x81\x05hello")),
    (1007, lambda reader: reader.stream.send_all(b"\x81\x82\0\0\0\0\xff\xff")),
]


@pytest.mark.parametrize(("code", "send"), SENDS)
async def test_what_a_client_may_not_say(
    autojump_clock: trio.testing.MockClock,
    code: int,
    send: Callable[[Reader], Awaitable[None]],
) -> None:
    """It is told what is wrong, and sent away (RFC 6455, 7.4.1) (T1)."""
    async with following() as (door, client):
        reader = Reader(client)
        await reader.find(TextMessage)
        await send(reader)
        close = await reader.find(CloseConnection)
        assert isinstance(close, CloseConnection)
        assert close.code == code
        await client.aclose()
        await door.over.wait()


FRAMES = st.lists(
    st.sampled_from(
        [
            *(b"\x81\x80\0\0\0\0", b"\x01\x81\0\0\0\0a", b"\x80\x81\0\0\0\0\xff", b"\x89\x80abcd"),
            *(b"\x8a\x84\0\0\0\0abcd", b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x81\0\0\0\0x"),
            *(b"\x89\xff" + b"\xff" * 8 + b"\0\0\0\0", b"\x82\xfe\x10\x01\0\0\0\0", b"\xf1\x80"),
        ]
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


@given(pieces=chunked(FRAMES), target=st.sampled_from(["/live", "/live.sse"]))
def test_whatever_a_client_sends(pieces: list[bytes], target: str) -> None:
    """No bytes after the handshake fail our code, nor keep the connection from its end (T1)."""

    async def main() -> None:
        async with following(target) as (door, client):
            await client.receive_some()  # by now it has been let in
            for piece in pieces:
                try:
                    await client.send_all(piece)
                except trio.BrokenResourceError:
                    break
                await door.tell("Happy")
            await client.aclose()
            await door.over.wait()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
