"""A door for tests: any handler, on a plain and on a secured port."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.net.tls import TlsClient, connect_tls, server_side
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Connection, Gate, Limits, Secured, serve_connections
from trio_finger.net._entrance import AnswerAtOnce

Handler = Callable[[Connection], Awaitable[None]]


class Server:
    """A door that is up.

    Attributes:
      port: the plain one.
      tls_port: the one for TLS.
      counts: the door's numbers.
      stop: ends accepting.
      stopped: whether it is over.
      scope: to cut it off.
    """

    def __init__(self, port: int, tls_port: int) -> None:
        self.port = port
        self.tls_port = tls_port
        self.counts = Counts()
        self.scope = trio.CancelScope()
        self.stop = trio.Event()
        self.stopped = trio.Event()
        self.clients: list[trio.abc.AsyncResource] = []

    async def connect(self, port: int | None = None) -> trio.SocketStream:
        """Return a new client without TLS, which is closed at the end of the test."""
        client = await trio.open_tcp_stream("127.0.0.1", port or self.port)
        self.clients.append(client)
        return client

    async def connect_tls(self, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> TlsClient:
        """Return a new client over TLS, which is closed at the end of the test."""
        client = await connect_tls(self.tls_port, version)
        self.clients.append(client)
        return client

    async def ask(self, word: bytes) -> bytes:
        """Send *word* as a client of its own, and return all of the answer."""
        async with await self.connect() as stream:
            await stream.send_all(word)
            return await everything(stream)


async def everything(client: trio.abc.ReceiveStream) -> bytes:
    """Read to the end, which over TLS has to be said."""
    got = bytearray()
    async for data in client:
        got += data
    return bytes(got)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until *condition* is the case, which has to be soon."""
    with trio.fail_after(10):
        while True:
            if condition():
                return
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def serve(
    handler: Handler,
    limits: Limits,
    *,
    sorry: bytes = b"",
    at_once: AnswerAtOnce | None = None,
) -> AsyncIterator[Server]:
    """Run a server for the length of an ``async with``; it must be over within 30 s."""
    plain, listener = (
        *await trio.open_tcp_listeners(0, host="127.0.0.1"),
        *await trio.open_tcp_listeners(0, host="127.0.0.1"),
    )
    server = Server(plain.socket.getsockname()[1], listener.socket.getsockname()[1])

    async def run() -> None:
        with server.scope:
            await serve_connections(
                handler,
                [plain, Secured(listener, server_side())],
                stop=server.stop,
                gate=Gate(limits, server.counts, get_log("test")),
                at_once=at_once,
                sorry=sorry,
            )
        server.stopped.set()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield server
            for client in server.clients:
                await client.aclose()
            server.stop.set()


def events(log: Sequence[Any]) -> list[tuple[str, str]]:
    """Return the level and the event of each record, as often as it stands for."""
    return [
        (record["log_level"], record["event"])
        for record in log
        for _ in range(record.get("times", 1))
    ]
