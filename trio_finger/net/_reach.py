"""Connecting to somebody else's host: to an address that was looked at first, and to no other.

A name is looked up once. To connect by the name afterwards would look it up again, and a
hostile name server could say something else then: the address that is connected to would not
be the one that was checked (DNS rebinding).
"""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Any, Final, NamedTuple

import trio

from trio_finger.protocol.address import IpAddress, parse_ip

_MOST = 8  # addresses of one host that are tried
_ATTEMPT = 10  # seconds for each, or less if there is less time for all

# IANA's registries of special addresses, and what clouds use besides. A table of our own,
# since what Python calls global has changed from release to release.
_IPV4_SPECIAL: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by the customers of a provider
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # metadata, in one cloud
            "169.254.0.0/16",  # link-local; metadata, in all others
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocols
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All that is public is in 2000::/3, but not all in there is.
_IPV6_UNICAST: Final = IPv6Network("2000::/3")
_IPV6_SPECIAL: Final = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: IPv4 in the last 32 bits


class ReachError(Exception):
    """A host that there is no connection to; ``str()`` says what it does, as "refuses the ..."."""


class _Place(NamedTuple):
    """One address of a host, in the form that sockets take."""

    family: int
    sockaddr: Any
    ip: IpAddress


async def connect(
    host: str, port: int, *, may: Callable[[IpAddress], bool] | None = None
) -> trio.SocketStream:
    """Connect to *host*, at one of its addresses that are allowed.

    They are tried in turn. The time until the caller's deadline is shared among them, so
    that one that is dead does not use up all of it.

    Args:
      host: a name or an IP address.
      port: where on it.
      may: says whether an address is allowed; any is unless this is given.

    Raises:
      ReachError: there is no such host, it is not allowed, or there is no getting there.
    """
    found = await _look_up(host, port)
    places = [place for place in found if may is None or may(place.ip)][:_MOST]
    if not places:
        raise ReachError("is at an address that is not allowed")
    reasons: list[str] = []
    for number, place in enumerate(places):
        left = trio.current_effective_deadline() - trio.current_time()
        with trio.move_on_after(min(_ATTEMPT, max(left, 0) / (len(places) - number))) as scope:
            try:
                return await _connect(place)
            except OSError as error:
                reasons.append(_reason(error))
        if scope.cancelled_caught:
            reasons.append("does not answer")
    raise ReachError("; ".join(dict.fromkeys(reasons)))


def is_public(ip: IpAddress) -> bool:
    """Whether *ip* is an address on the internet that anybody may connect to.

    It is not if it leads to this machine, to one beside it, or to nobody in particular; nor
    if it is one of IPv6 through which such an address of IPv4 is reached.
    """
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _IPV4_SPECIAL)
    inner = _embedded(ip)
    if inner:
        return all(map(is_public, inner))
    return ip in _IPV6_UNICAST and not any(ip in network for network in _IPV6_SPECIAL)


def _embedded(ip: IPv6Address) -> Sequence[IPv4Address]:
    """Return the addresses of IPv4 to which packets for *ip* are passed on."""
    if ip.teredo is not None:
        return ip.teredo  # the server's and the client's
    if ip in _NAT64:
        return (IPv4Address(int(ip) & 0xFFFFFFFF),)
    inner = ip.ipv4_mapped or ip.sixtofour
    return (inner,) if inner is not None else ()


async def _look_up(host: str, port: int) -> list[_Place]:
    """Return the addresses of *host*, each once, the most promising first.

    What looks like a name may be an address, even loopback, in one of many spellings, such
    as ``127.1`` and ``0x7f.1``. The system knows them all, so what it says is what counts.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise ReachError("cannot be looked up now") from None
        raise ReachError("no such host") from None
    except ValueError:  # no name can be so: an empty label, a NUL
        raise ReachError("no such host") from None
    except OSError as error:
        raise ReachError(_reason(error)) from None
    places = (_Place(family, addr, parse_ip(str(addr[0]))) for family, _, _, _, addr in found)
    return list(dict.fromkeys(places))


async def _connect(place: _Place) -> trio.SocketStream:
    connection = trio.socket.socket(place.family, socket.SOCK_STREAM)
    try:
        await connection.connect(place.sockaddr)
        return trio.SocketStream(connection)
    except BaseException:
        connection.close()
        raise


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.ECONNREFUSED:
            return "refuses the connection"
        case errno.ETIMEDOUT:
            return "does not answer"
        case None:
            return "cannot be reached"
        case number:
            return f"cannot be reached: {os.strerror(number)}"
