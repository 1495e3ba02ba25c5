"""The outline of TOML, or of what is none: where what begins, and what has no end."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KEY = rb"""(?:[\w-]++|"(?:\\.|[^"\\\n])*+"|'[^'\n]*+')"""
KEYS = re.compile(rb"[ \t]*+(\[{0,2})[ \t]*(%b(?:[ \t]*\.[ \t]*%b)*)" % (KEY, KEY))
_TOKEN = re.compile(
    rb'"""(?:[^"\\]++|\\.?|"{1,2}(?!"))*+(?:"{3,5}|(?P<basic>\Z))'
    rb"|'''.*?(?:'{3,5}|(?P<literal>\Z))"
    rb'|"(?:\\[^\n]|[^"\\\n])*+(?:"|(?P<basic_line>))'
    rb"|'[^'\n]*+(?:'|(?P<literal_line>))"
    rb"|#[^\n]*|[^\n\"'#\[\]{}]+|.",
    re.S,
)
_ENDS = {"basic_line": b'"', "literal_line": b"'", "basic": b'"""', "literal": b"'''"}
LONG_ENDS = (_ENDS["basic"], _ENDS["literal"])


@dataclass(frozen=True, slots=True)
class Outline:
    """What can be told of a piece without parsing it, of TOML as of what is none.

    Attributes:
      statements: the line, from 0, and the place where each begins.
      unended: the line where something begins that has no end, and what is missing.
      end: what would end the text of several lines, or the list, that is open at the end.
    """

    statements: Sequence[tuple[int, int]] = ()
    unended: tuple[int, str] | None = None
    end: bytes = b""


def find_outline(piece: bytes) -> Outline:
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
            if _ENDS[kind] in LONG_ENDS:
                return Outline(statements, unended, _ENDS[kind])
        elif mark in b"[{":
            opened = opened if depth else line
            depth += 1
        elif mark in b"]}":
            depth = max(depth - 1, 0)
        line += token[0].count(b"\n")
    if depth and unended is None:
        return Outline(statements, (opened, "]"), b"]")
    return Outline(statements, unended)


def split(keys: bytes) -> list[str]:
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
