"""Hypercorn 0.18 on Trio, cured of what would let a stranger end the daemon.

`hypercorn.trio.serve` is not made for a nursery that it shares. Found by running it:

- a WebSocket upgrade followed by any byte, and an ``Upgrade: h2c`` with broken
  settings, raise an exception that leaves ``serve()`` and takes everything along;
- a client that stops reading is sent to under a shield without an end, so neither
  stopping nor cancelling works until it goes;
- under quart-trio the task that ends a response is cancelled just before it starts
  the keep-alive timer or closes the connection, so idle connections stay for ever.

Its shield around closing an idle connection can stay: it waits for nothing there.

So only Hypercorn's connection is used, one a handler of `serve_connections`, which
contains what goes wrong in it; and of that connection these three things are replaced.
When Hypercorn changes, this file is what has to be looked at.
"""

import logging
import re
from collections.abc import Sequence
from contextlib import suppress

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import parse_socket_addr
from structlog.typing import FilteringBoundLogger

from trio_finger.net import DRAIN_BYTES, DRAIN_SECONDS, send_in_pieces, serve_connections

_MAX_CONNECTIONS = 2000  # each may hold a request of a mebibyte
_ADDRESS = re.compile(rb"^[^/?]*://[^/?]*")  # at the beginning of a request target

_CHUNK = 64 * 1024  # bytes
_CLOSE_SECONDS = 1  # to change over to the next request, or to close: no network involved


async def serve_app(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener],
    *,
    stop: trio.Event,
    log: FilteringBoundLogger,
) -> None:
    """Serve *app* over HTTP/1.1 until *stop*, then finish the requests under way.

    *app* gets no lifespan events. Cancelling cuts every connection at once, even one
    to a client that has stopped reading.
    """
    config = _configure()
    context = WorkerContext(None)
    wrapped = ASGIWrapper(app)
    streams: set[trio.SocketStream] = set()

    async def handle(stream: trio.SocketStream) -> None:
        streams.add(stream)
        try:
            # Hypercorn names only the TLS kind of stream and takes both.
            await _Connection(wrapped, config, context, ConnectionState({}), stream).run()  # type: ignore[arg-type]
        finally:
            streams.discard(stream)

    async def close_idle_connections() -> None:
        await stop.wait()
        await context.terminated.set()

    async def cut_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            for stream in streams:
                stream.socket.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close_idle_connections)
        nursery.start_soon(cut_when_cancelled)
        await serve_connections(
            handle, listeners, stop=stop, log=log, max_connections=_MAX_CONNECTIONS
        )
        nursery.cancel_scope.cancel()


def _configure() -> Config:
    config = Config()
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn")
    config.keep_alive_timeout = 15
    return config


class _Connection(TCPServer):
    """Hypercorn's connection, with bounded sending, and timers that are started."""

    stream: trio.SocketStream  # type: ignore[assignment]
    protocol: H11Protocol  # type: ignore[assignment]  # not the wrapper that changes to HTTP/2

    async def run(self) -> None:
        socket = self.stream.socket
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
        except OSError:
            return  # gone already
        self._reading = trio.CancelScope()
        self._closing = False
        self._answered = trio.Event()
        self._answered.set()  # nothing has been asked yet
        async with TaskGroup() as self._task_group:
            self.protocol = _HTTP1(
                self.app,
                self.config,
                self.context,
                self._task_group,
                ConnectionState(self.state.copy()),
                False,
                client,
                server,
                self.protocol_send,
            )
            await self.idle_task.restart(self._task_group, self._idle_timeout)
            await self._read_data()
            await self.idle_task.stop()  # or it would hold a connection that is over

    async def protocol_send(self, event: Event) -> None:
        """Do to the connection what *event* says.

        All of it is shielded, because the task that gets here from the app is cancelled
        when the app is done, and bounded, because a shield without an end is a trap.
        """
        if isinstance(event, RawData):
            await self._send(event.data)
            return
        if isinstance(event, Updated) and not event.idle:
            self._answered = trio.Event()
        else:
            self._answered.set()
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await super().protocol_send(event)

    async def _send(self, data: bytes) -> None:
        try:
            async with self.send_lock:
                with trio.CancelScope(shield=True):  # send_in_pieces bounds it
                    await send_in_pieces(self.stream, data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            self.stream.socket.close()
            self._reading.cancel()  # whatever it waits for will not come
            await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        unread = DRAIN_BYTES
        with self._reading:
            try:
                while unread > 0 and (data := await self.stream.receive_some(_CHUNK)):
                    if self._closing:
                        unread -= len(data)
                    else:
                        await self.protocol.handle(RawData(bytes(data)))
                if not self._closing:
                    # A client may close its side and still want its answer.
                    await self.protocol.handle(RawData(b""))
                    await self._answered.wait()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        await self.protocol.handle(Closed())

    async def _close(self) -> None:
        """Half-close, and let `_read_data` drain what comes; `net.finish` says why."""
        self._closing = True
        self._reading.deadline = trio.current_time() + DRAIN_SECONDS
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with self.send_lock:
                await self.stream.send_eof()


class _HTTP1(H11Protocol):
    """HTTP/1.1 and nothing else: an upgrade is ignored, as RFC 9110, 7.8 allows.

    There is nothing here to change to, and the changing is where the traps are.
    """

    async def _check_protocol(self, _: h11.Request) -> None:
        """Do not change to HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Do not change to WebSocket, and leave the address of a proxy's request out.

        An origin server has to take ``GET http://host/path``, too (RFC 9112, 3.2.2), and
        Quart fails where the host in it is nonsense.
        """
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=_path(request.target),
                headers=[header for header in request.headers if header[0] != b"upgrade"],
                http_version=request.http_version,
            )
        )


def _path(target: bytes) -> bytes:
    """Return *target* as the path, and the query, on this server."""
    path = _ADDRESS.sub(b"", target)
    return path if path.startswith((b"/", b"*")) else b"/" + path
