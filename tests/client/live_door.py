"""Live doors of every temper, over sockets and in memory, and a follower beside them.

Policy: over sockets where sockets matter; in memory, where time is free, everywhere else.
"""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest
import trio
from trio.testing import memory_stream_pair
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    serve_websocket,
    wrap_server_stream,
)
from wsproto.utilities import generate_accept_token

from trio_finger.client import Change, Follower, parse_place

Handler = Callable[[WebSocketRequest], Awaitable[None]]
RawHandler = Callable[[trio.abc.Stream], Awaitable[None]]

ACCEPTED = b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

START = 1_763_735_000_000_000  # the number of the newest change when all begins


def hello(after: int = 0, **more: object) -> str:
    """Return a hello whose newest change is so many after `START`."""
    words = {"type": "hello", "server": "trio-finger", "id": str(START + after), "missed": False}
    return json.dumps(words | more)


def status(after: int, text: str = "Happy", **more: object) -> str:
    """Return moshez' new status."""
    words = {"type": "status", "id": str(START + after), "name": "moshez", "status": text}
    return json.dumps(words | {"since": "2025-11-21T14:23:20Z", "until": None} | more)


def gone(after: int) -> str:
    """Return that moshez is there no more."""
    return json.dumps({"type": "gone", "id": str(START + after), "name": "moshez"})


async def until_closed(socket: WebSocketConnection) -> int:
    """Wait until the follower ends the connection; return the code that it gave."""
    try:
        while True:
            await socket.get_message()
    except ConnectionClosed as closed:
        return closed.reason.code if closed.reason else 1006


def saying(*messages: str | bytes, then: int | None = None) -> Handler:
    """Return a handler that says *messages*, and closes with the code *then*, or stays."""

    async def handle(request: WebSocketRequest) -> None:
        socket = await request.accept()
        for message in messages:
            await socket.send_message(message)
        if then is None:
            await until_closed(socket)
        else:
            await socket.aclose(then)

    return handle


def rejecting(code: int, **more: Any) -> Handler:
    """Return a handler that answers with *code* instead of a WebSocket."""

    async def handle(request: WebSocketRequest) -> None:
        await request.reject(code, **more)

    return handle


async def cut(stream: trio.abc.Stream) -> None:
    """Hang up before there is an answer."""
    await stream.receive_some()


def answering(answer: bytes, *, end: bool) -> RawHandler:
    """Return a handler that answers in its own words, and hangs up or stays."""

    async def handle(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        if not end:
            await trio.sleep_forever()

    return handle


class Deaf(trio.abc.Stream):
    """A stream of which nothing is read any more after the first lines, a request."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._asked = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._asked:
            await trio.sleep_forever()
        self._asked = True
        return await self.stream.receive_some()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


@dataclass
class Door:
    """A door; the first connection gets the first of *handlers*, the last one all the rest.

    Attributes:
      requests: the path and query of each connection.
      times: when each was made, by Trio's clock.
    """

    handlers: list[Handler]
    port: int = 0
    requests: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def handle(self, request: WebSocketRequest) -> None:
        """Serve one connection."""
        self.requests.append(request.path)
        with suppress(ConnectionClosed):  # as the follower may do at any time
            await self.handlers[min(len(self.requests), len(self.handlers)) - 1](request)

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def live_door(*handlers: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Door]:
    """Serve a door on a real port for the length of an ``async with``."""
    door = Door(list(handlers))
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, door.handle, "127.0.0.1", 0, tls)
        door.port = server.port
        yield door
        nursery.cancel_scope.cancel()


@dataclass
class Following:
    """What comes of following.

    Attributes:
      door: the door that is followed.
      changes: the changes, as they come.
      told: the words for people, and when they came, by Trio's clock.
      tasks: the follower; cancel it to stop.
      news: set as soon as anything was told.
    """

    door: Door
    changes: trio.MemoryReceiveChannel[Change]
    told: list[tuple[float, str]]
    tasks: trio.Nursery
    news: trio.Event

    @property
    def words(self) -> list[str]:
        """What was told."""
        return [words for _, words in self.told]

    async def get(self, count: int = 1) -> list[tuple[int, str | None]]:
        """Return the next changes: how long after `START`, and the status."""
        got = []
        with trio.fail_after(3600):
            for _ in range(count):
                change = await self.changes.receive()
                got.append((change.number - START, change.text))
        return got


class Longest(Random):
    """Every delay is as long as it may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


@asynccontextmanager
async def following(
    door: Door,
    *users: str,
    url: str = "http://door.example",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Following]:
    """Follow *door* for the length of an ``async with``."""
    sending, receiving = trio.open_memory_channel[Change](0)
    told: list[tuple[float, str]] = []
    news = trio.Event()

    def tell(words: str) -> None:
        told.append((trio.current_time(), words))
        news.set()

    follower = Follower(
        parse_place(url),
        users,
        tls=tls,
        tell=tell,
        random=Longest(),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, sending)
        yield Following(door, receiving, told, nursery, news)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def in_memory(
    monkeypatch: pytest.MonkeyPatch, *handlers: Handler, users: tuple[str, ...] = ()
) -> AsyncIterator[Following]:
    """Follow a door in memory for the length of an ``async with``."""
    async with trio.open_nursery() as nursery:
        door = Door(list(handlers))

        async def serve(stream: trio.abc.Stream) -> None:
            async with stream, trio.open_nursery() as readers:
                request = await wrap_server_stream(readers, stream)
                await door.handle(request)
                readers.cancel_scope.cancel()

        with _connecting(monkeypatch, nursery, door, serve):
            async with following(door, *users) as follower:
                yield follower
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def in_memory_raw(
    monkeypatch: pytest.MonkeyPatch, *handlers: RawHandler
) -> AsyncIterator[Following]:
    """Follow, in memory, what may be no door at all."""
    async with trio.open_nursery() as nursery:
        door = Door([])
        remaining = list(handlers)

        async def serve(stream: trio.abc.Stream) -> None:
            async with stream:
                await (remaining.pop(0) if len(remaining) > 1 else remaining[0])(stream)

        with _connecting(monkeypatch, nursery, door, serve):
            async with following(door) as follower:
                yield follower
        nursery.cancel_scope.cancel()


async def deaf(stream: trio.abc.Stream) -> None:
    """Say hello, and hear nothing from then on."""
    async with trio.open_nursery() as readers:
        socket = await (await wrap_server_stream(readers, Deaf(stream))).accept()
        await socket.send_message(hello())
        await trio.sleep_forever()


@contextmanager
def _connecting(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, door: Door, serve: RawHandler
) -> Iterator[None]:
    async def serve_quietly(stream: trio.abc.Stream) -> None:
        try:
            await serve(stream)
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the follower has hung up, as it may

    async def connect(host: str, port: int) -> trio.SocketStream:
        assert (host, port) == ("door.example", 80)
        door.times.append(trio.current_time())
        ours, theirs = memory_stream_pair()
        nursery.start_soon(serve_quietly, theirs)
        return cast("trio.SocketStream", ours)

    with monkeypatch.context() as patch:
        patch.setattr(trio, "open_tcp_stream", connect)
        yield


def accept(request: bytes) -> bytes:
    """Return the answer that makes *request* a WebSocket."""
    (key,) = (
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    token = generate_accept_token(key)
    return ACCEPTED + token + b"\r\n\r\n"


def text(message: str) -> bytes:
    """Return *message* as a frame."""
    data = message.encode()
    assert len(data) < 126
    return bytes([0x81, len(data)]) + data
