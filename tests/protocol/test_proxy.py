"""PROXY headers: whom a proxy speaks for, however its bytes are cut, and what is none."""

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_finger.protocol.address import Address
from trio_finger.protocol.proxy import (
    PRETENDED,
    SIGNATURE,
    ProxyError,
    ProxyHeader,
    parse_proxy_header,
)

QUERY = b"moshez\r\n"


def version_2(
    source: str = "192.0.2.7",
    destination: str = "192.0.2.1",
    port: int = 4711,
    *,
    command: int = 0x21,
    family: int | None = None,
    more: bytes = b"",
) -> bytes:
    """Return a header of version 2 (2.2 of the specification), with *more* after its addresses."""
    kind = socket.AF_INET6 if ":" in source else socket.AF_INET
    if family is None:
        family = 0x21 if ":" in source else 0x11
    body = socket.inet_pton(kind, source) + socket.inet_pton(kind, destination)
    body += struct.pack("!HH", port, 79) + more
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


def version_2_of(body: bytes, *, command: int = 0x21, family: int = 0x11) -> bytes:
    """Return a header of version 2 with any *body*."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


V6 = "2001:db8::7"
RIGHT = [
    # Version 1: the examples of 2.1 and its limits.
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\r\n", Address("192.0.2.7", 4711)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"),
    (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 79\r\n", Address(V6, 4711)),
    (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 2001:db8::1 4711 79\r\n", Address(V6, 4711)),
    (
        b"PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replace(
            b"f...f", b"ffff:ffff:ffff:ffff:ffff:ffff"
        ),
        Address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    ),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),  # 107 bytes
    (
        b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n".replace(
            b"f...f", b"ffff:ffff:ffff:ffff:ffff:ffff"
        ),
        None,
    ),
    # IPv4 that is wrapped in IPv6 is the IPv4 address that rules are written for.
    (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 4711 79\r\n", Address("192.0.2.7", 4711)),
    (b"PROXY TCP6 ::ffff:c000:207 ::1 4711 79\r\n", Address("192.0.2.7", 4711)),
    # Version 2.
    (version_2(), Address("192.0.2.7", 4711)),
    (version_2(V6, "2001:db8::1"), Address(V6, 4711)),
    (version_2("::ffff:192.0.2.7", "::1"), Address("192.0.2.7", 4711)),
    (version_2(more=b"\x03\x00\x04abcd"), Address("192.0.2.7", 4711)),  # a CRC32C, unchecked
    (version_2(V6, "2001:db8::1", more=bytes(200)), Address(V6, 4711)),
    (version_2(more=bytes(2048 - 28)), Address("192.0.2.7", 4711)),  # 2048 bytes
    (version_2_of(b"", command=0x20, family=0), None),
    (version_2(command=0x20), None),  # LOCAL: for itself, whatever else it says
    (version_2_of(b"x", command=0x20), None),
    (version_2_of(b"", family=0), None),  # PROXY, of an unknown kind
    (version_2_of(bytes(216), family=0x31), None),  # a UNIX socket
    (version_2_of(bytes(216), family=0x32), None),
    (version_2(family=0x12), None),  # UDP
]
HEADERS = [header for header, _ in RIGHT]


@pytest.mark.parametrize(("header", "source"), RIGHT)
def test_right(header: bytes, source: Address | str | None) -> None:
    """A header says whom the proxy speaks for, and is told from what follows it."""
    for rest in (b"", QUERY, b"\r\n", header):
        found = parse_proxy_header(header + rest)
        assert found is not None
        assert found.size == len(header)
        assert str(found.source) == str(source)


@pytest.mark.parametrize("header", HEADERS)
def test_t27_split_at_every_byte(header: bytes) -> None:
    """T27: however a header is cut, it is whole with its last byte, and no earlier."""
    for size in range(len(header)):
        assert parse_proxy_header(header[:size]) is None, size
        assert parse_proxy_header(bytearray(header[:size])) is None, size
    assert parse_proxy_header(header) is not None


def test_local_has_no_family() -> None:
    """A proxy that asks for itself may name any family: that is to be ignored (2.2)."""
    header = version_2_of(b"", command=0x20, family=0x41)
    assert parse_proxy_header(header) == ProxyHeader(None, len(header))


V1_WRONG = [
    b"PROXY",
    b"PROXY ",
    b"PROXY  TCP4 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY tcp4 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY TCP 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY TCP5 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY UDP4 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY TCP4",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79 ",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79 80",
    b"PROXY TCP4 192.0.2.7  192.0.2.1 4711 79",
    b"PROXY TCP4\t192.0.2.7 192.0.2.1 4711 79",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 65536 79",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 65536",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 79",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 +1 79",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 x",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 \xd9\xa1 79",
    b"PROXY TCP4 192.0.2.256 192.0.2.1 4711 79",
    b"PROXY TCP4 192.0.2.07 192.0.2.1 4711 79",
    b"PROXY TCP4 192.0.2.7.1 192.0.2.1 4711 79",
    b"PROXY TCP4 192.0.2 192.0.2.1 4711 79",
    b"PROXY TCP4 0xc0000207 192.0.2.1 4711 79",
    b"PROXY TCP4 192.0.2.7 nowhere 4711 79",
    b"PROXY TCP4 192.0.2.7 2001:db8::1 4711 79",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 79",
    b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 79",
    b"PROXY TCP6 2001:db8::7%eth0 2001:db8::1 4711 79",
    b"PROXY TCP6 [2001:db8::7] 2001:db8::1 4711 79",
    b"PROXY TCP6 2001:db8:::7 2001:db8::1 4711 79",
    b"PROXY UNKNOWNED",
    b"PROXY UNKNOWN\n",
    b"PROXY UNKNOWN\t",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\nmoshez",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\r",
    b"PROXY \xff\xfe",
    b"PROXY moshez",
]


@pytest.mark.parametrize("line", V1_WRONG)
def test_t27_malformed_1(line: bytes) -> None:
    """T27: a line that is not just what the specification has is no header."""
    with pytest.raises(ProxyError):
        parse_proxy_header(line + b"\r\n")


@pytest.mark.parametrize(
    "line", [b"PROXY " + b"x" * 101, b"PROXY " + b"x" * 4000, b"PROXY UNKNOWN " + b"x" * 93]
)
def test_t27_too_long_1(line: bytes) -> None:
    """T27: with 107 bytes and no end of a line it is clear that there will be no header."""
    for end in (b"", b"\r\n"):
        assert parse_proxy_header(line[:106]) is None
        with pytest.raises(ProxyError):
            parse_proxy_header(line + end)


@pytest.mark.parametrize(
    "header",
    [
        *(version_2(command=command) for command in (0, 0x01, 0x10, 0x11, 0x22, 0x2F, 0x31, 0xFF)),
        *(version_2(family=family) for family in (0x01, 0x10, 0x13, 0x20, 0x33, 0x41, 0xFF)),
        *(version_2_of(bytes(size)) for size in (0, 1, 11)),
        *(version_2_of(bytes(size), family=0x21) for size in (0, 12, 35)),
        version_2(more=bytes(2048 - 27)),
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"moshez\r\n",
    ],
)
def test_t27_malformed_2(header: bytes) -> None:
    """T27: an unknown version, command or family, or a wrong length, is no header.

    That is clear with the sixteen bytes of its head: nothing is waited for.
    """
    for data in (header, header[:16]):
        with pytest.raises(ProxyError):
            parse_proxy_header(data)


@pytest.mark.parametrize(
    "data",
    [
        *(QUERY, b"\n", b"\r\nx", b"\r\n\r\nx", b"x", b"PROXI", b"proxy ", b"\0", b"\xff" * 20),
        *(SIGNATURE[:11] + b"\r", SIGNATURE[1:], b"\r\n\r\n\0\r\nQUIT\r\n", b" PROXY TCP4 "),
    ],
)
def test_t27_missing(data: bytes) -> None:
    """T27: what begins otherwise is no header, and nothing is waited for."""
    with pytest.raises(ProxyError):
        parse_proxy_header(data)


addresses = st.ip_addresses().map(str)
ports = st.integers(0, 65535)


@given(source=addresses, port=ports, more=st.binary(max_size=200), rest=st.binary(max_size=50))
@example(source="::ffff:127.0.0.1", port=1, more=b"", rest=QUERY)
def test_any_source(source: str, port: int, more: bytes, rest: bytes) -> None:
    """Both versions carry any address and port, and nothing of what follows is lost."""
    ip = ip_address(source)
    expected = Address(str(getattr(ip, "ipv4_mapped", None) or ip), port)
    kind, here = ("TCP6", "::1") if ip.version == 6 else ("TCP4", "127.0.0.1")
    for header in (
        f"PROXY {kind} {source} {here} {port} 79\r\n".encode(),
        version_2(source, here, port, more=more),
    ):
        assert parse_proxy_header(header + rest) == ProxyHeader(expected, len(header))


noise = st.binary(max_size=300)
heads = st.sampled_from([*PRETENDED, *HEADERS, *(SIGNATURE + bytes((n,)) for n in (0x20, 0x21))])


@given(noise | st.tuples(heads, noise).map(b"".join) | st.builds(bytes, st.permutations(QUERY)))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a header, its beginning or none; more bytes change nothing that was said."""
    said: ProxyHeader | bool | None = None
    for size in range(len(data) + 1):
        try:
            now: ProxyHeader | bool | None = parse_proxy_header(data[:size])
        except ProxyError:
            now = False
        assert said is None or now == said
        said = now
        assert said is not None or size < 2048
        if isinstance(said, ProxyHeader):
            assert 0 < said.size <= size
