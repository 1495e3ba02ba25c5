"""The PROXY protocol, versions 1 and 2: how a proxy says for whom it connects.

Written after its specification (haproxy, doc/proxy-protocol.txt, 2020/03/05); the
sections named here are that document's.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from trio_finger.protocol.address import Address, parse_ip

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"  # of version 2 (2.2)
_V1 = b"PROXY "
_V1_LINE = re.compile(
    r"PROXY (?:UNKNOWN(?: .*)?|(TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (\d{1,5}) (\d{1,5}))",
    re.ASCII,
)
_MAX_V1 = 107  # bytes, the end of the line among them (2.1)
_MAX_V2 = 2048  # bytes; addresses have 216 at most, and nobody needs many extensions
_V2_HEAD = struct.Struct("!12sBBH")
_V2_IPV4 = struct.Struct("!4s4sHH")
_V2_IPV6 = struct.Struct("!16s16sHH")
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and its two commands
_FAMILIES = (0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32)  # unknown, then IPv4, IPv6, UNIX
_TCP4, _TCP6 = 0x11, 0x21

# What a client that is no proxy sends by no accident.
PRETENDED = (SIGNATURE, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN")


class ProxyError(ValueError):
    """What should begin with a PROXY header does not."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a proxy says of a connection.

    Attributes:
      source: who has connected to it; ``None`` if it does not say, or asks for itself.
      size: how many bytes the header has.
    """

    source: Address | None
    size: int


def parse_proxy_header(data: bytes | bytearray) -> ProxyHeader | None:
    """Parse the header at the beginning of *data*; ``None`` while it is not whole.

    Raises:
      ProxyError: it is none, whatever may follow.
    """
    if data.startswith(_V1):
        return _parse_v1(bytes(data[:_MAX_V1]))
    if data.startswith(SIGNATURE):
        return _parse_v2(bytes(data[:_MAX_V2]))
    if _V1.startswith(data) or SIGNATURE.startswith(data):
        return None
    raise ProxyError("no PROXY header")


def _parse_v1(data: bytes) -> ProxyHeader | None:
    line, end, _ = data.partition(b"\r\n")
    if not end:
        if len(data) == _MAX_V1:
            raise ProxyError("a PROXY header without an end")
        return None
    match = _V1_LINE.fullmatch(line.decode("ascii", "replace"))
    if match is None:
        raise ProxyError("not a PROXY header")
    size = len(line) + len(end)
    kind, source, destination, *ports = match.groups()
    if kind is None:
        return ProxyHeader(None, size)
    if any(int(port) > 65535 for port in ports):
        raise ProxyError("a PROXY header with a port that is none")
    try:
        family = IPv4Address if kind == "TCP4" else IPv6Address
        family(destination)
        host = str(family(source))
    except ValueError:
        raise ProxyError("a PROXY header with an address that is none") from None
    return ProxyHeader(Address(str(parse_ip(host)), int(ports[0])), size)


def _parse_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_HEAD.size:
        return None
    _, command, family, length = _V2_HEAD.unpack_from(data)
    size = _V2_HEAD.size + length
    # Where the proxy asks for itself, the family says nothing (2.2).
    is_known = command == _LOCAL or (command == _PROXY and family in _FAMILIES)
    if not is_known or size > _MAX_V2:
        raise ProxyError("not a PROXY header that is known here")
    known = {_TCP4: _V2_IPV4, _TCP6: _V2_IPV6}.get(family) if command == _PROXY else None
    if known is not None and length < known.size:
        raise ProxyError("a PROXY header too short for its addresses")
    if len(data) < size:
        return None
    if known is None:
        return ProxyHeader(None, size)
    source, _, port, _ = known.unpack_from(data, _V2_HEAD.size)
    return ProxyHeader(Address(str(parse_ip(str(ip_address(source)))), port), size)
