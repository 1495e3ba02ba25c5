"""The users file: lines ``name: status``, as in the tutorial.

Blank lines and lines that begin with ``#`` say nothing. A line that says something
wrong is a fault, is told apart from the others, and spoils none of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import TextError, decode, fold, parse_name, parse_status

_MAX_LINE = 8192  # bytes; a name, a status and some room
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a users file says of one user; every text is clean.

    Attributes:
      name: who it is.
      status: one line; a file in TOML may leave it empty.
      profile: what changes rarely, if there is any: lines say nothing of it.
    """

    name: str
    status: str
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that was skipped.

    Attributes:
      line: its number, from 1.
      words: what is wrong, and what would be right.
    """

    line: int
    words: str


def parse_users(data: bytes) -> Iterator[Entry | LineFault | None]:
    """Parse a users file; lines end in LF, CRLF or CR.

    Every line yields something, ``None`` if it says nothing, so that whoever takes
    turns with others can count them.
    """
    first: dict[str, int] = {}
    begin = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    for number, line in enumerate(_LINE.finditer(data, begin), start=1):
        try:
            entry = _parse_line(line[1])
        except TextError as error:
            yield LineFault(number, str(error))
            continue
        if entry is None:
            yield None
            continue
        seen = first.setdefault(fold(entry.name), number)
        if seen != number:
            yield LineFault(number, f"{entry.name} is on line {seen} already")
        else:
            yield entry


def format_entry(entry: Entry) -> bytes:
    """Write the name and the status of *entry* as `parse_users` reads them, LF at the end."""
    return f"{entry.name}: {entry.status}\n".encode()


def _parse_line(line: bytes) -> Entry | None:
    if len(line) > _MAX_LINE:
        raise TextError(f"the line is longer than {_MAX_LINE} bytes")
    text = decode(line).strip()
    if not text or text.startswith("#"):
        return None
    name, colon, status = text.partition(":")
    if not colon:
        raise TextError('expected "name: status", found no colon')
    return Entry(parse_name(name.rstrip()), parse_status(status))
