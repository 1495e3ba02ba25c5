"""The users file as TOML: one table a user, ``[moshez]``, and every key in it optional.

What is wrong in one table shall spoil no other, so the file is parsed in pieces. One
begins at every line that begins with ``[``; before the first of those, every line is one.
A piece that ends too early was cut inside a text or a list of several lines, and is tried
again with what follows.

A table with any fault in it is skipped, and its name stays taken: whoever is not shown
because of ``hiden = true`` must not be shown by a second table either.
"""

import re
import tomllib
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import repeat
from typing import Any

from trio_finger.protocol.text import fold
from trio_finger.protocol.users_file import Entry, LineFault
from trio_finger.protocol.users_toml._outline import KEY, LONG_ENDS, Outline, find_outline, split
from trio_finger.protocol.users_toml._table import read_table
from trio_finger.protocol.users_toml._values import show

# What one table may cost. The longest plan fits in, even if much of it is escaped.
_MAX_PIECE = 256 * 1024  # bytes
_MAX_TRIES = 20  # at one piece, each with more of what follows it
_MAX_WORK = 1024 * 1024  # bytes, in all these tries
_TURN = 1024  # bytes; to parse so many takes about as long as to parse a short table

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BRACKET = rb"(?:\xef\xbb\xbf)?[ \t]*+\["
_TABLE = re.compile(_BRACKET)
_NEXT_TABLE = re.compile(rb"\n(?=%b)" % _BRACKET)
_NEXT_LINE = re.compile(rb"\n(?:[ \t\r]*+\n){0,200}+")  # many blank lines are one
_WHOLE_KEY = re.compile(
    rb"[ \t]*+(?:\[[ \t]*(%b)[ \t]*\][ \t]*(?:#.*)?\r?$|(%b)[ \t]*=[ \t]*\{)" % (KEY, KEY), re.M
)
_UNQUOTED = re.compile(rb"[ \t]*+\[[ \t]*+([^\[\]\"'\n]++)\][ \t\r]*+(?:#|$)", re.M)
# In tomllib, the cost of a key grows with the square of the dots in it.
_MANY_DOTS = re.compile(
    rb"(?:^|[{,])[ \t]*+(?:\[{1,2}+[ \t]*+)?(?:%b[ \t]*+\.[ \t]*+){32}" % KEY, re.M
)


class _NotTomlError(Exception):
    """A piece that does not parse; ``str()`` of it says why.

    Attributes:
      line: which of its lines is wrong, from 0.
      cut: whether it ends too early, and nothing else in it is known to be wrong.
      end: what would end the text or the list that it leaves open, if it does.
    """

    def __init__(self, words: str, line: int = 0, *, cut: bool = False, end: bytes = b"") -> None:
        super().__init__(words)
        self.line = line
        self.cut = cut
        self.end = end


def parse_users_toml(data: bytes) -> Iterator[Entry | LineFault | None]:
    """Parse a users file in TOML, as `parse_users` does one of lines.

    Every piece yields something, ``None`` if it says nothing, and a long one ``None``
    several times besides, so that whoever takes turns with others can count them.
    """
    taken: dict[str, int] = {}
    begin = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    line = 1
    while begin < len(data):
        end = yield from _parse_piece(data, begin, line, taken)
        line += data.count(b"\n", begin, end)
        begin = end


def _parse_piece(
    data: bytes, begin: int, line: int, taken: dict[str, int]
) -> Generator[Entry | LineFault | None, None, int]:
    """Parse the piece that begins at *begin*; return where the next one does."""
    limit = begin + _MAX_PIECE
    end = first_end = _next_piece(data, begin, begin)
    failed: list[tuple[_NotTomlError, int]] = []  # with the end of what was tried
    work = 0
    while len(failed) < _MAX_TRIES and work < _MAX_WORK:
        work += end - begin
        yield from repeat(None, (min(end, limit) - begin) // _TURN)
        try:
            document = _load(data, begin, end)
        except _NotTomlError as error:
            failed.append((error, end))
            at = _find_end(data, error.end, end, limit) if error.cut else -1
            if at < 0:
                break
            end = _next_piece(data, begin, at)
        else:
            yield from read_table(data[begin:end], document, line, taken) if document else [None]
            return end

    if key := _WHOLE_KEY.match(data, begin, first_end):
        with suppress(ValueError):
            taken.setdefault(fold(split(key[1] or key[2])[0]), line)
    # A text that was cut had an end further on, so what is wrong was found behind it; if it
    # had none anywhere, the least that it can be is believed.
    whole = (found for found in failed if not (found[0].cut and found[0].end in LONG_ENDS))
    fault, end = next(whole, failed[0])
    if fault.end in LONG_ENDS and (at := _find_end(data, fault.end, end, limit)) >= 0:
        # What follows until there is the rest of a text, and nobody's table.
        end = _next_piece(data, begin, at)
    yield LineFault(line + fault.line, str(fault))
    return end


def _next_piece(data: bytes, begin: int, after: int) -> int:
    """Return where, after *after*, the piece that begins at *begin* may end."""
    found = (_NEXT_TABLE if _TABLE.match(data, begin) else _NEXT_LINE).search(data, after)
    return found.end() if found else len(data)


def _find_end(data: bytes, mark: bytes, begin: int, limit: int) -> int:
    """Return where *mark* ends what was left open; -1 if it does not, or there is none."""
    at = data.find(mark, begin, limit) if mark else -1
    if at >= 0 and data[max(begin, at - 100) : at].rstrip(b" \t").endswith(b"="):
        return -1  # the text of another key begins there: it was forgotten to end this one
    return at


def _load(data: bytes, begin: int, end: int) -> dict[str, Any]:
    """Parse a piece as TOML.

    Raises:
      _NotTomlError: it is something else, or would cost too much.
    """
    if end - begin > _MAX_PIECE:
        raise _NotTomlError(f"this table is longer than {_MAX_PIECE >> 10} KiB")
    piece = data[begin:end]
    if piece.count(b".") >= 32 and (dots := _MANY_DOTS.search(piece)):
        raise _NotTomlError("too many dots in a key", piece.count(b"\n", 0, dots.end()))
    try:
        return tomllib.loads(piece.decode())
    except UnicodeDecodeError as error:
        words, line, cut = "not UTF-8 text", piece.count(b"\n", 0, error.start), False
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).rpartition(" (at ")
        found = re.match(r"line (\d+)", place)
        words, line, cut = f"not TOML: {show(said)}", int(found[1]) - 1 if found else 0, not found
        if found and line == 0 and (name := _UNQUOTED.match(piece)):
            words = f'not TOML: this name needs quotes: ["{show(name[1].decode().strip())}"]'
    except (ValueError, RecursionError):
        words, line, cut = "not TOML: a number too long, or brackets too deep", 0, False
    outline = Outline()
    if cut or "overwrite" in words or b'"""' in piece or b"'''" in piece:
        outline = find_outline(piece)
    if "overwrite" in words:  # known where the value ends
        words = "the same key twice"
        line = max(number for number, _ in outline.statements if number <= line)
    elif cut:
        line, mark = outline.unended or (piece.rstrip().count(b"\n"), "")
        words = f"what begins here has no {mark} at its end" if mark else words
    raise _NotTomlError(words, line, cut=cut, end=outline.end)
