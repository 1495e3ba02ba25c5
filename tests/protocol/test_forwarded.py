"""What proxies say of the client: read from the right, and believed only of proxies of ours."""

from contextlib import suppress
from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.protocol.address import IpAddress, parse_ip
from trio_finger.protocol.forwarded import (
    Claims,
    ForwardedError,
    Hop,
    Proxy,
    find_client,
    is_proxy,
    parse_forwarded,
    parse_forwarded_for,
)

PROXIES: tuple[Proxy, ...] = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))
UNIX: tuple[Proxy, ...] = ("unix",)
PEER = "10.0.0.1"

V6 = "2001:db8::7"


def hops(*clients: str | None) -> list[Hop]:
    """Return one hop a client."""
    return [Hop(parse_ip(client) if client else None) for client in clients]


# The headers

FOR = [
    ("192.0.2.7", ["192.0.2.7"]),
    ("192.0.2.7, 198.51.100.1", ["192.0.2.7", "198.51.100.1"]),
    (" 192.0.2.7 ,\t198.51.100.1,", ["192.0.2.7", "198.51.100.1"]),
    (V6, [V6]),
    (f"[{V6}]", [V6]),
    (f"[{V6}]:4711", [V6]),
    ("2001:DB8::7", [V6]),
    ("192.0.2.7:4711", ["192.0.2.7"]),
    ("::ffff:192.0.2.7", ["192.0.2.7"]),
    ("", []),
    (" , ,", []),
    ("unknown", [None]),
    ("unix:", [None]),
    ("_hidden, 192.0.2.7", [None, "192.0.2.7"]),
]
NO_ADDRESS = ["localhost", "192.0.2", "192.0.2.256", "192.0.02.7", "192.0.2.7:", "192.0.2.7:x"]
NO_ADDRESS += ["192.0.2.7:123456", "[192.0.2.7]x", "[::1", "::1]", ":::", "[]", "fe80::1%eth0"]
NO_ADDRESS += [
    "192.0.2.7 198.51.100.1",
    "192.0.2.7;",
    '"192.0.2.7"',
    "1\N{SUPERSCRIPT TWO}",
    "0x7f.1",
]
NO_ADDRESS += ["192.0.2.7%\n", "2130706433", "192.0.2.7\n", "%", "\0", "١٩٢.0.2.7"]


@pytest.mark.parametrize(("text", "clients"), FOR)
def test_forwarded_for(text: str, clients: list[str | None]) -> None:
    """``X-Forwarded-For`` is addresses and commas, with all that is around them in real life."""
    assert parse_forwarded_for(text) == hops(*clients)


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_no_address(text: str) -> None:
    """What is no IP address is nobody's, and takes nothing from its neighbours."""
    assert parse_forwarded_for(f"192.0.2.1,{text},192.0.2.2")[1] == Hop(None)
    assert parse_forwarded_for(f"192.0.2.1,{text},192.0.2.2")[::2] == hops("192.0.2.1", "192.0.2.2")


# Most are the examples of RFC 7239.
FORWARDED = [
    ('for="_gazonk"', hops(None)),
    ('For="[2001:db8:cafe::17]:4711"', hops("2001:db8:cafe::17")),
    ("for=192.0.2.60;proto=http;by=203.0.113.43", [Hop(parse_ip("192.0.2.60"), "http")]),
    ("for=192.0.2.43, for=198.51.100.17", hops("192.0.2.43", "198.51.100.17")),
    ('for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown', [
        *hops("192.0.2.43", "2001:db8:cafe::17", None)
    ]),
    ("for=_hidden, for=_SEVKISEK", hops(None, None)),
    ('for="192.0.2.43:47011"', hops("192.0.2.43")),
    ('for="192.0.2.43:_port"', hops("192.0.2.43")),
    ("FOR=192.0.2.7 ; Proto=HTTPS", [Hop(parse_ip("192.0.2.7"), "https")]),
    ("proto=https", [Hop(None, "https")]),
    ("proto=gopher", [Hop(None, None)]),
    ('for="192\\.0.2\\.7"', hops("192.0.2.7")),
    ('host="a,b;for=192.0.2.66";for=192.0.2.7', hops("192.0.2.7")),
    (',for=192.0.2.7;, ;secret="\\"";', [*hops("192.0.2.7"), Hop()]),
    ("", []),
    (" ", []),
]  # fmt: skip
WRONG = ["192.0.2.7", "for", "for=", "=x", "for=[::1]", "for=::1", 'for="x', 'for="x\\"', "for =x"]
WRONG += ["for=x y", 'for="x"y', "for=1;for=2", "for=1;FOR=1", "for= x", "for=\N{SNOWMAN}", "\n"]


@pytest.mark.parametrize(("text", "found"), FORWARDED)
def test_forwarded(text: str, found: list[Hop]) -> None:
    """``Forwarded`` is read as RFC 7239 writes it, and a little more kindly."""
    assert parse_forwarded(text) == found


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("form", ["{}", "for=192.0.2.1,{}", "{},for=192.0.2.1"])
def test_wrong_forwarded(text: str, form: str) -> None:
    """What is against the grammar is an error as a whole: quotes may make anything of the rest."""
    with pytest.raises(ForwardedError):
        parse_forwarded(form.format(text))


addresses = st.ip_addresses().map(lambda ip: parse_ip(str(ip)))
SCHEMES = st.sampled_from([None, "http", "https"])


def spell(node: object) -> str:
    """Spell an address, or anything else, for ``Forwarded``."""
    return f'"[{node}]"' if ":" in str(node) else f'"{node}"'


@given(st.lists(st.tuples(addresses, SCHEMES), min_size=1), st.sampled_from([",", ", ", " ,,\t"]))
def test_forwarded_is_read_as_it_is_written(
    said: list[tuple[IpAddress, str | None]], comma: str
) -> None:
    """Any chain comes out as it went in, whatever else is said beside it."""
    items = []
    for ip, scheme in said:
        pairs = ['by="a, for=1;\\""', f"for={spell(ip)}"]
        items.append(";".join(pairs + ([f"proto={scheme}"] if scheme else [])))
    assert parse_forwarded(comma.join(items)) == [Hop(*one) for one in said]


@given(st.text(st.sampled_from('for=1;",\\ \t[]:._x') | st.characters(), max_size=200))
def test_nothing_else_is_raised(text: str) -> None:
    """Whatever is sent is read, or refused; and what is not believed changes nothing."""
    parse_forwarded_for(text)
    with suppress(ForwardedError):
        parse_forwarded(text)
    claims = Claims(text, text, text)
    found = find_client(PEER, claims, PROXIES)
    assert found.scheme in (None, "http", "https")
    assert find_client("192.0.2.1", claims, PROXIES) == Hop()


@pytest.mark.parametrize("text", [" " * 65_536 + "x", '"' * 65_536, 'for="' + "\\" * 65_536])
def test_no_header_takes_long(text: str) -> None:
    """Reading takes time in proportion: were it the square of this, the test would not end."""
    with pytest.raises(ForwardedError):
        parse_forwarded(text)
    with pytest.raises(ForwardedError):
        parse_forwarded("for=x;" + text)


# Whom to believe

CHAINS = [
    ("192.0.2.7", "192.0.2.7"),
    ("192.0.2.66, 192.0.2.7", "192.0.2.7"),
    ("192.0.2.66, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
    ("192.0.2.66, 192.0.2.7, 2001:db8:1::2, ::ffff:10.0.0.2", "192.0.2.7"),
    ("10.0.0.3, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
    ("rubbish, 192.0.2.7", "192.0.2.7"),
    # A client within a trusted network is known as far as proxies tell.
    ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
    # Whoever handed on what nobody can read is as far as one can see.
    ("192.0.2.7, rubbish, 10.0.0.2", "10.0.0.2"),
    ("192.0.2.7, rubbish", None),
    ("192.0.2.7, unknown", None),
    ("", None),
    (" , ", None),
]


@pytest.mark.parametrize(("chain", "client"), CHAINS)
def test_t28_right_most_that_is_no_proxy(chain: str, client: str | None) -> None:
    """T28: the client is the right-most who is no proxy; what is left of that may be invented."""
    expected = client and parse_ip(client)
    assert find_client(PEER, Claims(chain), PROXIES).client == expected
    items = [item.strip() for item in chain.split(",") if item.strip()]
    forwarded = ", ".join(f"for={spell(item)}" for item in items)
    assert find_client(PEER, Claims(forwarded=forwarded), PROXIES).client == expected


@given(st.text(max_size=50), addresses.filter(lambda ip: not is_proxy(ip, PROXIES)))
def test_t28_nothing_invented_is_believed(invented: str, client: IpAddress) -> None:
    """T28: whatever a client puts before what the proxy appends, it is found out."""
    assert find_client(PEER, Claims(f"{invented}, {client}"), PROXIES).client == client


@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "2001:db8:2::1", "::1", None])
def test_t28_strangers(peer: str | None) -> None:
    """T28: who is no proxy of ours is not believed, be it in the address or in the scheme."""
    claims = Claims("192.0.2.7", "https", "for=192.0.2.7;proto=https")
    assert find_client(peer, claims, PROXIES) == Hop()
    assert find_client(peer, claims, ()) == Hop()


@pytest.mark.parametrize("peer", ["10.255.0.1", "::ffff:10.0.0.1", "2001:db8:1::1", None])
def test_proxies(peer: str | None) -> None:
    """Proxies are known by their network, IPv4 in the clothes of IPv6 as well, or by the socket."""
    claims = Claims("192.0.2.7", "https")
    found = find_client(peer, claims, PROXIES + UNIX)
    assert found == Hop(parse_ip("192.0.2.7"), "https")


def test_unix_is_no_network() -> None:
    """To trust the socket is to trust nobody at an address."""
    assert find_client(PEER, Claims("192.0.2.7"), UNIX) == Hop()
    assert not is_proxy(ip_address("0.0.0.0"), UNIX)
    assert not is_proxy(None, (IPv4Network("0.0.0.0/0"),))


BOTH = [
    ("192.0.2.7", "for=192.0.2.7", "192.0.2.7"),
    ("192.0.2.66, 192.0.2.7", "for=192.0.2.7, for=10.0.0.2", "192.0.2.7"),
    ("192.0.2.7", "for=192.0.2.66", None),
    ("192.0.2.7", 'for="', None),
    ("192.0.2.7", "for=unknown", None),
    ("rubbish", "for=192.0.2.7", None),
]


@pytest.mark.parametrize(("one", "other", "client"), BOTH)
def test_t28_two_headers(one: str, other: str, client: str | None) -> None:
    """T28: a proxy that sets one header may hand on the other, so they are to say the same."""
    found = find_client(PEER, Claims(one, forwarded=other), PROXIES).client
    assert found == (client and parse_ip(client))


SCHEME = [
    (Claims(proto="https"), "https"),
    (Claims(proto=" HTTP "), "http"),
    (Claims(proto="wss"), "https"),
    (Claims(proto="ws"), "http"),
    (Claims(proto="gopher"), None),
    (Claims(proto="https,http"), None),
    (Claims(proto="https,https"), None),
    (Claims(forwarded="for=192.0.2.7;proto=https"), "https"),
    (Claims(forwarded="for=192.0.2.7;proto=https, for=10.0.0.2;proto=http"), "https"),
    (Claims(forwarded="for=192.0.2.66;proto=https, for=192.0.2.7;proto=http"), "http"),
    (Claims(forwarded="proto=https"), "https"),
    (Claims(proto="https", forwarded="for=192.0.2.7;proto=https"), "https"),
    (Claims(proto="https", forwarded="for=192.0.2.7"), "https"),
    (Claims(proto="https", forwarded="proto=http"), None),
    (Claims(proto="rubbish", forwarded="proto=https"), None),
]


@pytest.mark.parametrize(("claims", "scheme"), SCHEME)
def test_scheme(claims: Claims, scheme: str | None) -> None:
    """The scheme is the client's, from the proxy that the client has asked."""
    assert find_client(PEER, claims, PROXIES).scheme == scheme
