"""One connection of Hypercorn's, cured: see `trio_finger.services.web._hypercorn`."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

from trio_finger.net import (
    DRAIN_SECONDS,
    Connection,
    Gate,
    finish,
    peer_name,
    send_in_pieces,
    socket_of,
)
from trio_finger.services.web._http1 import HTTP1
from trio_finger.services.web._wire import FIRST_AT_STOP

# What has requests before the app does. It is given a connection, and what has been read of a
# next request, if anything has; it returns what it leaves of that, or None when the connection
# is over.
Before = Callable[[Connection, bytes], Awaitable[bytes | None]]

_CHUNK = 64 * 1024  # bytes
_CLOSE_SECONDS = 1  # to change over to the next request, or to close: no network involved


class HttpConnection(TCPServer):
    """Hypercorn's connection, with bounded sending, and timers that are started."""

    stream: Connection  # type: ignore[assignment]
    protocol: HTTP1  # type: ignore[assignment]  # not the wrapper that changes to HTTP/2

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        stream: Connection,
        first: bytes,
        before: Before,
        gate: Gate,
    ) -> None:
        # Hypercorn names only the TLS kind of stream and takes both.
        super().__init__(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
        self._first = first  # what has been read
        self._before = before
        self._gate: Gate | None = gate

    async def run(self) -> None:
        socket = socket_of(self.stream)
        assert socket is not None
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
        except OSError:
            return  # gone already
        self._socket = socket
        self._peer = peer_name(self.stream)  # as long as that can be told
        self._reading = trio.CancelScope()
        self._answered = trio.Event()
        self._answered.set()  # nothing has been asked yet
        self._asked = False
        async with TaskGroup() as self._task_group:
            self.protocol = HTTP1(
                self.app,
                self.config,
                self.context,
                self._task_group,
                ConnectionState(self.state.copy()),
                isinstance(self.stream, trio.SSLStream),
                client,
                server,
                self.protocol_send,
                on_slow=self._note_slow,
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
        begins = isinstance(event, Updated) and not event.idle
        if begins:
            self._answered = trio.Event()
        else:
            self._answered.set()
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await super().protocol_send(event)
        # Not before the timer is off, which would take it for the leave to close at a stop.
        self._asked = self._asked or begins

    async def _send(self, data: bytes) -> None:
        try:
            async with self.send_lock:
                with trio.CancelScope(shield=True):  # send_in_pieces bounds it
                    await send_in_pieces(self.stream, data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            if isinstance(error, trio.TooSlowError):
                self._note_slow()
            self._socket.close()
            self._reading.cancel()  # whatever it waits for will not come
            # Whoever reads may be sending just now, and the app has to hear of it all the same.
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await self.protocol.handle(Closed())

    async def _read_data(self) -> None:
        with self._reading:
            try:
                data: bytes | None = self._first
                if data:
                    await self.protocol.handle(RawData(data))
                while data := bytes(await self.stream.receive_some(_CHUNK)):
                    if await self._is_next_request():
                        data = await self._look_before(data)
                    if data is None:
                        return
                    await self.protocol.handle(RawData(data))
                # A client may close its side and still want its answer.
                await self.protocol.handle(RawData(b""))
                await self._answered.wait()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
        with (
            trio.move_on_after(DRAIN_SECONDS),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            async with self.send_lock:
                await finish(self.stream)
        await self.protocol.handle(Closed())

    async def _is_next_request(self) -> bool:
        """Wait for an answer that is on its way, and return whether what has come begins a request.

        It does not where it goes on with one.
        """
        if self.protocol.is_here:
            await self._answered.wait()
        return self._answered.is_set() and not self.protocol.has_begun

    async def _look_before(self, data: bytes) -> bytes | None:
        """Let others have a request first; return what they leave, ``None`` for a connection over.

        Who takes it takes care of the time, too.
        """
        await self.idle_task.stop()
        left = await self._before(self.stream, data)
        if left is not None:
            await self.idle_task.restart(self._task_group, self._idle_timeout)
        return left

    async def _close(self) -> None:
        """Have `_read_data` stop reading requests, and end the connection as it should be."""
        self._reading.cancel()

    async def _idle_timeout(self) -> None:
        """Close the connection when nothing is asked for too long, or a stop comes.

        Whoever has just connected has not asked yet and is owed an answer all the same:
        on a reload, others take over, and nobody may notice.
        """
        with trio.move_on_after(self.config.keep_alive_timeout) as patience:
            await self.context.terminated.wait()
            if not self._asked:
                await trio.sleep(FIRST_AT_STOP)
        # Between two requests nobody is slow: the next may never have been meant to come.
        if patience.cancelled_caught and (not self._asked or self.protocol.has_begun):
            self._note_slow()
        # Nobody is owed an answer. Over TLS the end is said, and that has to be sent.
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await self._initiate_server_close()

    def _note_slow(self) -> None:
        """Count and log that the client is too slow, once."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.cut("slow", "client too slow", peer=self._peer)
