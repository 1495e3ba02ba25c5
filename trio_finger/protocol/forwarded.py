"""``X-Forwarded-For``, ``X-Forwarded-Proto``, ``Forwarded``: whom an HTTP proxy speaks for.

Each proxy adds, at the right, where a request came to it from. So the list is read from the
right: what the last proxy has added is as true as that proxy. What stands left of it came
with the request, and is true only if whoever sent that is one of our proxies, too (RFC 7239,
8.1). The first from the right who is none of them is the client.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal, TypeAlias, TypeVar

from trio_finger.protocol.address import IpAddress, parse_ip

_T = TypeVar("_T")

# Who may speak for others: whoever connects from a network, or over a UNIX socket.
Proxy: TypeAlias = IPv4Network | IPv6Network | Literal["unix"]

# An IP address and perhaps a port (RFC 7239, 6). X-Forwarded-For knows no brackets either.
_NODE = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[\w.-]+))?", re.ASCII | re.I)
_IPV6 = re.compile(r"[0-9a-f:.]+", re.ASCII | re.I)

# One ``name=value`` or nothing, and what ends it (RFC 7239, 4; a space around the end is
# not in there, and often in what is sent). What begins with ``*+`` is never looked at twice.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105  # RFC 9110, 5.6.2
_PAIR = re.compile(
    rf'[ \t]*+(?:({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\]|\\.)*+)"))?[ \t]*+([;,]|\Z)', re.ASCII
)
_ESCAPED = re.compile(r"\\(.)")

# Of a WebSocket some proxies say what its address begins with.
_SCHEMES: Final[Mapping[str, str]] = {
    "http": "http",
    "https": "https",
    "ws": "http",
    "wss": "https",
}


class ForwardedError(ValueError):
    """A ``Forwarded`` that is against its grammar."""


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says of the request that it was sent.

    Attributes:
      client: where from; ``None`` if it does not say so, or not as an IP address.
      scheme: ``http`` or ``https``; ``None`` if it does not say.
    """

    client: IpAddress | None = None
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a request says of those it went through; empty where it says nothing.

    Attributes:
      forwarded_for: every ``X-Forwarded-For``, with commas between.
      proto: the same of ``X-Forwarded-Proto``.
      forwarded: the same of ``Forwarded``.
    """

    forwarded_for: str = ""
    proto: str = ""
    forwarded: str = ""


def parse_forwarded_for(text: str) -> list[Hop]:
    """Parse ``X-Forwarded-For``: addresses, the nearest one last."""
    items = (item.strip(" \t") for item in text.split(","))
    return [Hop(_parse_node(item)) for item in items if item]


def parse_forwarded(text: str) -> list[Hop]:
    """Parse ``Forwarded`` (RFC 7239, 4), the nearest one last.

    Raises:
      ForwardedError: it is against the grammar, and nothing of it can be relied on.
    """
    hops = []
    pairs: dict[str, str] = {}
    position, end = 0, ","
    while end:
        match = _PAIR.match(text, position)
        if match is None:
            raise ForwardedError("not name=value")
        name, token, quoted, end = match.groups()
        position = match.end()
        if name is not None:
            if name.lower() in pairs:
                raise ForwardedError("the same name twice")
            pairs[name.lower()] = _ESCAPED.sub(r"\1", quoted) if token is None else token
        if end != ";" and pairs:
            hops.append(Hop(_parse_node(pairs.get("for", "")), _scheme(pairs.get("proto", ""))))
            pairs = {}
    return hops


def is_proxy(place: IpAddress | None, proxies: Collection[Proxy]) -> bool:
    """Whether *place* is one of *proxies*; ``None`` is the other end of a UNIX socket."""
    if place is None:
        return "unix" in proxies
    return any(not isinstance(proxy, str) and place in proxy for proxy in proxies)


def find_client(peer: str | None, claims: Claims, proxies: Collection[Proxy]) -> Hop:
    """Return who has sent a request, and by which scheme, as far as that is to be believed.

    A proxy that handed on what cannot be read is taken for the client itself. Where two
    headers say different things, one of them may well have come from the client; then neither
    is believed.

    Args:
      peer: who has connected to us: an IP address; ``None`` for a UNIX socket.
      claims: what the request says.
      proxies: whom to believe.

    Returns:
      The client, or ``None`` if that is *peer*; the scheme, or ``None`` if it is that of the
      connection.
    """
    if not is_proxy(None if peer is None else parse_ip(peer), proxies):
        return Hop()
    said: list[Hop] = []
    if claims.forwarded_for.strip():
        said.append(_last_believed(parse_forwarded_for(claims.forwarded_for), proxies))
    if claims.forwarded.strip():
        try:
            said.append(_last_believed(parse_forwarded(claims.forwarded), proxies))
        except ForwardedError:
            said.append(Hop())
    schemes: list[str | None] = [hop.scheme for hop in said if hop.scheme]
    if claims.proto.strip():
        schemes.append(_scheme(claims.proto.strip()))
    return Hop(_agreed(hop.client for hop in said), _agreed(schemes))


def _last_believed(hops: list[Hop], proxies: Collection[Proxy]) -> Hop:
    """Return what is known of the farthest of whom one is told by a proxy of ours."""
    client, scheme = None, None
    for hop in reversed(hops):
        scheme = hop.scheme
        if hop.client is None:
            break
        client = hop.client
        if not is_proxy(client, proxies):
            break
    return Hop(client, scheme)


def _agreed(values: Iterable[_T]) -> _T | None:
    """Return what all *values* are; ``None`` if they differ, or there are none."""
    different = set(values)
    return different.pop() if len(different) == 1 else None


def _parse_node(text: str) -> IpAddress | None:
    """Return the IP address in *text*; ``None`` for ``unknown``, ``_hidden`` and nonsense."""
    if _IPV6.fullmatch(text) and text.count(":") > 1:
        host = text
    elif match := _NODE.fullmatch(text):
        host = match[1] or match[2]
    else:
        return None
    try:
        return parse_ip(host)
    except ValueError:
        return None


def _scheme(text: str) -> str | None:
    return _SCHEMES.get(text.lower())
