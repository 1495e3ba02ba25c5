"""One table, parsed: the user whom it speaks of, or what is wrong with it."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Any

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import TextError, fold, parse_name
from trio_finger.protocol.users_file import Entry, LineFault
from trio_finger.protocol.users_toml._outline import KEYS, find_outline, split
from trio_finger.protocol.users_toml._values import READERS, describe, show

_MAX_FAULTS = 10  # named of one table


def read_table(
    piece: bytes, document: dict[str, Any], line: int, taken: dict[str, int]
) -> Iterator[Entry | LineFault]:
    """Read the one table or value that *piece*, parsed as *document*, holds."""
    [(name, table)] = document.items()
    opening = KEYS.match(piece)
    assert opening is not None
    path = split(opening[2]) if b"." in opening[2] else [name]
    shown = show(".".join(path))
    if len(path) > 1 and (opening[1] or _holds_table(document, path)):
        right = f'["{shown}"]' if opening[1] else f'"{shown}"'
        yield LineFault(line, f"a name with a dot needs quotes: {right}")
        return
    if not isinstance(table, dict) and not opening[1]:
        right = 'a table, such as [moshez] or moshez = {status = "Happy"}'
        yield LineFault(line, f"{shown}: expected {right}, got {describe(table)}")
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
        yield LineFault(line, f"{shown}: expected it in a table [{show(name)}]")
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
        if key not in READERS:
            wrong[key] = f"unknown key{_suggest(key)}"
        else:
            try:
                values[key] = READERS[key](value)
            except TextError as error:
                wrong[key] = str(error)
        if len(wrong) == _MAX_FAULTS:
            break
    lines = _find_lines(piece, wrong) if wrong else {}
    for key, words in wrong.items():
        yield LineFault(line + lines.get(key, 0), f"{name}.{show(key)}: {words}")
    if not wrong:
        status = values.pop("status", "")
        profile = Profile(**values)
        yield Entry(name, status, profile if profile != Profile() else None)


def _find_lines(piece: bytes, keys: Collection[str]) -> dict[str, int]:
    """Return on which line of *piece*, from 0, each of *keys* is; not if in an inline table."""
    lines: dict[str, int] = {}
    for line, start in find_outline(piece).statements:
        opening = KEYS.match(piece, start)
        if opening is None or opening[1]:
            continue
        key = split(opening[2])[0]
        if key in keys:
            lines.setdefault(key, line)
        if len(lines) == len(keys):
            break
    return lines


def _holds_table(document: dict[str, Any], path: list[str]) -> bool:
    value: Any = document
    for key in path:
        value = value[key]
    return isinstance(value, dict)


def _suggest(key: str) -> str:
    near = get_close_matches(key[:64].lower(), READERS, n=1)
    return f'; did you mean "{near[0]}"?' if near else "; known are " + ", ".join(READERS)
