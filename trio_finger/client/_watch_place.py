"""Where a site's live door is, by the address of the site."""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

_DOOR: Final = "/live"
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)  # RFC 3986, 3.1
_SCHEMES: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
# What is left of a host after IDNA, or is in an IPv6 address, with its zone.
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]+", re.ASCII)


class PlaceError(ValueError):
    """An address that cannot be followed; ``str()`` of it says what would be one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A live door; ``str()`` is its address, for people.

    Attributes:
      host: a name in ASCII, or an IP address without brackets.
      port: where on it.
      secure: whether it speaks TLS.
      path: of the door, in ASCII.
    """

    host: str
    port: int
    secure: bool
    path: str = _DOOR

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """The host and, unless it is the usual one, the port, as HTTP has them."""
        # The zone of an address means something on this machine alone (RFC 6874, 1).
        name = self.host.partition("%")[0]
        host = f"[{name}]" if ":" in name else name
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    def request(self, users: Sequence[str], since: int | None) -> str:
        """Return what to ask for: changes of *users*, or of all, after the one called *since*."""
        parts = [f"user={quote(name, safe='')}" for name in users]
        if since is not None:
            parts.append(f"since={since}")
        return f"{self.path}?{'&'.join(parts)}" if parts else self.path


def is_address(text: str) -> bool:
    """Whether *text* is meant as an address, good or not. No user's name can look like one."""
    return _ADDRESS.match(text) is not None


def parse_place(text: str) -> Place:
    """Parse the address of a site, such as ``https://status.example.org/finger``.

    It may begin with http, https, ws or wss. The door itself, ``.../live``, is taken, too.

    Raises:
      PlaceError: *text* is something else.
    """
    if not text.isprintable() or " " in text:
        raise PlaceError(f"{text!r}: an address has only printable characters, and no blank")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError as error:
        raise PlaceError(f'"{text}" is not an address: {error}') from None
    if parts.scheme not in _SCHEMES:
        raise PlaceError(f'"{text}" begins with none of http://, https://, ws:// and wss://')
    if host and not _HOST.fullmatch(host):
        # Such as IDNA makes of what looks like a blank over which there is a mark.
        raise PlaceError(f'"{text}" has no host that there could be')
    if not host:
        raise PlaceError(f'"{text}" has no host')
    if port == 0:
        raise PlaceError(f'"{text}": port 0 is no port to connect to')
    if parts.username is not None:
        raise PlaceError(f'"{text}": whoever follows needs no name and no password')
    if parts.query or parts.fragment:
        raise PlaceError(f'"{text}": an address ends with its path; name users after it')
    site = parts.path.rstrip("/").removesuffix(_DOOR).rstrip("/")
    path = quote(site, safe=string.punctuation) + _DOOR
    secure = parts.scheme in {"https", "wss"}
    return Place(host, port or _SCHEMES[parts.scheme], secure, path)
