"""Addresses: one text an address, and nothing in them but an address."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.address import (
    Address,
    AddressError,
    UnixAddress,
    parse_address,
    parse_listen,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7079", Address("127.0.0.1", 7079)),
        ("localhost:0", Address("localhost", 0)),
        ("irc.example.org:65535", Address("irc.example.org", 65535)),
        ("[::1]:79", Address("::1", 79)),
        ("[fe80::1%eth0]:79", Address("fe80::1%eth0", 79)),
        ("bücher.example:79", Address("bücher.example", 79)),
        ("h:0079", Address("h", 79)),
    ],
)
def test_parse(text: str, address: Address) -> None:
    """A host, a colon and a port are an address; an IPv6 address stands in brackets."""
    assert parse_address(text) == address


NO_ADDRESSES = ["", ":", "h", "h:", ":79", "h:x", "h:-1", "h:+1", "h: 79", "h :79", " h:79"]
NO_ADDRESSES += ["h:79 ", "h:79\n", "h:123456", "h:65536", "h:٧٩", "http://h:79", "h:79/x"]
NO_ADDRESSES += ["a:b:79", "::1:79", "[::1]", "[::1]79", "[]:79", "[::1:79", "::1]:79", "[h]:79"]
NO_ADDRESSES += ["[127.0.0.1]:79", "[[::1]]:79"]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_no_address(text: str) -> None:
    """What is no address is refused."""
    with pytest.raises(AddressError):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("h", '"h" is not "HOST:PORT" or "[IPV6]:PORT"'),
        ("h:65536", "port 65536 is greater than 65535"),
        ("[h]:79", '"h" is not an IPv6 address'),
    ],
)
def test_words(text: str, why: str) -> None:
    """The words say what would be right."""
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert str(caught.value) == why


@given(
    texts("[]:0179.%/-@")
    | st.builds("{}:{}".format, texts(".-"), st.integers(0, 70_000))
    | st.builds("[fe80::1%{}]:79".format, texts())
)
@example("\x1b[31mh:79")
@example("\x1b]h:79")
@example("\x1bc:79")
@example("h\0:79")
@example("\udcff:79")
@example("\u202eh:79")
@example("[fe80::1%\n]:79")
def test_any_text(text: str) -> None:
    """Any text is refused, or an address that is the same written out, and safe to show."""
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert 0 <= address.port <= 65535
    assert address.host.isprintable()
    assert not set(address.host) & set(" []/")


hosts = st.ip_addresses().map(str) | st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z0-9]{1,10}){0,3}", fullmatch=True
).filter(str.isascii)


@given(hosts, st.integers(0, 65535))
def test_format_and_parse_are_inverses(host: str, port: int) -> None:
    """An address that was written is read again as the same address."""
    address = Address(host, port)
    assert parse_address(str(address)) == address


@given(st.ip_addresses())
@example(ipaddress.ip_address("127.255.255.254"))
@example(ipaddress.ip_address("::1"))
@example(ipaddress.ip_address("0.0.0.0"))
@example(ipaddress.ip_address("::"))
def test_loopback(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Just 127.0.0.0/8 and ::1 are reached by this machine alone."""
    loopback = ip in ipaddress.ip_network("127.0.0.0/8") or ip == ipaddress.ip_address("::1")
    # Of these it depends on Python's version; either answer is right.
    mapped = isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None
    assert mapped or Address(str(ip), 79).is_loopback == loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("", False),
        ("127.1", False),
        ("0x7f000001", False),
        ("2130706433", False),
    ],
)
def test_loopback_names(host: str, loopback: bool) -> None:
    """Of names only localhost is surely this machine; odd spellings are not believed."""
    assert Address(host, 79).is_loopback is loopback


# UNIX sockets


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/trio-finger/setter.sock", UnixAddress("/run/trio-finger/setter.sock")),
        ("unix:run/setter.sock", UnixAddress("run/setter.sock")),
        ("unix:79", UnixAddress("79")),
        ("unix:a b:c", UnixAddress("a b:c")),
        ("unix:" + "x" * 107, UnixAddress("x" * 107)),
        ("unixen:79", Address("unixen", 79)),
        ("[::1]:79", Address("::1", 79)),
    ],
)
def test_parse_listen(text: str, address: Address | UnixAddress) -> None:
    """Where something listens is an address, or the path of a UNIX socket."""
    assert parse_listen(text) == address
    assert parse_listen(str(address)) == address


def test_unix_is_loopback() -> None:
    """Only this machine reaches a file."""
    assert UnixAddress("run/setter.sock").is_loopback


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("unix:", "the path of a UNIX socket is missing"),
        ("unix:a\0b", "an address has only printable characters"),
        ("unix:\x1b[31m", "an address has only printable characters"),
        ("unix:a\nb", "an address has only printable characters"),
        ("unix", '"unix" is not "HOST:PORT" or "[IPV6]:PORT"'),
        ("unix/a", '"unix/a" is not "HOST:PORT" or "[IPV6]:PORT"'),
        ("Unix:/a", '"Unix:/a" is not "HOST:PORT" or "[IPV6]:PORT"'),
    ],
)
def test_no_listen(text: str, why: str) -> None:
    """What is neither is refused in words."""
    with pytest.raises(AddressError) as caught:
        parse_listen(text)
    assert str(caught.value) == why


@pytest.mark.parametrize("path", ["x" * 108, "é" * 54, "/x" * 5000])
def test_path_too_long(path: str) -> None:
    """A path that no socket can have is refused, with what would be the most, in bytes."""
    with pytest.raises(AddressError, match="at most 107 bytes") as caught:
        UnixAddress(path)
    assert f"this one {len(path.encode())}: " in str(caught.value)
    assert UnixAddress("é" * 53).path == "é" * 53


def test_path_with_nul() -> None:
    """A path that no file can have is refused, whoever put it together."""
    with pytest.raises(AddressError, match="cannot hold a NUL"):
        UnixAddress("a\0b")


def test_clients_speak_tcp() -> None:
    """Where an address is one to connect to, a path is none."""
    with pytest.raises(AddressError):
        parse_address("unix:/run/setter.sock")


@given(st.builds("unix:{}".format, texts("/.:")) | texts("unix:/"))
@example("unix:\udcff")
def test_any_listen(text: str) -> None:
    """Any text is refused, or somewhere to listen that is the same written out."""
    try:
        address = parse_listen(text)
    except AddressError:
        return
    assert parse_listen(str(address)) == address
    assert str(address).isprintable()
