"""``HOST:PORT``, ``[IPV6]:PORT`` and ``unix:PATH``: an address as people write it."""

import ipaddress
import re
from dataclasses import dataclass
from typing import TypeAlias

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[^\[\]\s/]*)\]|(?P<host>[^:\[\]\s/]+)):(?P<port>[0-9]{1,5})", re.ASCII
)
_UNIX = "unix:"
_MAX_PATH = 107  # bytes: what sockaddr_un holds on Linux, without the NUL at its end


IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_ip(host: str) -> IpAddress:
    """Return the IP address *host*, without the zone that it may have.

    One of IPv4 is the same when it comes in the clothes of IPv6 (RFC 4291, 2.5.5.2).

    Raises:
      ValueError: it is a name, or nothing.
    """
    ip = ipaddress.ip_address(host.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


class AddressError(ValueError):
    """A text that is no address; ``str()`` of it says what would be one."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port of it; ``str()`` gives back what `parse_address` takes.

    Attributes:
      host: a name or an IP address, the latter without brackets.
      port: 0 to 65535; 0 stands for any free port where one is listened on.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it. A name other than localhost may not be."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A UNIX socket, by the file it is; ``str()`` gives back what `parse_listen` takes.

    Attributes:
      path: where the file is. Whatever it is relative to is for others to know.

    Raises:
      AddressError: no socket can have this *path*.
    """

    path: str

    def __post_init__(self) -> None:
        if not self.path:
            raise AddressError("the path of a UNIX socket is missing")
        if "\0" in self.path:
            raise AddressError("the path of a UNIX socket cannot hold a NUL")
        size = len(self.path.encode("utf-8", "surrogateescape"))
        if size > _MAX_PATH:
            raise AddressError(
                f"the path of a UNIX socket has at most {_MAX_PATH} bytes, this one {size}: "
                f'"{self.path}"'
            )

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it, as is the case with every file."""
        return True


# Where something may listen.
Listen: TypeAlias = Address | UnixAddress


def parse_listen(text: str) -> Listen:
    """Parse ``unix:PATH``, or what `parse_address` takes.

    A host called ``unix`` cannot be told from that, and is taken for a path.

    Raises:
      AddressError: *text* is something else.
    """
    if not text.startswith(_UNIX):
        return parse_address(text)
    _check_printable(text)
    return UnixAddress(text.removeprefix(_UNIX))


def parse_address(text: str) -> Address:
    """Parse ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
      AddressError: *text* is something else.
    """
    _check_printable(text)
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise AddressError(f'"{text}" is not "HOST:PORT" or "[IPV6]:PORT"')
    host, ipv6, port = match["host"], match["ipv6"], int(match["port"])
    if port > 65535:
        raise AddressError(f"port {port} is greater than 65535")
    if ipv6 is not None:
        try:
            ipaddress.IPv6Address(ipv6)
        except ValueError:
            raise AddressError(f'"{ipv6}" is not an IPv6 address') from None
        return Address(ipv6, port)
    try:
        host.encode("idna")  # as whoever looks the name up will do
    except UnicodeError:
        raise AddressError(f'"{host}" is not the name of a host') from None
    return Address(host, port)


def _check_printable(text: str) -> None:
    if not text.isprintable():
        raise AddressError("an address has only printable characters")
