"""The far end of an IRC connection, line by line: a server or a person, as a test likes."""

import trio

from trio_finger.protocol.irc import LineSplitter


class Lines:
    """Says and hears whole lines over *stream*."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._splitter = LineSplitter()

    async def say(self, *lines: str) -> None:
        """Send *lines*, all at once."""
        await self.stream.send_all("".join(f"{line}\r\n" for line in lines).encode())

    async def hear(self) -> str | None:
        """Wait for the next line; ``None`` when there will be none."""
        while (line := self._splitter.next_line()) is None:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._splitter.feed(data)
        return line.decode()

    async def hear_until(self, what: str) -> str:
        """Wait for a line that holds *what*; PINGs on the way are answered."""
        while (line := await self.hear()) is not None:
            if line.startswith("PING "):
                await self.say(line.replace("PING", "PONG", 1))
            if what in line:
                return line
        raise EOFError(f"the other side left before it said {what!r}")
