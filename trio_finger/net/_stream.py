"""Small courtesies towards a stream, each with an end."""

import os

import trio

from trio_finger.protocol.address import Address

_PIECE = 64 * 1024  # bytes of an answer that a client must take within _PIECE_SECONDS
_PIECE_SECONDS = 10

# What is still read from a client that has its answer: enough for whatever was on
# its way, and an end to one that never stops.
DRAIN_BYTES = 4 * 1024 * 1024
DRAIN_SECONDS = 2
_CHUNK = 16 * 1024


async def send_in_pieces(stream: trio.abc.SendStream, data: bytes) -> None:
    """Send *data*, however long that takes to a client that is slow but reads.

    Raises:
      trio.TooSlowError: the client has stopped reading, or nearly so.
      trio.BrokenResourceError: it is gone.
    """
    for start in range(0, len(data), _PIECE):
        with trio.fail_after(_PIECE_SECONDS):
            await stream.send_all(data[start : start + _PIECE])


async def finish(stream: trio.abc.HalfCloseableStream) -> None:
    """Say that the answer is whole, and let the client have all of it.

    Closing a socket while input is unread makes the kernel reset the connection,
    and the reset may overtake the answer. So: half-close, read on until the client
    closes too, within bounds. The caller closes.
    """
    with trio.move_on_after(DRAIN_SECONDS):
        try:
            await stream.send_eof()
            unread = DRAIN_BYTES
            while unread > 0 and (data := await stream.receive_some(_CHUNK)):
                unread -= len(data)
        except trio.BrokenResourceError:
            pass  # gone already, with or without its answer


def peer_name(stream: trio.abc.Stream) -> str:
    """Return who is at the other end of *stream*, for the log."""
    if not isinstance(stream, trio.SocketStream):
        return "?"
    try:
        host, port, *_ = stream.socket.getpeername()
    except (OSError, ValueError):
        return "?"
    return str(Address(host, port))


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
