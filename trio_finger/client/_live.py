"""One connection to a live door: everything that can go wrong with it becomes `LostError`.

At its end, cancelled or not, the server is told good-bye (RFC 6455, 7.1.1). That takes two:
the server answers, and somebody has to be there who reads it. So the task that reads is not
cancelled with the rest, but only after that, and it does not have long.
"""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

import h11
import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from trio_finger import __version__
from trio_finger.client._watch_errors import LostError, RefusedError, leaf
from trio_finger.client._watch_place import Place
from trio_finger.client._watch_stream import RejectedError, WatchedStream
from trio_finger.net import connect_error, tls_reason
from trio_finger.protocol.text import escape

GOODBYE_WITHIN: Final = 2  # seconds

# Bytes; trio-websocket ends the connection over a message that is longer. One that is just
# too long for us should not do that: it would come again when we do.
_MAX_RECEIVED: Final = 1024 * 1024

_PING: Final = b"still there?"
_HEADERS: Final = [(b"User-Agent", f"trio-finger/{__version__}".encode())]
_MAX_LOCATION: Final = 200  # characters of it that are shown

# Too early, too many requests, a time-out: what may be otherwise in a minute (RFC 9110, 6585,
# 8470). So may every fault of the server itself but "not implemented", and what is no answer.
_PASSING: Final = frozenset({408, 425, 429, *range(100, 200), *range(500, 600)}) - {501, 505}

_PROTOCOL: Final = "the server does not keep to the protocol"

# RFC 6455, 7.4.1, and IANA's registry for those after it.
_CLOSED: Final = {
    1000: "the server closed the connection",
    1001: "the server is going away",
    1006: "the connection broke",
    1009: "the server sent a message that is far too long",
    1012: "the server is starting again",
    1013: "the server is too busy, or we are too slow for it",
}


class Live:
    """A connection to a live door."""

    def __init__(self, connection: WebSocketConnection, stream: WatchedStream) -> None:
        self._connection = connection
        self._stream = stream
        self._leaving = False

    async def receive(self) -> str | bytes:
        """Return the next message; of any kind, but not longer than a mebibyte.

        Raises:
          LostError: there will be none.
        """
        try:
            return await self._connection.get_message()
        except ConnectionClosed as closed:
            raise LostError(self._stream.fault or _closing_words(closed.reason)) from None

    async def ping(self) -> None:
        """Ask for a sign of life."""
        # One at a time (or else a ValueError), so that a server that answers none does not
        # have us wait for more and more.
        with suppress(ConnectionClosed, ValueError):
            await self._connection.ping(_PING)

    async def _leave(self) -> None:
        self._leaving = True
        await self._connection.aclose()


@asynccontextmanager
async def open_live(place: Place, request: str, tls: ssl.SSLContext | None) -> AsyncIterator[Live]:
    """Connect to the door at *place*, for the length of an ``async with``.

    Args:
      place: where it is.
      request: its path and query.
      tls: whose certificates are good; needed where *place* is secure.

    Raises:
      LostError: it cannot be had now. Here, as of the next, alone or in groups.
      RefusedError: it cannot be had at all.
    """
    try:
        stream: trio.abc.Stream = await trio.open_tcp_stream(place.host, place.port)
    except OSError as error:
        raise LostError(connect_error(error)) from None
    async with stream:
        if place.secure:
            assert tls is not None
            stream = await _secure(stream, place, tls)
        watched = WatchedStream(stream)
        async with trio.open_nursery() as nursery:
            reading = trio.CancelScope()
            live = await nursery.start(_read, watched, place, request, reading)
            # Until here the task is cancelled with the rest. (A shield that it put up itself
            # could be up before this is told that it started, and then never be taken down.)
            # From now on it goes on until the good-bye below is over, which has a time limit.
            reading.shield = True
            watched.on_silence = lambda: nursery.start_soon(live.ping)
            try:
                yield live
            finally:
                with trio.move_on_after(GOODBYE_WITHIN, shield=True):
                    await live._leave()
                reading.cancel()
                nursery.cancel_scope.cancel()


async def _read(  # noqa: ASYNC114  # what starts it is after nothing else in its nursery
    stream: WatchedStream,
    place: Place,
    request: str,
    reading: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[Live],
) -> None:
    """Shake hands, and have what comes read until *reading* is cancelled."""
    live = None
    try:
        with reading:
            async with trio.open_nursery() as nursery:
                connection = await wrap_client_stream(
                    nursery,
                    stream,  # type: ignore[arg-type]  # it takes any stream
                    place.authority,
                    request,
                    extra_headers=_HEADERS,
                    max_message_size=_MAX_RECEIVED,
                )
                live = Live(connection, stream)
                task_status.started(live)
    except* RejectedError as group:
        _judge(leaf(group))
    except* (ProtocolError, h11.ProtocolError):
        # trio-websocket may have no answer to what crosses our good-bye, such as a PING.
        if live is None or not live._leaving:
            raise LostError(_PROTOCOL) from None


async def _secure(
    stream: trio.abc.Stream, place: Place, tls: ssl.SSLContext
) -> trio.SSLStream[trio.abc.Stream]:
    """Set up TLS on *stream* with the server at *place*, and with no other."""
    try:
        # Without what no certificate has: the zone of an address, the dot that ends a name.
        name = place.host.partition("%")[0].removesuffix(".")
        secured = trio.SSLStream(stream, tls, server_hostname=name, https_compatible=True)
        await secured.do_handshake()
    except ValueError:
        raise RefusedError("no certificate can be for such a name") from None
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise RefusedError(
                f"the server's certificate is not good: {cause.verify_message} "
                "(an authority of your own is trusted with --ca FILE)"
            ) from None
        reason = tls_reason(error) or "the connection broke"
        raise LostError(f"no TLS there: {reason}") from None
    return secured


def _judge(rejection: BaseException) -> NoReturn:
    """Say what a server means that answers with no WebSocket."""
    assert isinstance(rejection, RejectedError)
    status = rejection.status
    if status in _PASSING:
        raise LostError(f"the server answered {status}") from None
    if status == 404:
        raise RefusedError("there is no live door there (the server answered 404)") from None
    if rejection.location:
        elsewhere = escape(rejection.location[:_MAX_LOCATION])
        raise RefusedError(f"the server answered {status}: it is at {elsewhere}") from None
    raise RefusedError(f"the server answered {status}") from None


def _closing_words(reason: CloseReason | None) -> str:
    if reason is None:
        return _PROTOCOL
    words = _CLOSED.get(reason.code, "the server closed the connection")
    told = f": {escape(reason.reason)}" if reason.reason and reason.code != 1009 else ""
    return f"{words} ({reason.code}){told}"
