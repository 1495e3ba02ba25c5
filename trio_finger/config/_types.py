"""What the values of the configuration may be, and how each is read from TOML.

A reader takes what TOML holds and returns what the program uses, or raises
`ValueError` with words that say what would be right.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

from trio_finger.protocol.address import (
    Address,
    Listen,
    UnixAddress,
    parse_address,
    parse_ip,
    parse_listen,
)
from trio_finger.protocol.duration import Duration, parse_duration
from trio_finger.protocol.finger import FINGER_PORT
from trio_finger.protocol.irc import parse_nick
from trio_finger.protocol.rate import Rate, parse_rate
from trio_finger.protocol.size import Size, parse_size

Network = IPv4Network | IPv6Network

# The name of a host, or of a domain (RFC 1123, 2.1).
_HOST = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)

_MOST = 1_000_000  # more of anything is a slip, and much more no store can count


class StoreUrl(str):
    """Where a store is: ``memory:`` or ``sqlite:PATH``."""


class Natural(int):
    """A whole number from 0 to a million."""


class Nick(str):
    """A nickname on IRC."""


class UserUrl(str):
    """An address on the web with ``{user}`` in it."""


class Command(tuple[str, ...]):
    """A program, by its whole path, and its arguments; empty for none."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FingerHost(Address):
    """A finger server, at port 79 unless another is named."""


class HostPattern(str):
    """A host, or ``*.`` and a domain for every host in it."""


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
    if kind == Path | None:
        return base / _read_line(value)
    if kind is StoreUrl:
        return _read_store_url(value, base)
    if kind is Command:
        return _read_command(value, base)
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


def _read_finger_host(value: object) -> FingerHost:
    text = _read_line(value)
    try:
        address = parse_address(text)
    except ValueError:
        address = parse_address(f"{text}:{FINGER_PORT}")
    return FingerHost(address.host, address.port)


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


def _read_size(value: object) -> Size:
    if not isinstance(value, str):
        raise _expected('a size such as "512B", "64KiB" or "1MiB"', value)
    return parse_size(value)


def _read_texts(value: object) -> tuple[str, ...]:
    return _read_list(value, _read_line, "/bin/bash")


def _read_command(value: object, base: Path) -> Command:
    words = _read_list(value, _read_line, "/usr/local/bin/status")
    # A name alone would be looked for in the daemon's PATH, which is not the operator's.
    if not words or "/" not in words[0] or "{" in words[0]:
        raise _expected('a path of a program and its arguments, such as ["/bin/status"]', value)
    # It is run in another folder than the daemon's.
    return Command((str((base / words[0]).absolute()), *words[1:]))


def _read_url(value: object) -> UserUrl:
    url = _read_line(value)
    try:
        parts = urlsplit(url)
        host, is_host = parts.hostname or "", parts.port != 0
        is_host = is_host and bool(_HOST.fullmatch(host) or _is_place(host))
    except ValueError:  # the port is none, or an address in brackets
        is_host = False
    is_web = is_host and parts.scheme in ("http", "https") and parts.username is None
    if not is_web or "{user}" not in parts.path + parts.query:
        raise _expected('an address such as "https://example.com/~{user}/online"', value)
    return UserUrl(url)


def _read_patterns(value: object) -> tuple[HostPattern, ...]:
    return _read_list(value, _parse_pattern, "*.example.org")


def _parse_pattern(text: str) -> HostPattern:
    host = text.lower().rstrip(".")
    domain = host.removeprefix("*.")
    if not _HOST.fullmatch(domain) and not (host == domain and _is_place(host)):
        raise _expected('a host such as "db.example.org" or "*.example.org"', text)
    return HostPattern(host)


def _is_place(text: str) -> bool:
    """Whether *text* is an IP address, or a host and its port."""
    for parse in (parse_ip, parse_address):
        with suppress(ValueError):
            parse(text)
            return True
    return False


def _read_nick(value: object) -> Nick:
    return Nick(parse_nick(_read_string(value)))


_READERS: Mapping[Any, Callable[[object], Any]] = {
    bool: _read_bool,
    int: _read_count,
    str: _read_line,
    Duration: _read_duration,
    Rate | None: _read_rate,
    Address: _read_address,
    FingerHost: _read_finger_host,
    Natural: _read_natural,
    tuple[Network, ...]: _read_networks,
    Nick: _read_nick,
    Size: _read_size,
    UserUrl: _read_url,
    tuple[str, ...]: _read_texts,
    tuple[HostPattern, ...]: _read_patterns,
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
