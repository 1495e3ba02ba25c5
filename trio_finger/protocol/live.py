"""What followers of the live feed are told, in the form of each door.

One change is one JSON object. Over a WebSocket it is one message (RFC 6455), and among
server-sent events (the HTML standard, 9.2) it is one event. Whatever is told is put into bytes
once, however many follow.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from trio_finger.protocol.text import fold

# Bytes of messages that are told at once, and so the most that is kept of a message for
# one who could not take all of it. There may be one message more.
MAX_BATCH: Final = 32 * 1024

# Opcodes, with the bit that says that nothing of the message follows (RFC 6455, 5.2).
_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A

PING: Final = bytes((_PING, 0))
COMMENT: Final = b":\n\n"  # an event that is none

# How a connection ends (RFC 6455, 7.4.1, and the registry of IANA that goes on from there).
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
TRY_AGAIN_LATER: Final = 1013


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell.

    Attributes:
      number: of the change; of a hello, how far its reader is with that.
      key: the folded name of the user that it is about; empty if it is about nobody.
      frame: all of it as a WebSocket message.
      event: the same as a server-sent event.
    """

    number: int
    key: str
    frame: bytes
    event: bytes


class Batch:
    """Messages that are told at once.

    Args:
      messages: one at least; those that are about users are in the order of their numbers.

    Attributes:
      messages: the same.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages

    def __len__(self) -> int:
        return len(self.messages)

    @cached_property
    def frames(self) -> bytes:
        """All of it for a WebSocket."""
        return b"".join(message.frame for message in self.messages)

    @cached_property
    def events(self) -> bytes:
        """All of it as server-sent events."""
        return b"".join(message.event for message in self.messages)

    def only(self, after: int, keys: Collection[str] | None) -> "Batch | None":
        """Return what is news for somebody; ``None`` if nothing is.

        Args:
          after: the number of the change that they have heard of last.
          keys: whom they follow, folded; ``None`` for everybody.
        """
        if keys is None and self.messages[0].number > after:
            return self
        news = [
            message
            for message in self.messages
            if message.number > after and (keys is None or message.key in keys)
        ]
        return Batch(news) if news else None


def split(messages: Iterable[Message]) -> Iterator[Batch]:
    """Yield *messages* in batches, none of them larger than `MAX_BATCH` by a whole message."""
    taken: list[Message] = []
    size = 0
    for message in messages:
        taken.append(message)
        size += len(message.event)
        if size >= MAX_BATCH:
            yield Batch(taken)
            taken, size = [], 0
    if taken:
        yield Batch(taken)


def make_hello(number: int, *, missed: bool) -> Message:
    """Make what is said first, and again to whoever could not be told everything.

    Args:
      number: of the last change that the follower knows of, or need not hear of.
      missed: whether there were changes that the follower should have heard of.
    """
    values = {"type": "hello", "server": "trio-finger", "id": str(number), "missed": missed}
    return _make(number, "", values)


def make_status(number: int, name: str, text: str, since: str, until: str | None) -> Message:
    """Make what is said of a status that holds from now on; the times are in ISO 8601."""
    return _make(
        number,
        name,
        {
            "type": "status",
            "id": str(number),
            "name": name,
            "status": text,
            "since": since,
            "until": until,
        },
    )


def make_gone(number: int, name: str) -> Message:
    """Make what is said of a user who is there no more."""
    return _make(number, name, {"type": "gone", "id": str(number), "name": name})


def format_close(code: int | None = None, reason: str = "") -> bytes:
    """Write the end of a WebSocket; without a *code* it says nothing more.

    Args:
      code: how it ends.
      reason: why, in a few words.
    """
    return _frame(_CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason.encode())


def format_pong(payload: bytes) -> bytes:
    """Write the answer to a ping that holds *payload*."""
    return _frame(_PONG, payload)


def _make(number: int, name: str, values: dict[str, object]) -> Message:
    data = json.dumps(values, ensure_ascii=False).encode()
    # JSON is one line: whatever would end it stands there as an escape.
    event = f"id: {number}\nevent: {values['type']}\ndata: ".encode() + data + b"\n\n"
    return Message(number, fold(name), _frame(_TEXT, data), event)


def _frame(opcode: int, payload: bytes) -> bytes:
    """Write a frame; those of a server are not masked (RFC 6455, 5.1 and 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 2**16:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + payload
