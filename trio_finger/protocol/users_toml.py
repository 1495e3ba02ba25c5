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
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import repeat
from typing import Any
from urllib.parse import urlsplit

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import (
    TextError,
    clean,
    escape,
    fold,
    is_safe,
    parse_name,
    parse_plan,
    parse_status,
)
from trio_finger.protocol.users_file import Entry, LineFault

MAX_TEXT = 256  # bytes of a full name, and of a project
MAX_LINK = 2048  # bytes
MAX_LINKS = 32

# What one table may cost. The longest plan fits in, even if much of it is escaped.
_MAX_PIECE = 256 * 1024  # bytes
_MAX_TRIES = 20  # at one piece, each with more of what follows it
_MAX_WORK = 1024 * 1024  # bytes, in all these tries
_MAX_FAULTS = 10  # named of one table
_TURN = 1024  # bytes; to parse so many takes about as long as to parse a short table

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BRACKET = rb"(?:\xef\xbb\xbf)?[ \t]*+\["
_TABLE = re.compile(_BRACKET)
_NEXT_TABLE = re.compile(rb"\n(?=%b)" % _BRACKET)
_NEXT_LINE = re.compile(rb"\n(?:[ \t\r]*+\n){0,200}+")  # many blank lines are one
_KEY = rb"""(?:[\w-]++|"(?:\\.|[^"\\\n])*+"|'[^'\n]*+')"""
_KEYS = re.compile(rb"[ \t]*+(\[{0,2})[ \t]*(%b(?:[ \t]*\.[ \t]*%b)*)" % (_KEY, _KEY))
_WHOLE_KEY = re.compile(
    rb"[ \t]*+(?:\[[ \t]*(%b)[ \t]*\][ \t]*(?:#.*)?\r?$|(%b)[ \t]*=[ \t]*\{)" % (_KEY, _KEY), re.M
)
_UNQUOTED = re.compile(rb"[ \t]*+\[[ \t]*+([^\[\]\"'\n]++)\][ \t\r]*+(?:#|$)", re.M)
# In tomllib, the cost of a key grows with the square of the dots in it.
_MANY_DOTS = re.compile(
    rb"(?:^|[{,])[ \t]*+(?:\[{1,2}+[ \t]*+)?(?:%b[ \t]*+\.[ \t]*+){32}" % _KEY, re.M
)
_TOKEN = re.compile(
    rb'"""(?:[^"\\]++|\\.?|"{1,2}(?!"))*+(?:"{3,5}|(?P<basic>\Z))'
    rb"|'''.*?(?:'{3,5}|(?P<literal>\Z))"
    rb'|"(?:\\[^\n]|[^"\\\n])*+(?:"|(?P<basic_line>))'
    rb"|'[^'\n]*+(?:'|(?P<literal_line>))"
    rb"|#[^\n]*|[^\n\"'#\[\]{}]+|.",
    re.S,
)
_ENDS = {"basic_line": b'"', "literal_line": b"'", "basic": b'"""', "literal": b"'''"}
_LONG_ENDS = (_ENDS["basic"], _ENDS["literal"])


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
    errors: list[_NotTomlError] = []
    work = 0
    while len(errors) < _MAX_TRIES and work < _MAX_WORK:
        work += end - begin
        yield from repeat(None, (min(end, limit) - begin) // _TURN)
        try:
            document = _load(data, begin, end)
        except _NotTomlError as error:
            errors.append(error)
            at = _find_end(data, error.end, end, limit) if error.cut else -1
            if at < 0:
                break
            end = _next_piece(data, begin, at)
        else:
            yield from _read(data[begin:end], document, line, taken) if document else [None]
            return end

    if key := _WHOLE_KEY.match(data, begin, first_end):
        with suppress(ValueError):
            taken.setdefault(fold(_split(key[1] or key[2])[0]), line)
    fault, end = errors[0], first_end
    if fault.end in _LONG_ENDS and (at := _find_end(data, fault.end, end, limit)) >= 0:
        # What follows until there is the rest of a text, and nobody's table.
        fault, end = errors[-1], _next_piece(data, begin, at)
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
        words, line, cut = f"not TOML: {_show(said)}", int(found[1]) - 1 if found else 0, not found
        if found and line == 0 and (name := _UNQUOTED.match(piece)):
            words = f'not TOML: this name needs quotes: ["{_show(name[1].decode().strip())}"]'
    except (ValueError, RecursionError):
        words, line, cut = "not TOML: a number too long, or brackets too deep", 0, False
    outline = _Outline()
    if cut or "overwrite" in words or b'"""' in piece or b"'''" in piece:
        outline = _outline(piece)
    if "overwrite" in words:  # known where the value ends
        words = "the same key twice"
        line = max(number for number, _ in outline.statements if number <= line)
    elif cut:
        line, mark = outline.unended or (piece.rstrip().count(b"\n"), "")
        words = f"what begins here has no {mark} at its end" if mark else words
    raise _NotTomlError(words, line, cut=cut, end=outline.end)


@dataclass(frozen=True, slots=True)
class _Outline:
    """What can be told of a piece without parsing it, of TOML as of what is none.

    Attributes:
      statements: the line, from 0, and the place where each begins.
      unended: the line where something begins that has no end, and what is missing.
      end: what would end the text of several lines, or the list, that is open at the end.
    """

    statements: Sequence[tuple[int, int]] = ()
    unended: tuple[int, str] | None = None
    end: bytes = b""


def _outline(piece: bytes) -> _Outline:
    """Go over *piece*. A text without an end on its line is taken to end there."""
    statements: list[tuple[int, int]] = []
    unended: tuple[int, str] | None = None
    line = depth = opened = 0
    fresh = True
    for token in _TOKEN.finditer(piece):
        mark, kind = token[0][:1], token.lastgroup
        if fresh:
            statements.append((line, token.start()))
        fresh = mark == b"\n" and not depth
        if kind is not None:
            unended = unended or (line, _ENDS[kind].decode())
            if _ENDS[kind] in _LONG_ENDS:
                return _Outline(statements, unended, _ENDS[kind])
        elif mark in b"[{":
            opened = opened if depth else line
            depth += 1
        elif mark in b"]}":
            depth = max(depth - 1, 0)
        line += token[0].count(b"\n")
    if depth and unended is None:
        return _Outline(statements, (opened, "]"), b"]")
    return _Outline(statements, unended)


def _read(
    piece: bytes, document: dict[str, Any], line: int, taken: dict[str, int]
) -> Iterator[Entry | LineFault]:
    """Read the one table or value that *piece*, parsed as *document*, holds."""
    [(name, table)] = document.items()
    opening = _KEYS.match(piece)
    assert opening is not None
    path = _split(opening[2]) if b"." in opening[2] else [name]
    shown = _show(".".join(path))
    if len(path) > 1 and (opening[1] or _holds_table(document, path)):
        right = f'["{shown}"]' if opening[1] else f'"{shown}"'
        yield LineFault(line, f"a name with a dot needs quotes: {right}")
        return
    if not isinstance(table, dict) and not opening[1]:
        right = 'a table, such as [moshez] or moshez = {status = "Happy"}'
        yield LineFault(line, f"{shown}: expected {right}, got {_describe(table)}")
        return
    try:
        name = parse_name(name)
    except TextError as error:
        yield LineFault(line, f"{shown}: {error}")
        return
    seen = taken.setdefault(fold(name), line)
    if seen != line:
        yield LineFault(line, f"{name} is on line {seen} already")
    elif len(path) > 1:
        yield LineFault(line, f"{shown}: expected it in a table [{_show(name)}]")
    elif not isinstance(table, dict):
        yield LineFault(line, f"expected [{shown}], one table a user, found [[{shown}]]")
    else:
        yield from _read_user(piece, name, table, line)


def _read_user(
    piece: bytes, name: str, table: dict[str, Any], line: int
) -> Iterator[Entry | LineFault]:
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for key, value in table.items():
        if key not in _READERS:
            wrong[key] = f"unknown key{_suggest(key)}"
        else:
            try:
                values[key] = _READERS[key](value)
            except TextError as error:
                wrong[key] = str(error)
        if len(wrong) == _MAX_FAULTS:
            break
    lines = _find_lines(piece, wrong) if wrong else {}
    for key, words in wrong.items():
        yield LineFault(line + lines.get(key, 0), f"{name}.{_show(key)}: {words}")
    if not wrong:
        status = values.pop("status", "")
        profile = Profile(**values)
        yield Entry(name, status, profile if profile != Profile() else None)


def _find_lines(piece: bytes, keys: Collection[str]) -> dict[str, int]:
    """Return on which line of *piece*, from 0, each of *keys* is; not if in an inline table."""
    lines: dict[str, int] = {}
    for line, start in _outline(piece).statements:
        opening = _KEYS.match(piece, start)
        if opening is None or opening[1]:
            continue
        key = _split(opening[2])[0]
        if key in keys:
            lines.setdefault(key, line)
        if len(lines) == len(keys):
            break
    return lines


def _split(keys: bytes) -> list[str]:
    """Return the parts of *keys*, which TOML has with dots between them.

    Raises:
      ValueError: it is not TOML.
    """
    parts: list[str] = []
    value: Any = tomllib.loads(f"{keys.decode()} = 0")
    while isinstance(value, dict):
        [(part, value)] = value.items()
        parts.append(part)
    return parts


def _holds_table(document: dict[str, Any], path: list[str]) -> bool:
    value: Any = document
    for key in path:
        value = value[key]
    return isinstance(value, dict)


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TextError(f"expected a text in quotes, got {_describe(value)}")
    return value


def _read_line(value: object) -> str:
    text = _read_text(value).strip()
    if "\n" in text:
        raise TextError("expected one line")
    return text


def _read_title(value: object) -> str:
    title = clean(_read_line(value)).strip()
    if len(title.encode()) > MAX_TEXT:
        raise TextError(f"longer than {MAX_TEXT} bytes")
    return title


def _read_status(value: object) -> str:
    text = _read_line(value)
    return parse_status(text) if clean(text).strip() else ""


def _read_plan(value: object) -> str:
    return parse_plan(_read_text(value))


def _read_links(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        got = _describe(value)
        raise TextError(f'expected a list, such as ["https://example.org/"], got {got}')
    if len(value) > MAX_LINKS:
        raise TextError(f"more than {MAX_LINKS} links")
    return tuple(map(_read_link, value))


def _read_link(value: object) -> str:
    link = _read_text(value)
    if len(link.encode()) > MAX_LINK:
        raise TextError(f"a link is longer than {MAX_LINK} bytes")
    if not all(is_safe(character) and not character.isspace() for character in link):
        raise TextError(f'"{_show(link)}": a link cannot hold blanks or control characters')
    try:
        whole = link.startswith(("http://", "https://")) and bool(urlsplit(link).hostname)
    except ValueError:  # brackets without an address between them, say
        whole = False
    if not whole:
        raise TextError(f'"{_show(link)}": expected http:// or https:// and a host')
    return link


def _read_hidden(value: object) -> bool:
    if not isinstance(value, bool):
        raise TextError(f"expected true or false, got {_describe(value)}")
    return value


_READERS: Mapping[str, Callable[[object], object]] = {
    "full_name": _read_title,
    "status": _read_status,
    "plan": _read_plan,
    "project": _read_title,
    "links": _read_links,
    "hidden": _read_hidden,
}


def _suggest(key: str) -> str:
    near = get_close_matches(key[:64].lower(), _READERS, n=1)
    return f'; did you mean "{near[0]}"?' if near else "; known are " + ", ".join(_READERS)


def _describe(value: object) -> str:
    match value:
        case str():
            return f'"{_show(value)}"'
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time"


def _show(text: str) -> str:
    if len(text) > 64:
        text = f"{text[:64]}\N{HORIZONTAL ELLIPSIS}"
    return text if text.isascii() and text.isprintable() else escape(text)
