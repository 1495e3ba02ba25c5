"""A stream to a live door, which notices what trio-websocket does not.

Two things, both by looking at what comes:

- A server that is asked for a WebSocket may say no, or hang up. trio-websocket reads a
  refusal to its end, however long that is, and where the connection ends instead it waits
  on for an answer. Here the first lines of the answer are enough.
- A server may go away without a word, as a laptop does that is shut. When nothing has come
  for a while it is asked for a sign of life (a PING), and when none comes either it is gone.
"""

import re
from typing import TYPE_CHECKING, Final

import trio

from trio_finger.client._watch_errors import LostError

if TYPE_CHECKING:
    from collections.abc import Callable

# All in seconds.
SILENCE: Final = 30  # after which we ask
ANSWER_WITHIN: Final = 10
SEND_WITHIN: Final = 10

_HTTP: Final = b"HTTP/1."
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})")
_SWITCHING: Final = 101  # protocols, that is to WebSocket
_LOCATION: Final = re.compile(rb"\r?\nlocation:[ \t]*([^\r\n]*)", re.IGNORECASE)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class RejectedError(Exception):
    """The server answered, but not with a WebSocket.

    Attributes:
      status: the status code of HTTP.
      location: where the server says that it is instead, if it says so.
    """

    def __init__(self, status: int, location: str = "") -> None:
        super().__init__(status, location)
        self.status = status
        self.location = location


class WatchedStream(trio.abc.Stream):
    """A stream around *stream*, for trio-websocket.

    Attributes:
      fault: why the connection was given up, if we did that.
      on_silence: is to send something that the server answers.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.fault = ""
        self.on_silence: Callable[[], None] = _do_nothing
        self._stream = stream
        self._opened = False
        self._head = bytearray()  # some 16 KiB at most: h11 gives up then

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return what comes next.

        Raises:
          trio.BrokenResourceError: nothing came, not even when the server was asked.
          LostError: there is no answer to the request.
          RejectedError: there is one, and it is no WebSocket.
        """
        if not self._opened:
            return await self._receive_answer(max_bytes)
        with trio.move_on_after(SILENCE):
            return await self._stream.receive_some(max_bytes)
        self.on_silence()
        with trio.move_on_after(ANSWER_WITHIN):
            return await self._stream.receive_some(max_bytes)
        self.fault = f"no sign of life for {SILENCE + ANSWER_WITHIN} s"
        raise trio.BrokenResourceError(self.fault)

    async def _receive_answer(self, max_bytes: int | None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            raise LostError("the connection broke before there was an answer") from None
        self._head += data
        if not self._head.startswith(_HTTP[: len(self._head)]):
            raise LostError("the server speaks something else than HTTP there")
        status = _STATUS.match(self._head)
        if status and (not data or _HEAD_END.search(self._head)):
            if int(status[1]) != _SWITCHING:
                location = _LOCATION.search(self._head)
                words = location[1].decode("utf-8", "replace") if location else ""
                raise RejectedError(int(status[1]), words)
            self._opened = True
        if not data:
            raise LostError("the connection was closed without an answer")
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; a server that does not take it in time is gone."""
        with trio.move_on_after(SEND_WITHIN):
            await self._stream.send_all(data)
            return
        self.fault = "the server does not read what it is sent"
        raise trio.BrokenResourceError(self.fault)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until `send_all` might not block."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


def _do_nothing() -> None:
    pass
