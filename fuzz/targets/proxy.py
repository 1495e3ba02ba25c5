"""The PROXY header: told at the first byte that settles it, and the same written out."""

from ipaddress import ip_address
from struct import pack

from fuzz.inputs import cuts
from fuzz.target import Target
from fuzz.targets.address import check_address
from trio_finger.protocol.address import Address
from trio_finger.protocol.proxy import SIGNATURE, ProxyError, ProxyHeader, parse_proxy_header

_ALL_PREFIXES = 128  # bytes; of what is longer only some are tried


def _parse(data: bytes | bytearray) -> ProxyHeader | str | None:
    try:
        return parse_proxy_header(data)
    except ProxyError as error:
        return str(error)


def check(data: bytes) -> None:
    """What is settled stays so whatever follows, and needs no more bytes than it says."""
    outcome = _parse(data)
    assert _parse(bytearray(data)) == outcome
    for end in [*range(min(len(data), _ALL_PREFIXES)), *cuts(data)]:
        assert _parse(data[:end]) in (None, outcome)
    if isinstance(outcome, ProxyHeader):
        assert 0 < outcome.size <= len(data)
        assert _parse(data[: outcome.size]) == outcome
        assert _parse(data[: outcome.size - 1]) is None
        if outcome.source is not None:
            _check_source(outcome.source)
    elif outcome is None:
        assert len(data) < 16 + 65536


def _check_source(source: Address) -> None:
    check_address(source)
    ip = ip_address(source.host)
    assert str(ip) == source.host
    assert ip.version == 4 or ip.ipv4_mapped is None
    line = f"PROXY TCP{ip.version} {ip} {ip} {source.port} 79\r\n".encode()
    assert parse_proxy_header(line) == ProxyHeader(source, len(line))
    family = 0x11 if ip.version == 4 else 0x21
    body = ip.packed * 2 + pack("!HH", source.port, 79)
    binary = SIGNATURE + pack("!BBH", 0x21, family, len(body)) + body
    assert parse_proxy_header(binary + b"moshez\r\n") == ProxyHeader(source, len(binary))


TARGET = Target(
    check,
    seeds=(
        b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 79\r\nmoshez\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 40000 79\r\n",
        b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 65535\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff 65535\r\n",
        SIGNATURE + b"\x21\x11\x00\x0c" + bytes(range(12)) + b"moshez\r\n",
        SIGNATURE + b"\x21\x21\x00\x24" + bytes(10) + b"\xff\xff" + bytes(24),
        SIGNATURE + b"\x20\x00\x00\x00",
        SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
    ),
    tokens=(SIGNATURE, b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"\r\n", b"::ffff:", b" 65535"),
    max_len=2300,
)
