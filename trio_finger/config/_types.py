"""What the values of the configuration may be, and how each is read from TOML.

A reader takes what TOML holds and returns what the program uses, or raises
`ValueError` with words that say what would be right.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from trio_finger.protocol.address import Address, Listen, UnixAddress, parse_address, parse_listen
from trio_finger.protocol.duration import Duration, parse_duration
from trio_finger.protocol.irc import parse_nick
from trio_finger.protocol.rate import Rate, parse_rate

Network = IPv4Network | IPv6Network

_MOST = 1_000_000  # more of anything is a slip, and much more no store can count


class StoreUrl(str):
    """Where a store is: ``memory:`` or ``sqlite:PATH``."""


class Natural(int):
    """A whole number from 0 to a million."""


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
    if kind is StoreUrl:
        return _read_store_url(value, base)
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        choices = get_args(get_args(kind)[0])
        return _read_list(value, lambda text: _read_choice(text, choices), choices[0])
    if kind == tuple[Listen, ...]:
        places = _read_list(value, parse_listen, "127.0.0.1:7079")
        return tuple(_place(address, base) for address in places)
    return _READERS[kind](value)


def _read_duration(value: object) -> Duration:
    if not isinstance(value, str):
        raise _expected('a duration such as "30s", "5m" or "1h"', value)
    return parse_duration(value)


def _read_rate(value: object) -> Rate | None:
    if not isinstance(value, str):
        raise _expected('a rate such as "20/s", "600/m" or "off"', value)
    return parse_rate(value)


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


_T = TypeVar("_T")


def _read_list(value: object, parse: Callable[[str], _T], example: str) -> tuple[_T, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _expected(f'a list of texts, such as ["{example}"]', value)
    return tuple(parse(item) for item in value)


def _place(address: Listen, base: Path) -> Listen:
    """Return *address* with the whole path, if it has one."""
    return UnixAddress(str(base / address.path)) if isinstance(address, UnixAddress) else address


def _read_store_url(value: object, base: Path) -> StoreUrl:
    kind, _, rest = _read_line(value).partition(":")
    if kind == "sqlite" and rest:
        return StoreUrl(f"sqlite:{base / rest}")
    if (kind, rest) == ("memory", ""):
        return StoreUrl("memory:")
    raise _expected('"sqlite:PATH" or "memory:"', value)


def _read_networks(value: object) -> tuple[Network, ...]:
    return _read_list(value, _parse_network, "192.0.2.0/24")


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f'expected a network such as "192.0.2.0/24"; {error}') from None


def _read_natural(value: object) -> Natural:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise _expected(f"a whole number from 0 to {_MOST}", value)
    return Natural(value)


def _read_nick(value: object) -> Nick:
    return Nick(parse_nick(_read_string(value)))


_READERS: Mapping[Any, Callable[[object], Any]] = {
    bool: _read_bool,
    int: _read_count,
    str: _read_line,
    Duration: _read_duration,
    Rate | None: _read_rate,
    Address: _read_address,
    Natural: _read_natural,
    tuple[Network, ...]: _read_networks,
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
