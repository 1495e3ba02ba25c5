"""``HOST:PORT`` and ``[IPV6]:PORT``: an address as people write it."""

import ipaddress
import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"(?:\[(?P<ipv6>[^\[\]\s/]*)\]|(?P<host>[^:\[\]\s/]+)):(?P<port>[0-9]{1,5})", re.ASCII
)


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


def parse_address(text: str) -> Address:
    """Parse ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
      AddressError: *text* is something else.
    """
    if not text.isprintable():
        raise AddressError("an address has only printable characters")
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
