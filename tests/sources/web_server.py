"""A web site on a raw socket, which answers as nobody should."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

Stream = trio.abc.Stream
Answer = bytes | Callable[[Stream], Awaitable[None]]


@dataclass
class Site:
    """A web site that is up.

    Attributes:
      port: where, on 127.0.0.1.
      scheme: how it is spoken to.
      accepted: how many connections there were.
      open: how many there are.
      questions: all that was asked, from the first byte to the blank line.
    """

    port: int
    scheme: str
    accepted: int = 0
    open: int = 0
    questions: list[bytes] = field(default_factory=list)
    _news: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def becomes(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds."""
        while not condition():
            await self._news.wait()

    def tell(self) -> None:
        """Have those look again who wait."""
        self._news.set()
        self._news = trio.Event()


def ok(body: bytes, *headers: bytes) -> bytes:
    """Return an answer as it should be, with more headers."""
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 200 OK", length, *headers, b"", body])


def status(line: bytes, *headers: bytes) -> bytes:
    """Return an answer of another status, without a body."""
    return b"\r\n".join([b"HTTP/1.1 " + line, b"Content-Length: 0", *headers, b"", b""])


async def hang_up(stream: Stream) -> None:
    """Close the connection at once."""
    await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """Serve for the length of an ``async with``.

    The first question gets the first of *answers*, whatever connection it comes through; the
    last of them is for all that come then. Connections are kept, unless an answer closes one.
    """

    async def handle(socket: trio.SocketStream) -> None:
        site.accepted += 1
        site.open += 1
        stream: Stream = socket
        try:
            if tls is not None:
                stream = trio.SSLStream(socket, tls, server_side=True, https_compatible=True)
            await converse(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            socket.socket.close()
            site.open -= 1
            site.tell()

    async def converse(stream: Stream) -> None:
        asked = b""
        while data := await stream.receive_some():
            asked += data
            if not asked.endswith(b"\r\n\r\n"):
                continue
            site.questions.append(asked)
            asked = b""
            site.tell()
            answer = answers[min(len(site.questions), len(answers)) - 1]
            if isinstance(answer, bytes):
                await stream.send_all(answer)
            else:
                await answer(stream)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    site = Site(listener.socket.getsockname()[1], "http" if tls is None else "https")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, [listener])
        yield site
        nursery.cancel_scope.cancel()
