"""The live feed as server-sent events (the HTML standard, 9.2).

The answer ends where the connection does: it never ends by itself, and so every browser,
program and proxy understands it, whatever version of HTTP it speaks.
"""

import socket
import time
from contextlib import suppress
from typing import ClassVar, Final
from wsgiref.handlers import format_date_time

from trio_finger.net import socket_of
from trio_finger.protocol.live import COMMENT, Batch
from trio_finger.services.web._answer import HEADERS
from trio_finger.services.web._live_follower import Follower

_COMMENT_SECONDS: Final = 15

# Milliseconds until a client that takes none of these is gone. It never says anything itself.
_GONE_AFTER: Final = 60_000

_MAX_SAID: Final = 4 * 1024  # bytes that a client may send after its request


def format_head() -> bytes:
    """Return the head of the answer."""
    lines = (
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("x-accel-buffering", "no"),  # nginx would wait until there is much to pass on
        ("date", format_date_time(time.time())),
        *HEADERS,
    )
    text = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"HTTP/1.1 200 \r\n{text}\r\n".encode("latin-1")


class EventStream(Follower):
    """One who follows by server-sent events."""

    code: ClassVar[int] = 200
    beat_seconds: ClassVar[float] = _COMMENT_SECONDS
    sign_of_life: ClassVar[bytes] = COMMENT
    is_answered: ClassVar[bool] = False

    def form(self, batch: Batch) -> bytes:
        """Return *batch* as events."""
        return batch.events

    def progress(self, number: int) -> bytes:
        """Return an event without data, which is none, but for its id."""
        return b"id: %d\n\n" % number

    def last_words(self, code: int | None, reason: str) -> bytes:
        """Return nothing: that the connection ends has to do."""
        return b""

    async def listen(self) -> None:
        """Wait until the client has gone, or says more than it should."""
        peer = socket_of(self.stream)
        if peer is not None:
            with suppress(AttributeError, OSError):  # not TCP, or elsewhere than on Linux
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _GONE_AFTER)
        left = _MAX_SAID
        while left > 0 and (data := await self.stream.receive_some(left)):
            left -= len(data)
