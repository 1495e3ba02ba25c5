"""A session and the stream to its server: everything that can go wrong becomes `LostError`.

Whatever waits for the server has a deadline here, so a server that says nothing, takes
nothing or never lets us in is found out.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import trio

from trio_finger.net import connect_error
from trio_finger.protocol.address import Address
from trio_finger.protocol.irc_session import Closed, IrcSession, PrivateMessage, Registered

Connect = Callable[[str, int], Awaitable[trio.abc.Stream]]

# All in seconds.
CONNECT_WITHIN = 15
REGISTER_WITHIN = 30
SEND_WITHIN = 30
# Servers send a PING every two minutes or so. After this much silence we send one, and
# after as much again the server is gone, or the way to it.
SILENCE = 150
QUIT_WITHIN = 1

_CHUNK = 4096  # bytes; what is in them is handled in one go


class LostError(Exception):
    """There is no connection any more, or never was; ``str()`` of it says why."""


@contextmanager
def _lost_after(seconds: float, why: str) -> Iterator[None]:
    """Raise `LostError` if the block takes more than *seconds*, or the stream breaks in it."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise LostError(f"{why} within {seconds} s") from None
    except OSError as error:
        raise LostError(connect_error(error)) from error
    except trio.BrokenResourceError as error:
        raise LostError(str(error)) from error


@asynccontextmanager
async def open_connection(
    connect: Connect, server: Address, nick: str
) -> AsyncIterator["Connection"]:
    """Connect to *server* and be let in, for the length of an ``async with``.

    At the end the bot takes leave of the server, for which it waits a second at most,
    cancelled or not.

    Args:
      connect: opens a stream to a host and a port.
      server: where to.
      nick: what to be called.

    Raises:
      LostError: there is nobody, or they do not let us in.
    """
    with _lost_after(CONNECT_WITHIN, "no connection"):
        stream = await connect(server.host, server.port)
    async with stream:
        connection = Connection(stream, IrcSession(nick))
        try:
            with _lost_after(REGISTER_WITHIN, "no welcome"):
                await connection.register()
            yield connection
        finally:
            with trio.move_on_after(QUIT_WITHIN, shield=True), suppress(LostError):
                await connection.quit()


class Connection:
    """Drives *session* over *stream*."""

    def __init__(self, stream: trio.abc.Stream, session: IrcSession) -> None:
        self._stream = stream
        self._session = session
        # Answers and PONGs come from different tasks; a stream takes one at a time.
        self._sending = trio.Lock()

    @property
    def nick(self) -> str:
        """What the server calls us."""
        return self._session.nick

    async def register(self) -> None:
        """Wait until the server lets us in.

        Raises:
          LostError: it does not.
        """
        while not isinstance(await self._next_event(), Registered):
            pass

    async def receive(self) -> PrivateMessage:
        """Wait for the next private message.

        Raises:
          LostError: there will be none.
        """
        while True:
            event = await self._next_event()
            if isinstance(event, PrivateMessage):
                return event

    async def send_text(self, to: str, text: str) -> None:
        """Send *text*, which is one piece of `split_text`, to the person *to*.

        Raises:
          LostError: it cannot be sent any more.
        """
        self._session.send_text(to, text)
        await self._send()

    def split_text(self, to: str, text: str) -> Iterator[str]:
        """Cut *text* into pieces, each of which fits one message to *to*."""
        return self._session.split_text(to, text)

    async def quit(self) -> None:
        """Take leave, and wait for the server to close the connection upon that.

        To close it ourselves while something is unread would reset it, and the server
        may lose the QUIT to that.

        Raises:
          LostError: there was nobody to take leave of.
        """
        self._session.send_quit("bye")
        await self._send()
        while await self._receive_some():
            pass

    async def _next_event(self) -> Registered | PrivateMessage:
        while (event := self._session.next_event()) is None:
            await self._send()
            self._session.receive_data(await self._receive_some())
        if isinstance(event, Closed):
            raise LostError(event.reason)
        return event

    async def _receive_some(self) -> bytes | bytearray:
        with _lost_after(2 * SILENCE, "no sign of life"):
            with trio.move_on_after(SILENCE):
                return await self._stream.receive_some(_CHUNK)
            self._session.send_ping()
            await self._send()
            return await self._stream.receive_some(_CHUNK)

    async def _send(self) -> None:
        async with self._sending:
            if data := self._session.data_to_send():
                with _lost_after(SEND_WITHIN, "nothing could be sent"):
                    await self._stream.send_all(data)
