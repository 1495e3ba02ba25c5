"""Who is let in at a door: by network, by rate, by room; and what is counted and logged."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from tests.net.server import events
from trio_finger.config import Network
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Gate, Limits
from trio_finger.protocol.rate import Rate


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as records:
        yield records


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


def make_gate(connections: int = 10, **limits: Any) -> Gate:
    return Gate(Limits(connections, **limits), Counts(), get_log("test"))


HERE = networks("192.0.2.0/24", "2001:db8::/32")


@pytest.mark.parametrize(
    ("allow", "deny", "host", "refused"),
    [
        ((), (), "203.0.113.1", False),
        ((), (), None, False),
        (HERE, (), "192.0.2.255", False),
        (HERE, (), "192.0.3.0", True),
        (HERE, (), "2001:db8::1", False),
        (HERE, (), "2001:db9::1", True),
        (HERE, (), "::ffff:192.0.2.7", False),  # an IPv4 client of a socket of IPv6
        (HERE, (), "::ffff:203.0.113.1", True),
        (HERE, (), None, False),  # a UNIX socket is no network
        ((), HERE, "192.0.2.7", True),
        ((), HERE, "::ffff:192.0.2.7", True),
        ((), HERE, "203.0.113.1", False),
        ((), HERE, None, False),
        (HERE, networks("192.0.2.7"), "192.0.2.7", True),  # whatever allow says
        (HERE, networks("192.0.2.7"), "192.0.2.8", False),
        (networks("192.0.2.7"), HERE, "192.0.2.7", True),
        (networks("0.0.0.0/0"), (), "203.0.113.1", False),
        (networks("0.0.0.0/0"), (), "2001:db8::1", True),
        (networks("::/0"), (), "2001:db8::1", False),
        (networks("fe80::/10"), (), "fe80::1%eth0", False),
        (networks("::ffff:0:0/96"), (), "192.0.2.7", True),
    ],
)
async def test_networks(
    log: list[Any], allow: tuple[Network, ...], deny: tuple[Network, ...], host: str, refused: bool
) -> None:
    """Who is not in an allowed network, or in a denied one, is refused, counted and logged."""
    gate = make_gate(allow=allow, deny=deny)
    assert gate.refuse(host, 0) == ("network" if refused else None)
    assert gate.counts.refused == ({"network": 1} if refused else {})
    assert events(log) == [("warning", "network not allowed")] * refused
    assert [record["peer"] for record in log] == [host] * refused


async def test_rate(log: list[Any]) -> None:
    """Who comes too often is refused, counted and logged; those of a UNIX socket never do."""
    gate = make_gate(rate=Rate(2, 1))
    assert [gate.refuse("192.0.2.7", 0) for _ in range(4)] == [None, None, "rate", "rate"]
    assert gate.refuse("192.0.2.8", 0) is None
    assert gate.refuse("192.0.2.7", 0.6) is None
    assert [gate.refuse(None, 0) for _ in range(9)] == [None] * 9
    assert gate.counts.refused == {"rate": 2}
    assert events(log) == [("warning", "too many from one source")]


async def test_network_before_rate(log: list[Any]) -> None:
    """Who is not served at all takes up no place in the table of rates."""
    gate = make_gate(rate=Rate(1, 1), deny=HERE)
    for number in range(100):
        assert gate.refuse(f"192.0.2.{number}", 0) == "network"
    assert gate._rates is not None
    assert len(gate._rates) == 0


async def test_t25_room(log: list[Any]) -> None:
    """T25: with as many as are served at once there is no room; with one less there is again."""
    gate = make_gate(2)
    for _ in range(2):
        assert not gate.is_full("192.0.2.7")
        gate.enter()
    assert gate.is_full("192.0.2.7")
    assert gate.is_full(None)
    gate.leave()
    assert not gate.is_full("192.0.2.7")
    assert (gate.counts.accepted, gate.counts.open) == (2, 1)
    assert gate.counts.refused == {"connections": 2}
    assert [(record["event"], record["limit"]) for record in log] == [("too many connections", 2)]


async def test_proxies() -> None:
    """Who has to send a header is told by network, wrapped or not; nobody is, by default."""
    gate = make_gate(proxies=networks("127.0.0.2", "2001:db8::/64"))
    for host in ("127.0.0.2", "::ffff:127.0.0.2", "2001:db8::7"):
        assert gate.is_proxy(host)
        assert not make_gate().is_proxy(host)
    for other in ("127.0.0.1", "2001:db8:0:1::7", "::1", None):
        assert not gate.is_proxy(other)


async def test_t29_faults(log: list[Any]) -> None:
    """T29: a fault is counted each time, and the log has its traceback once in a while."""
    gate = make_gate()
    for _ in range(3):
        gate.fault(RuntimeError("x"), "192.0.2.7")
    assert gate.counts.faults == 3
    assert [(record["event"], record["peer"]) for record in log] == [
        ("fault in a connection", "192.0.2.7")
    ]
    assert isinstance(log[0]["exc_info"], RuntimeError)


async def test_t25_exhausted(log: list[Any]) -> None:
    """T25: what the system lacks is said once in a while, in its words, and counted."""
    gate = make_gate()
    for _ in range(3):
        gate.note_exhausted(OSError(24, "Too many open files"))
    assert gate.counts.refused == {"descriptors": 3}
    assert events(log) == [("error", "cannot accept")]
    assert log[0]["reason"] == "Too many open files"


async def test_cut(log: list[Any]) -> None:
    """Who was let in and not served to the end is counted by reason, and logged quietly."""
    gate = make_gate()
    gate.cut("slow", "client too slow", peer="192.0.2.7")
    gate.cut("tls", "no TLS", peer="192.0.2.7", reason="none")
    gate.cut("slow", "client too slow", peer="192.0.2.7")
    assert gate.counts.refused == {"slow": 2, "tls": 1}
    assert events(log) == [("info", "client too slow"), ("info", "no TLS")]


async def test_t25_no_flood_in_the_log(log: list[Any]) -> None:
    """T25: whatever a crowd is refused for, the log has one record of each kind at first."""
    gate = make_gate(1, rate=Rate(1, 1), deny=HERE)
    gate.enter()
    async with gate.damper.running():
        for _ in range(1000):
            gate.refuse("203.0.113.1", 0)
            gate.refuse("192.0.2.7", 0)
            gate.is_full("203.0.113.1")
            await trio.lowlevel.checkpoint()
        assert len(log) == 3
    assert gate.counts.refused == {"rate": 999, "network": 1000, "connections": 1000}
    assert sorted(record.get("times", 0) for record in log) == [0, 0, 0, 998, 999, 999]
