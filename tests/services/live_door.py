"""The live doors by themselves, on a port of their own, without the lane and the app."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.net.server import Server, everything, serve
from trio_finger.log import get_log
from trio_finger.net import Connection, Gate, Limits, socket_of
from trio_finger.protocol.setter import SetRequest
from trio_finger.services.web._head import parse_head
from trio_finger.services.web._live import Live
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, UserMap

HANDSHAKE = (
    b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"  # RFC 6455, 1.3


class LiveDoor:
    """The doors, up.

    Attributes:
      users: whom they tell of.
      live: what is tested.
      server: the sockets.
      stop: ends the hub.
      buffer: how many bytes a connection sends ahead; as the system likes if nothing.
    """

    def __init__(self, users: UserMap, live: Live, gate: Gate) -> None:
        self.users = users
        self.live = live
        self.counts = gate.counts
        self.stop = trio.Event()
        self.buffer: int | None = None
        self.server: Server

    async def tell(self, name: str, status: str) -> None:
        """Set a status, as whoever reaches the setter may."""
        await self.users.set(SetRequest(name, status), by=ANYBODY)

    async def ask(self, target: str, *headers: bytes) -> trio.SocketStream:
        """Return a new client that has asked for *target*."""
        client = await self.server.connect()
        await client.send_all(format_request(target, *headers))
        return client

    async def answer(self, target: str, *headers: bytes) -> bytes:
        """Return all that is answered to who asks for *target*."""
        return await everything(await self.ask(target, *headers))

    async def handle(self, stream: Connection) -> None:
        peer = socket_of(stream)
        if self.buffer is not None and peer is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.buffer)
        head = parse_head(bytes(await stream.receive_some(64 * 1024)))
        assert head is not None
        is_websocket = head.target.partition("?")[0] == "/live"
        await (self.live.websocket if is_websocket else self.live.events)(stream, head)


def format_request(target: str, *headers: bytes) -> bytes:
    """Return a request as a client sends it."""
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n".encode() + b"".join(headers) + b"\r\n"


@asynccontextmanager
async def open_live(
    users: UserMap | None = None, *, limit: int = 10_000
) -> AsyncIterator[LiveDoor]:
    """Have the doors for the length of an ``async with`` block, which may take half a minute."""
    if users is None:
        users = UserMap(MemoryStore())
        await users.load()
    async with trio.open_nursery() as nursery:
        gate: Gate

        async def handle(stream: Connection) -> None:
            await door.handle(stream)

        async with serve(handle, Limits(20_000)) as server:
            gate = Gate(Limits(20_000), server.counts, get_log("test"))
            live = Live(users, {"localhost", "finger.example"}, gate, limit=limit)
            door = LiveDoor(users, live, gate)
            door.server = server
            nursery.start_soon(live.run, door.stop)
            yield door
            door.stop.set()
        # Whoever was there has gone, whatever the test has done to them.
        assert live.following == 0
        assert server.counts.faults == 0


class Events:
    """A client of server-sent events that knows as little as it can get along with."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._data = b""

    async def head(self) -> bytes:
        """Return the head of the answer."""
        return await self._until(b"\r\n\r\n")

    async def next(self) -> dict[str, Any]:
        """Return what the next event holds, once it is seen that all of it agrees."""
        while True:
            block = (await self._until(b"\n\n")).decode()
            if not block.startswith(":"):
                break
        fields = dict(line.split(": ", 1) for line in block.rstrip("\n").split("\n"))
        found: dict[str, Any] = json.loads(fields["data"])
        assert (fields["id"], fields["event"]) == (found["id"], found["type"])
        return found

    async def raw(self) -> bytes:
        """Return the next event, or comment, as it comes."""
        return await self._until(b"\n\n")

    async def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            data = await self._stream.receive_some()
            assert data, "the end"
            self._data += data
        found, _, self._data = self._data.partition(end)
        return found + end


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Return what the messages about statuses say."""
    return [message["status"] for message in messages]
