"""A connection on which many small requests are answered, with as little ado as there can be.

Where most of the time for a request goes to Trio's streams, a plain connection is read and
written directly: it is only read when something is there, and what is written nearly always
finds room. When that is not so, and over TLS, the stream does it.
"""

import os
from typing import Final

import trio

from trio_finger.net import AcceptedStream, Connection, send_in_pieces, socket_of

# How long a connection may wait for a request; and how much of that is left when a stop comes
# to who has just connected, and is owed an answer: on a reload, others take over, and nobody
# may notice. All in seconds.
KEEP_ALIVE: Final = 15
FIRST_AT_STOP: Final = 1

_CHUNK: Final = 64 * 1024  # bytes


class Wire:
    """Reads and writes a connection.

    Args:
      stream: the connection.
    """

    def __init__(self, stream: Connection) -> None:
        self._stream = stream
        is_plain = isinstance(stream, AcceptedStream) and not stream.has_received
        self._socket = socket_of(stream) if is_plain else None

    async def receive(self) -> bytes:
        """Return what comes next; empty when the client has said that nothing will.

        Raises:
          trio.BrokenResourceError: the client is gone.
        """
        if self._socket is not None:
            await trio.lowlevel.wait_readable(self._socket)
            if (data := self.receive_nowait()) is not None:  # and it was no false alarm
                return data
        return bytes(await self._stream.receive_some(_CHUNK))

    def receive_nowait(self) -> bytes | None:
        """Return what has come; ``None`` if nothing has, or that cannot be known.

        Raises:
          trio.BrokenResourceError: the client is gone.
        """
        if self._socket is None:
            return None
        try:
            return os.read(self._socket.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send(self, data: bytes) -> None:
        """Send *data*, in time.

        Raises:
          trio.TooSlowError: the client does not read.
          trio.BrokenResourceError: it is gone.
        """
        sent = 0
        if self._socket is not None:
            try:
                sent = os.write(self._socket.fileno(), data)
            except BlockingIOError:
                pass
            except OSError as error:
                raise trio.BrokenResourceError from error
        if sent < len(data):
            await send_in_pieces(self._stream, data[sent:])
