"""The live feed over a WebSocket (RFC 6455): the handshake, and what a follower may say.

A follower only listens, so of what one says nothing counts but pings, and the end. wsproto
reads it; what we write is few and fixed frames, which `trio_finger.protocol.live` makes.
"""

import base64
import binascii
from typing import ClassVar, Final

import trio
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import generate_accept_token

from trio_finger.protocol.live import (
    PING,
    POLICY_VIOLATION,
    TOO_BIG,
    Batch,
    format_close,
    format_pong,
    make_hello,
)
from trio_finger.services.web._answer import Answer, plain
from trio_finger.services.web._head import Head
from trio_finger.services.web._live_follower import Follower

_VERSION: Final = "13"
_KEY_BYTES: Final = 16

_PING_SECONDS: Final = 30
_PONG_SECONDS: Final = 30  # until a ping has to be answered

# What a follower may say: nobody needs it, so it is nothing that could keep us busy.
_MAX_MESSAGE: Final = 4 * 1024  # bytes, or characters
_MAX_SAID: Final = 16 * 1024  # bytes from one ping to the next
_CHUNK: Final = 4 * 1024


def shake_hands(head: Head) -> bytes | Answer:
    """Return what agrees to the WebSocket that is asked for, or the answer that refuses it."""
    headers = head.headers
    if "websocket" not in _words(headers.get("upgrade", "")) or (
        "upgrade" not in _words(headers.get("connection", ""))
    ):
        line = "This is a WebSocket. Without one, /live.sse tells the same."
        return plain(line, 426, ("upgrade", "websocket"), ("connection", "Upgrade, close"))
    if headers.get("sec-websocket-version") != _VERSION:
        version = ("sec-websocket-version", _VERSION)
        close = ("connection", "Upgrade, close")
        line = "Only version 13 of WebSocket is spoken here."
        return plain(line, 426, ("upgrade", "websocket"), version, close)
    key = headers.get("sec-websocket-key", "")
    if not _is_key(key):
        line = "A WebSocket takes a Sec-WebSocket-Key of 16 bytes."
        return plain(line, 400, ("connection", "close"))
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % generate_accept_token(key.encode())
    )


class WebSocket(Follower):
    """One who follows over a WebSocket."""

    code: ClassVar[int] = 101
    beat_seconds: ClassVar[float] = _PING_SECONDS
    sign_of_life: ClassVar[bytes] = PING
    is_answered: ClassVar[bool] = True

    _said = 0  # bytes since the last ping
    _size = 0  # of the message that is coming
    _is_closed = False  # nothing more is to be heard

    def form(self, batch: Batch) -> bytes:
        """Return *batch* as frames."""
        return batch.frames

    def last_words(self, code: int | None, reason: str) -> bytes:
        """Return a frame that ends it."""
        return format_close(code, reason)

    def beat(self, number: int) -> None:
        """Send a ping, after which the follower may say something again."""
        self._said = 0
        super().beat(number)

    def progress(self, number: int) -> bytes:
        """Return a hello."""
        return make_hello(number, missed=False).frame

    async def listen(self) -> None:
        """Answer pings and the end, and bear with the rest within bounds.

        Raises:
          trio.TooSlowError: nothing comes, not even what answers a ping.
        """
        frames = Frames(ConnectionType.SERVER)
        while not self._is_closed:
            with trio.fail_after(_PING_SECONDS + _PONG_SECONDS):
                data = await self.stream.receive_some(_CHUNK)
            if not data:
                return
            self._said += len(data)
            if self._said > _MAX_SAID:
                self._send_away(POLICY_VIOLATION, "nobody listens")
                break
            frames.receive_data(bytes(data))
            for event in frames.events():
                self._hear(event, frames)

    def _hear(self, event: Event, frames: Frames) -> None:
        match event:
            case Ping(payload):
                self.say(format_pong(bytes(payload)))
            case CloseConnection(code) if frames.state is ConnectionState.OPEN:
                self._send_away(code, "no WebSocket")  # wsproto says so, and not the client
            case CloseConnection(code):
                self._is_closed = True
                self.end(None if code == CloseReason.NO_STATUS_RCVD else code)
            case Message():
                self._size += len(event.data)
                if self._size > _MAX_MESSAGE:
                    self._send_away(TOO_BIG, "nobody listens")
                if event.message_finished:
                    self._size = 0

    def _send_away(self, code: int, reason: str) -> None:
        self._is_closed = self.lingers = True
        self.end(code, reason)


def _words(value: str) -> set[str]:
    """Return what is in a header that is a list."""
    return {word.strip() for word in value.lower().split(",")}


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
