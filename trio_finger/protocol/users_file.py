"""The users file: lines ``name: status``, as in the tutorial.

Blank lines and lines that begin with ``#`` say nothing. A line that says something
wrong is a fault, is told apart from the others, and spoils none of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import TextError, decode, fold, parse_name, parse_status

_MAX_LINE: Final = 8192  # bytes; a name, a status and some room
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# What nearly all lines are, and there may be millions: ASCII, without any character that a
# name or a status could not hold, and so without anything to clean or to refuse. Whatever
# is not quite like this is looked at with care.
_PLAIN: Final = re.compile(
    rb"([^\x00-\x20#.@/:!,\x7f-\xff][^\x00-\x20@/:!,\x7f-\xff]{0,63})"
    rb":[ ]?([\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?)(?:\n|\r\n?|\Z)"
)
_LINE: Final = re.compile(rb"([^\r\n]*)(?:\r\n|\r|\n|\Z)")
_PLAIN_OR_LINE: Final = re.compile(b"%b|%b" % (_PLAIN.pattern, _LINE.pattern))

# A line that is not plain takes about as long as a plain one for every so many bytes.
_TURN: Final = 16


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


def find_users(data: bytes) -> Iterator[tuple[int, int, str] | LineFault | None]:
    """Go through a users file, whose lines end in LF, CRLF or CR, to see whom it names.

    Somebody who is named a second time is found a second time, too: to know of that, one
    has to know everybody, and where to keep that is another's to decide.

    Yields:
      For a user, where their line begins, its number from 1, and the name; `read_user` tells
      the rest. For a line that says nothing, ``None``; and more of these before a line that
      takes longer, so that whoever takes turns with others can count what is yielded.
    """
    begin = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    for number, found in enumerate(_PLAIN_OR_LINE.finditer(data, begin), start=1):
        name, _, line = found.groups()
        if line is None:
            yield found.start(), number, name.decode()
            continue
        yield from repeat(None, 1 + min(len(line), _MAX_LINE) // _TURN)
        try:
            entry = _parse_line(line)
        except TextError as error:
            yield LineFault(number, str(error))
        else:
            if entry is not None:
                yield found.start(), number, entry.name


def read_user(data: bytes, begin: int) -> tuple[str, bytes]:
    """Return the name on the line at *begin*, where `find_users` found a user, and the status.

    The status is UTF-8, for whoever keeps it as that.
    """
    if plain := _PLAIN.match(data, begin):
        name, status = plain.groups()
        return name.decode(), status
    line = _LINE.match(data, begin)
    entry = _parse_line(line[1]) if line else None
    assert entry is not None
    return entry.name, entry.status.encode()


def named_twice(name: str, line: int, first: int) -> LineFault:
    """Return what is wrong with a line for *name* if there is one already."""
    return LineFault(line, f"{name} is on line {first} already")


def parse_users(data: bytes) -> Iterator[Entry | LineFault | None]:
    """Parse a whole users file; lines that say nothing yield ``None``, long ones several."""
    first: dict[str, int] = {}
    for found in find_users(data):
        if not isinstance(found, tuple):
            yield found
            continue
        begin, number, name = found
        seen = first.setdefault(fold(name), number)
        if seen != number:
            yield named_twice(name, number, seen)
        else:
            yield Entry(name, read_user(data, begin)[1].decode())


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
