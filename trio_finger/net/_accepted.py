"""A connection as it was accepted: where it comes from, and what was read of it already."""

from collections.abc import Callable

import trio

from trio_finger.protocol.address import Address


def _nothing() -> None: ...


class AcceptedStream(trio.abc.HalfCloseableStream):
    """A connection that somebody has looked at before its handler does.

    Args:
      stream: the connection itself.
      source: who is at its other end, unless it is a UNIX socket.
      received: what has been read from it, which is what is received first.
      unsent: the rest of an answer, perhaps nothing, if there has been one.
      on_close: is called once, when it is closed.

    Attributes:
      stream: the same.
      source: the same; a proxy may know better, and then it is whom that names.
      unsent: the same.
      since: when it was accepted, by Trio's clock.
    """

    __slots__ = ("_on_close", "_received", "since", "source", "stream", "unsent")

    def __init__(
        self,
        stream: trio.SocketStream,
        *,
        source: Address | None = None,
        received: bytes = b"",
        unsent: bytes | None = None,
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        self.stream = stream
        self.source = source
        self.unsent = unsent
        self.since = trio.current_time()
        self._received = received
        self._on_close = on_close

    @property
    def has_received(self) -> bool:
        """Whether something has been read that was not received yet."""
        return bool(self._received)

    def put_back(self, data: bytes) -> None:
        """Have *data* received again, before anything else."""
        self._received = data + self._received

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive what was read already, and then what comes."""
        if not self._received:
            return await self.stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        end = len(self._received) if max_bytes is None else max_bytes
        data, self._received = self._received[:end], self._received[end:]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of *data*."""
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending might not wait."""
        await self.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await self.stream.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        on_close, self._on_close = self._on_close, _nothing
        on_close()
        await self.stream.aclose()
