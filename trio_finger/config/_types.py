"""What the values of the configuration may be, and how each is read from TOML.

A reader takes what TOML holds and returns what the program uses, or raises
`ValueError` with words that say what would be right.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from trio_finger.protocol.address import Address, parse_address
from trio_finger.protocol.irc import parse_nick

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(float):
    """A time in seconds, written ``"30s"``, ``"5m"``, ``"1h"``."""


class StoreUrl(str):
    """Where a store is: ``KIND:REST``."""


class Nick(str):
    """A nickname on IRC."""


def read_value(value: object, kind: Any, base: Path) -> Any:
    """Read *value*, which TOML gave, as a *kind*.

    Args:
      base: the folder that relative paths are relative to.

    Raises:
      ValueError: it is none; ``str()`` of it says what would be one.
    """
    if get_origin(kind) is Literal:
        return _read_choice(value, get_args(kind))
    if kind is Path:
        return base / _read_line(value)
    return _READERS[kind](value)


def parse_duration(text: str) -> Duration:
    """Parse ``"30s"``, ``"1.5h"``; the units are ms, s, m, h and d.

    Raises:
      ValueError: *text* is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(f'expected a duration such as "30s", "5m" or "1h", got "{text}"')
    return Duration(float(match[1]) * _UNITS[match[2]])


def _read_duration(value: object) -> Duration:
    if not isinstance(value, str):
        raise _expected('a duration such as "30s", "5m" or "1h"', value)
    return parse_duration(value)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise _expected("true or false", value)
    return value


def _read_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _expected("a whole number of 1 or more", value)
    return value


def _read_string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _expected("a text in quotes", value)
    return value


def _read_line(value: object) -> str:
    text = _read_string(value)
    if not text.isprintable():
        raise _expected("a text of printable characters", text)
    return text


def _read_choice(value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _expected(" or ".join(f'"{choice}"' for choice in choices), value)
    return str(value)


def _read_address(value: object) -> Address:
    if not isinstance(value, str):
        raise _expected('"HOST:PORT"', value)
    return parse_address(value)


def _read_addresses(value: object) -> tuple[Address, ...]:
    if not isinstance(value, list):
        raise _expected('a list such as ["127.0.0.1:7079"]', value)
    if not value:
        raise ValueError("name at least one address, or leave the section out to turn it off")
    return tuple(_read_address(item) for item in value)


def _read_store_url(value: object) -> StoreUrl:
    if value != "memory:":
        raise _expected('"memory:"', value)
    return StoreUrl("memory:")


def _read_nick(value: object) -> Nick:
    return Nick(parse_nick(_read_string(value)))


_READERS: Mapping[Any, Callable[[object], Any]] = {
    bool: _read_bool,
    int: _read_count,
    str: _read_line,
    Duration: _read_duration,
    Address: _read_address,
    tuple[Address, ...]: _read_addresses,
    StoreUrl: _read_store_url,
    Nick: _read_nick,
}


def _expected(what: str, value: object) -> ValueError:
    """Say what would be right, and show *value* as TOML writes it."""
    match value:
        case str():
            shown = f'"{value}"'
        case bool():
            shown = str(value).lower()
        case dict():
            shown = "a table"
        case _:
            shown = str(value)
    return ValueError(f"expected {what}, got {shown}")
