"""The questions that wait for their answers."""

import trio

from trio_finger.protocol.irc_session import PrivateMessage


class Questions:
    """A queue of at most *size* questions; those that come when it is full are dropped."""

    def __init__(self, size: int) -> None:
        self._send, self._receive = trio.open_memory_channel[PrivateMessage](size)
        self._dropped = 0

    def put(self, question: PrivateMessage) -> None:
        """Append *question*, or drop it."""
        try:
            self._send.send_nowait(question)
        except trio.WouldBlock:
            self._dropped += 1

    async def get(self) -> PrivateMessage:
        """Wait for the next question, and take it."""
        return await self._receive.receive()

    def take_dropped(self) -> int:
        """Return how many were dropped since the last time."""
        dropped, self._dropped = self._dropped, 0
        return dropped
