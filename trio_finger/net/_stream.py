"""Small courtesies towards a stream, each with an end."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.net._connection import Stream

_PIECE = 64 * 1024  # bytes of an answer that are handed over at once

# A client may take its time for an answer, but not for ever: some seconds, and at least so
# many bytes in each after that.
_SLOWEST = 8 * 1024
_PATIENCE = 10

# What is still read from a client that has its answer: enough for whatever was on
# its way, and an end to one that never stops.
DRAIN_BYTES = 4 * 1024 * 1024
DRAIN_SECONDS = 2
_CHUNK = 16 * 1024


async def send_in_pieces(stream: trio.abc.SendStream, data: bytes | Iterable[bytes]) -> None:
    """Send *data*, however long that takes to a client that is slow but reads.

    Args:
      stream: where to.
      data: what to send; where that is long, in pieces of at most `_PIECE` bytes, each of
        which is made only when the one before has gone.

    Raises:
      trio.TooSlowError: the client has stopped reading, or nearly so.
      trio.BrokenResourceError: it is gone.
    """
    deadline = trio.current_time() + _PATIENCE
    for piece in _cut(data) if isinstance(data, bytes) else data:
        deadline += len(piece) / _SLOWEST
        with trio.fail_at(deadline):
            await stream.send_all(piece)


def _cut(data: bytes) -> Iterable[bytes]:
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


async def finish(stream: Stream) -> None:
    """Say that the answer is whole, and let the client have all of it.

    Closing a socket while input is unread makes the kernel reset the connection,
    and the reset may overtake the answer. So: half-close, read on until the client
    closes too, within bounds. Over TLS the end is said there first, since a client
    cannot believe one that anybody in between could have made. The caller closes.
    """
    with trio.move_on_after(DRAIN_SECONDS):
        try:
            transport = await _end_tls(stream) if isinstance(stream, trio.SSLStream) else stream
            await transport.send_eof()
            await _skip(transport)
        except trio.BrokenResourceError:
            pass  # gone already, with or without its answer


async def _end_tls(stream: trio.SSLStream[AcceptedStream]) -> AcceptedStream:
    """Exchange the ends over TLS, and return the connection below, which goes on.

    OpenSSL takes no input after that but the other's end, and if there is some already it
    fails before it has said ours. So input that is here is read first; if some still comes
    it fails as well, but ours is on its way, and what comes is skipped without being
    understood.
    """
    transport = stream.transport_stream
    with suppress(trio.BrokenResourceError):
        await _skip(stream, _without_waiting)
        await stream.unwrap()
    return transport


async def _skip(
    stream: trio.abc.ReceiveStream, scope: Callable[[], trio.CancelScope] = trio.CancelScope
) -> None:
    """Read *stream* to its end, or at most `DRAIN_BYTES`, each time in a new *scope*."""
    unread = DRAIN_BYTES
    while unread > 0:
        data: bytes | bytearray = b""
        with scope():
            data = await stream.receive_some(_CHUNK)
        if not data:
            break
        unread -= len(data)


def _without_waiting() -> trio.CancelScope:
    """Return a scope that cuts what is in it once that lets others run.

    What can be had at once is had by then, which a deadline of now would not allow.
    """
    scope = trio.CancelScope()
    trio.lowlevel.current_trio_token().run_sync_soon(scope.cancel)
    return scope


def connect_error(error: OSError) -> str:
    """Say why `trio.open_tcp_stream` failed.

    It tries every address of a name, says only that all failed, and keeps what came of
    each in a group.
    """
    errors: list[BaseException] = [error]
    if isinstance(error.__cause__, BaseExceptionGroup):
        errors = list(error.__cause__.exceptions)
    return "; ".join(dict.fromkeys(map(_reason, errors)))


def _reason(error: BaseException) -> str:
    # Of a system call, Trio's words name the address again; of a look-up there is no number.
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)
