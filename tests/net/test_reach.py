"""Connecting to an address that was looked at first, and to no other."""

import gc
import math
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.rfc1288.watching import watching
from trio_finger.net import ReachError, connect, is_public
from trio_finger.protocol.address import IpAddress

NOT_ALLOWED = "is at an address that is not allowed"
NAME = "db.example.org"


def anywhere(_: IpAddress) -> bool:
    return True


class Resolver(trio.abc.HostnameResolver):
    """A name server that gives one answer after the other, and keeps count."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes | None] = []

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the interface calls it so
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append(host)
        found = self.answers.pop(0)
        return [entry for ip in found for entry in socket.getaddrinfo(ip, port, type=type)]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise NotImplementedError


@contextmanager
def resolving(*answers: list[str]) -> Iterator[Resolver]:
    """Have names looked up in a `Resolver` with these *answers*."""
    resolver = Resolver(*answers)
    before = trio.socket.set_custom_hostname_resolver(resolver)
    try:
        yield resolver
    finally:
        trio.socket.set_custom_hostname_resolver(before)


@asynccontextmanager
async def listening() -> AsyncIterator[trio.SocketListener]:
    """Listen for the length of an ``async with``."""
    with trio.fail_after(20):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            yield listener


@asynccontextmanager
async def listening_and(
    other: str, backlog: int = 100
) -> AsyncIterator[tuple[trio.SocketListener, socket.socket]]:
    """Listen at the same port of the *other* address, too."""
    with ExitStack() as stack:
        for _ in range(100):
            second = stack.enter_context(socket.socket())
            second.bind((other, 0))
            with suppress(OSError):  # somebody else may have that port there
                (first,) = await trio.open_tcp_listeners(second.getsockname()[1], host="127.0.0.1")
                break
        second.listen(backlog)
        with trio.fail_after(20):
            async with first:
                yield first, second


def port_of(listener: trio.SocketListener) -> int:
    port: int = listener.socket.getsockname()[1]
    return port


# Which addresses are public


@pytest.mark.parametrize(
    "ip",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:0:808:808:0:ffff:80ff:fffe",
        "2001:0:7f00:1:0:ffff:f7f7:f7f7",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:1::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_t2_not_public(ip: str) -> None:
    """T2: no address is public that leads to this machine, its neighbours, or to nobody."""
    assert not is_public(ip_address(ip))


@pytest.mark.parametrize(
    "ip",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:0:808:808:0:ffff:f7f7:f7f7",
        "2002:808:808::1",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_public(ip: str) -> None:
    """What is beside the special addresses is public, also through IPv6."""
    assert is_public(ip_address(ip))


@given(st.ip_addresses())
def test_t2_python_agrees(ip: IpAddress) -> None:
    """T2: nothing is public that Python takes for special, whatever it is called there."""
    special = ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified
    if ip.version == 4:
        special = special or ip.is_private or ip.is_reserved
    assert not (special and is_public(ip))


@given(st.ip_addresses(v=4))
def test_t2_the_same_in_other_clothes(ip: Any) -> None:
    """T2: an address of IPv4 is no more public for being reached through one of IPv6."""
    number = int(ip)
    for through in (0xFFFF << 32, 0x64FF9B << 96, (0x2002 << 112) | (number << 80) - number):
        assert is_public(ip_address(through + number)) == is_public(ip)


# Which hosts are connected to


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "0x0",
        "::",
        "::1",
        "0:0:0:0:0:0:0:1",
        "[::]",
        "[::1]",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "127.0.0.1%lo",
        "::1%lo",
        "127。0。0。1",
        "①②⑦.⓪.⓪.①",
        "127.0.0.1\0.example.org",
        "",
        " ",
        "a..b",
        "x" * 64,
        "\udcff",
    ],
)
async def test_t2_odd_spellings_of_loopback(host: str) -> None:
    """T2: however this machine is spelled, a client that may not reach it does not."""
    async with listening() as listener:
        # Whatever is no address is a name, and a hostile one.
        with (
            resolving(["127.0.0.1", "::1"]),
            watching() as events,
            pytest.raises(ReachError) as refused,
        ):
            await connect(host, port_of(listener), may=is_public)
        assert str(refused.value) in {NOT_ALLOWED, "no such host"}
        assert "socket.connect" not in events


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "0x7f.1", "2130706433"])
async def test_allowed(host: str) -> None:
    """The same are connected to by one who may, and that is asked about the address."""
    seen: list[IpAddress] = []

    def may(ip: IpAddress) -> bool:
        seen.append(ip)
        return True

    async with listening() as listener, await connect(host, port_of(listener), may=may) as stream:
        assert stream.socket.getpeername() == listener.socket.getsockname()
    assert ip_address("127.0.0.1") in seen


async def test_mapped_address_is_that_of_ipv4() -> None:
    """Whoever allows or refuses a network of IPv4 need not think of its forms in IPv6."""
    seen: list[IpAddress] = []
    with pytest.raises(ReachError, match=NOT_ALLOWED):
        await connect("::ffff:10.1.2.3", 79, may=seen.append)  # type: ignore[arg-type]
    assert seen == [ip_address("10.1.2.3")]


async def test_t2_rebinding() -> None:
    """T2: a name is looked up once; the address that was checked is the one connected to."""
    async with listening_and("127.0.0.2") as (checked, _):
        with resolving(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]) as resolver:
            async with await connect(NAME, port_of(checked), may=anywhere) as stream:
                assert stream.socket.getpeername() == checked.socket.getsockname()
        assert resolver.asked == [NAME.encode()]


async def test_t2_one_of_several_is_allowed() -> None:
    """T2: of a name that has addresses of both kinds only those are tried that are allowed."""
    allowed = ip_address("127.0.0.1")
    async with listening_and("127.0.0.2") as (good, _):
        with resolving(["127.0.0.2", "127.0.0.1", "127.0.0.3"]), watching() as events:
            stream = await connect(NAME, port_of(good), may=lambda ip: ip == allowed)
        async with stream:
            assert stream.socket.getpeername() == good.socket.getsockname()
        assert events.count("socket.connect") == 1


async def test_next_address() -> None:
    """An address that refuses is no reason not to try the next."""
    async with listening() as listener:
        with resolving(["127.0.0.2", "127.0.0.3", "127.0.0.1"]):
            async with await connect(NAME, port_of(listener), may=anywhere) as stream:
                assert stream.socket.getpeername() == listener.socket.getsockname()


async def test_refused() -> None:
    """If all refuse, that is said once."""
    async with listening() as listener:
        with resolving(["127.0.0.2", "127.0.0.3"]), pytest.raises(ReachError) as refused:
            await connect(NAME, port_of(listener), may=anywhere)
    assert str(refused.value) == "refuses the connection"


async def test_t2_many_addresses() -> None:
    """T2: a name of hundreds of addresses does not make us knock at all of them."""
    async with listening() as listener:
        with (
            resolving([f"127.0.2.{n}" for n in range(1, 255)]),
            watching() as events,
            pytest.raises(ReachError),
        ):
            await connect(NAME, port_of(listener), may=anywhere)
    assert events.count("socket.connect") == 8


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "no such host"),
        (socket.EAI_NODATA, "no such host"),
        (socket.EAI_AGAIN, "cannot be looked up now"),
        (socket.EAI_FAIL, "no such host"),
    ],
)
async def test_name_server_fails(number: int, words: str) -> None:
    """A name that is not known is told from a name server that is away."""

    class Failing(Resolver):
        async def getaddrinfo(self, *_: Any, **__: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise socket.gaierror(number, "?")

    before = trio.socket.set_custom_hostname_resolver(Failing())
    try:
        with pytest.raises(ReachError) as failed:
            await connect(NAME, 79, may=anywhere)
    finally:
        trio.socket.set_custom_hostname_resolver(before)
    assert str(failed.value) == words


@asynccontextmanager
async def listening_and_dead(dead: str) -> AsyncIterator[trio.SocketListener]:
    """Listen, while at the *dead* address nobody answers: more are waiting there than may."""
    async with listening_and(dead, backlog=0) as (listener, server):
        with ExitStack() as stack:
            for _ in range(8):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(server.getsockname())
            yield listener


@pytest.mark.parametrize(("deadline", "patience"), [(math.inf, 10), (60, 10), (6, 3)])
async def test_dead_address(mock_clock: MockClock, deadline: float, patience: float) -> None:
    """One that is dead leaves time for the next: ten seconds each, or their part of less."""
    streams: list[trio.SocketStream] = []

    async def reach() -> None:
        with trio.fail_after(deadline):
            streams.append(await connect(NAME, port, may=anywhere))

    async with listening_and_dead("127.0.0.2") as listener:
        port = port_of(listener)
        with resolving(["127.0.0.2", "127.0.0.1"]):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reach)
                await wait_all_tasks_blocked()
                mock_clock.jump(patience - 0.1)
                await wait_all_tasks_blocked()
                assert not streams
                mock_clock.jump(0.2)
        async with streams[0] as stream:
            assert stream.socket.getpeername() == listener.socket.getsockname()


async def test_only_dead_addresses(mock_clock: MockClock) -> None:
    """If nobody answers anywhere, that is what is said, in bounded time."""
    errors: list[str] = []

    async def reach() -> None:
        with pytest.raises(ReachError) as failed:
            await connect(NAME, port, may=anywhere)
        errors.append(str(failed.value))

    async with listening_and_dead("127.0.0.2") as listener:
        port = port_of(listener)
        with resolving(["127.0.0.2"]):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reach)
                await wait_all_tasks_blocked()
                mock_clock.jump(10)
    assert errors == ["does not answer"]


async def test_cancelled() -> None:
    """To cancel it works at once, and leaves no socket open."""
    async with listening_and_dead("127.0.0.2") as listener:
        port = port_of(listener)
        with resolving(["127.0.0.2"]):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(connect, NAME, port, may=anywhere))
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
    gc.collect()  # a socket that is left is a warning now, and that is an error
