"""What a live door says: one JSON object a message.

The server may be anybody, so a message is believed no further than it was looked at.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from trio_finger.protocol.text import TextError, parse_name

MAX_MESSAGE: Final = 64 * 1024  # characters; the longest of ours has some 8 thousand

# Microseconds since 1970, in the time up to the year 9999, in which a date can be had of them.
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_MAX_NUMBER: Final = 253_370_764_800_000_000


class MessageError(ValueError):
    """A message that says nothing to us; ``str()`` of it says why."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of every connection, and one that may come again.

    Attributes:
      number: at first, of the newest change that need not be told; later, of the change up to
        which everything has been.
      missed: whether changes are lost, of those that were asked for.
    """

    number: int
    missed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody's new status.

    Attributes:
      number: microseconds since 1970, by the server's clock; each change has a greater one.
      name: whose it is.
      text: the status, as a stranger wrote it, empty for none; ``None`` if the user is there
        no more.
      json: the whole message on one line, in ASCII.
    """

    number: int
    name: str
    text: str | None
    json: str


def parse_message(data: str | bytes) -> Hello | Change:
    """Parse one message.

    Raises:
      MessageError: it is something else.
    """
    if isinstance(data, bytes):
        raise MessageError("it is not text")
    if len(data) > MAX_MESSAGE:
        raise MessageError(f"it is longer than {MAX_MESSAGE >> 10} KiB")
    message, line = _parse_object(data)
    match message.get("type"):
        case "hello":
            missed = message.get("missed", False)
            if not isinstance(missed, bool):
                raise MessageError('its "missed" is neither true nor false')
            return Hello(_parse_number(message), missed)
        case "status":
            text = message.get("status")
            if not isinstance(text, str):
                raise MessageError("it has no status")
            return Change(_parse_number(message), _parse_name(message), text, line)
        case "gone":
            return Change(_parse_number(message), _parse_name(message), None, line)
    raise MessageError("it is of no type that is known here")


def _parse_object(data: str) -> tuple[dict[str, Any], str]:
    """Return the object that *data* is, and the line that says the same."""
    try:
        message = json.loads(data, parse_constant=_refuse)
        # ASCII does nothing to a terminal, and JSON of it has no end of a line.
        line = json.dumps(message, allow_nan=False)
    except (ValueError, RecursionError):
        raise MessageError("it is not JSON") from None
    if not isinstance(message, dict):
        raise MessageError("it is no object")
    return message, line


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and its like, which JSON does not have


def _parse_number(message: dict[str, Any]) -> int:
    text = message.get("id")
    if not isinstance(text, str) or not _NUMBER.fullmatch(text) or int(text) > _MAX_NUMBER:
        raise MessageError("it has no id")
    return int(text)


def _parse_name(message: dict[str, Any]) -> str:
    name = message.get("name")
    if not isinstance(name, str):
        raise MessageError("it has no name")
    try:
        return parse_name(name)
    except TextError as error:
        raise MessageError(str(error)) from None
