"""Whom the configuration names elsewhere: programs, hosts, and addresses on the web."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from trio_finger.config._reading import expected, read_line, read_list
from trio_finger.protocol.address import Address, parse_address, parse_ip
from trio_finger.protocol.finger import FINGER_PORT

# The name of a host, or of a domain (RFC 1123, 2.1).
_HOST = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)

# What our own paths begin with, besides the "~" of users. A prefix that does so, too, could
# not be told from them when a proxy has taken it off.
OWN_PATHS: Final = frozenset(
    {
        ".well-known",
        "RPC2",
        "api",
        "feed.atom",
        "feed.json",
        "healthz",
        "live",
        "live.sse",
        "login",
        "logout",
        "me",
        "readyz",
        "static",
    }
)
_PREFIX = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)*/?", re.ASCII)


class UserUrl(str):
    """An address on the web with ``{user}`` in it."""


class SiteUrl(str):
    """The public address of our pages, without a slash at its end."""


class Command(tuple[str, ...]):
    """A program, by its whole path, and its arguments; empty for none."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FingerHost(Address):
    """A finger server, at port 79 unless another is named."""


class HostPattern(str):
    """A host, or ``*.`` and a domain for every host in it."""


def read_command(value: object, base: Path) -> Command:
    words = read_list(value, read_line, "/usr/local/bin/status")
    # A name alone would be looked for in the daemon's PATH, which is not the operator's.
    if not words or "/" not in words[0] or "{" in words[0]:
        raise expected('a path of a program and its arguments, such as ["/bin/status"]', value)
    # It is run in another folder than the daemon's.
    return Command((str((base / words[0]).absolute()), *words[1:]))


def read_url(value: object) -> UserUrl:
    url = read_line(value)
    parts = _split(url)
    if parts is None or "{user}" not in parts.path + parts.query:
        raise expected('an address such as "https://example.com/~{user}/online"', value)
    return UserUrl(url)


def read_site_url(value: object) -> SiteUrl | None:
    """Return the address in one spelling, that of browsers; ``None`` for an empty text."""
    if value == "":
        return None
    url = read_line(value)
    parts = _split(url)
    if parts is None or "?" in url or "#" in url or not _PREFIX.fullmatch(parts.path):
        raise expected('an address such as "https://example.org/finger"', value)
    prefix = parts.path.rstrip("/")
    first = prefix.split("/")[1] if prefix else ""
    if first in OWN_PATHS or first.startswith("~"):
        raise ValueError(f"paths of ours begin with /{first}; a prefix has to begin otherwise")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
    return SiteUrl(f"{parts.scheme}://{host}{'' if is_usual else f':{parts.port}'}{prefix}")


def read_finger_host(value: object) -> FingerHost:
    text = read_line(value)
    for whole in (text, f"{text}:{FINGER_PORT}"):
        with suppress(ValueError):
            address = parse_address(whole)
            if address.port and (_HOST.fullmatch(address.host.lower()) or _is_place(address.host)):
                return FingerHost(address.host, address.port)
    raise expected('a host such as "db.example.org" or "db.example.org:7079"', text)


def read_patterns(value: object) -> tuple[HostPattern, ...]:
    return read_list(value, _parse_pattern, "*.example.org")


def _parse_pattern(text: str) -> HostPattern:
    host = text.lower().rstrip(".")
    domain = host.removeprefix("*.")
    if not _HOST.fullmatch(domain) and not (host == domain and _is_place(host)):
        raise expected('a host such as "db.example.org" or "*.example.org"', text)
    return HostPattern(host)


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address on the web, if *url* is one."""
    try:
        parts = urlsplit(url)
        host, is_host = parts.hostname or "", parts.port != 0
    except ValueError:  # the port is none, or an address in brackets
        return None
    # A space around it is not seen by urlsplit.
    is_host = is_host and url == url.strip() and bool(_HOST.fullmatch(host) or _is_place(host))
    is_web = is_host and parts.scheme in ("http", "https") and parts.username is None
    return parts if is_web else None


def _is_place(text: str) -> bool:
    """Whether *text* is an IP address, or a host and its port."""
    for parse in (parse_ip, parse_address):
        with suppress(ValueError):
            parse(text)
            return True
    return False
