"""What the values of the configuration may be, and how each is read from TOML.

A reader takes what TOML holds and returns what the program uses, or raises
`ValueError` with words that say what would be right.
"""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from trio_finger.config._elsewhere import (
    Command,
    FingerHost,
    HostPattern,
    SiteUrl,
    UserUrl,
    read_command,
    read_finger_host,
    read_patterns,
    read_site_url,
    read_url,
)
from trio_finger.config._reading import expected, read_line, read_list, read_string
from trio_finger.protocol.address import (
    Address,
    Listen,
    UnixAddress,
    parse_address,
    parse_listen,
)
from trio_finger.protocol.duration import Duration, parse_duration
from trio_finger.protocol.forwarded import Proxy
from trio_finger.protocol.irc import parse_nick
from trio_finger.protocol.rate import Rate, parse_rate
from trio_finger.protocol.size import Size, parse_size

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
        return base / read_line(value)
    if kind == Path | None:
        return base / read_line(value)
    if kind is StoreUrl:
        return _read_store_url(value, base)
    if kind is Command:
        return read_command(value, base)
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        choices = get_args(get_args(kind)[0])
        return read_list(value, lambda text: _read_choice(text, choices), choices[0])
    if kind == tuple[Listen, ...]:
        places = read_list(value, parse_listen, "127.0.0.1:7079")
        return tuple(_place(address, base) for address in places)
    return _READERS[kind](value)


def _read_duration(value: object) -> Duration:
    if not isinstance(value, str):
        raise expected('a duration such as "30s", "5m" or "1h"', value)
    return parse_duration(value)


def _read_rate(value: object) -> Rate | None:
    if not isinstance(value, str):
        raise expected('a rate such as "20/s", "600/m" or "off"', value)
    return parse_rate(value)


def _read_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise expected("true or false", value)
    return value


def _read_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise expected("a whole number of 1 or more", value)
    return value


def _read_choice(value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise expected(" or ".join(f'"{choice}"' for choice in choices), value)
    return str(value)


def _read_address(value: object) -> Address:
    if not isinstance(value, str):
        raise expected('"HOST:PORT"', value)
    return parse_address(value)


def _place(address: Listen, base: Path) -> Listen:
    """Return *address* with the whole path, if it has one."""
    return UnixAddress(str(base / address.path)) if isinstance(address, UnixAddress) else address


def _read_store_url(value: object, base: Path) -> StoreUrl:
    kind, _, rest = read_line(value).partition(":")
    if kind == "sqlite" and rest:
        return StoreUrl(f"sqlite:{base / rest}")
    if (kind, rest) == ("memory", ""):
        return StoreUrl("memory:")
    raise expected('"sqlite:PATH" or "memory:"', value)


def _read_networks(value: object) -> tuple[Network, ...]:
    return read_list(value, _parse_network, "192.0.2.0/24")


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f'expected a network such as "192.0.2.0/24"; {error}') from None


def _read_proxies(value: object) -> tuple[Proxy, ...]:
    return read_list(value, lambda text: "unix" if text == "unix" else _parse_network(text), "unix")


def _read_natural(value: object) -> Natural:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise expected(f"a whole number from 0 to {_MOST}", value)
    return Natural(value)


def _read_size(value: object) -> Size:
    if not isinstance(value, str):
        raise expected('a size such as "512B", "64KiB" or "1MiB"', value)
    return parse_size(value)


def _read_texts(value: object) -> tuple[str, ...]:
    return read_list(value, read_line, "/bin/bash")


def _read_nick(value: object) -> Nick:
    return Nick(parse_nick(read_string(value)))


_READERS: Mapping[Any, Callable[[object], Any]] = {
    bool: _read_bool,
    int: _read_count,
    str: read_line,
    Duration: _read_duration,
    Rate | None: _read_rate,
    Address: _read_address,
    FingerHost: read_finger_host,
    Natural: _read_natural,
    tuple[Network, ...]: _read_networks,
    tuple[Proxy, ...]: _read_proxies,
    SiteUrl | None: read_site_url,
    Nick: _read_nick,
    Size: _read_size,
    UserUrl: read_url,
    tuple[str, ...]: _read_texts,
    tuple[HostPattern, ...]: read_patterns,
}
