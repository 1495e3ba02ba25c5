"""Addresses: any text is refused in words fit to show, or the same address written out."""

from ipaddress import ip_address

from fuzz.inputs import as_text
from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.address import (
    Address,
    AddressError,
    Listen,
    UnixAddress,
    parse_address,
    parse_listen,
)


def check(data: bytes) -> None:
    """`parse_listen` takes what `parse_address` takes, and paths besides."""
    text = as_text(data)
    place = _parse_listen(text)
    try:
        address = parse_address(text)
    except AddressError:
        assert not isinstance(place, Address)
    else:
        assert place == address or text.startswith("unix:")
        check_address(address)
    if isinstance(place, UnixAddress):
        assert place.path
        assert place.path.isprintable()
        assert len(place.path.encode()) <= 107
        assert place.is_loopback
    if place is not None:
        assert parse_listen(str(place)) == place


def check_address(address: Address) -> None:
    """It is safe to show, can be looked up, and is the same written out."""
    assert 0 <= address.port <= 65535
    assert address.host.isprintable()
    assert is_clean(address.host)
    assert not set(address.host) & set(" []/")
    assert parse_address(str(address)) == address
    if ":" in address.host:
        assert ip_address(address.host).version == 6
    elif address.is_loopback:
        assert address.host == "localhost" or address.host.startswith("127.")


def _parse_listen(text: str) -> Listen | None:
    try:
        return parse_listen(text)
    except AddressError as error:
        assert str(error).isprintable()
        return None


TARGET = Target(
    check,
    seeds=(
        b"127.0.0.1:7079",
        b"[fe80::1%eth0]:79",
        b"[::ffff:127.0.0.1]:65535",
        b"unix:/run/trio-finger/setter.sock",
        b"b\xc3\xbccher.example:79",
        b"localhost:0",
        b"unix:" + b"x" * 108,
    ),
    tokens=(b"unix:", b"[::", b"]:", b"%", b"xn--", b"\xe3\x80\x82", b"\xc2\xad", b"65536", b"."),
    max_len=512,
)
