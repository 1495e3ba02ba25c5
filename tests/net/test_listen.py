"""The sockets of a door: bound once, lent to services, closed when nobody wants them."""

import socket
from collections.abc import AsyncIterator

import pytest
import trio

from trio_finger.net import ListenError, ListeningSockets
from trio_finger.protocol.address import Address, Listen, UnixAddress

LOOPBACK = Address("127.0.0.1", 0)


@pytest.fixture
async def sockets() -> AsyncIterator[ListeningSockets]:
    sockets = ListeningSockets()
    yield sockets
    sockets.keep([])


async def greet(listener: trio.SocketListener, word: bytes) -> None:
    """Accept one connection and say *word* to it."""
    async with await listener.accept() as stream:
        await stream.send_all(word)


async def connect(address: Listen) -> trio.SocketStream:
    """Return a new client of *address*."""
    if isinstance(address, UnixAddress):
        return await trio.open_unix_socket(address.path)
    return await trio.open_tcp_stream(address.host, address.port)


async def ask(address: Listen) -> bytes:
    """Connect to *address* and return what it says."""
    async with await connect(address) as stream:
        return b"".join([data async for data in stream])


def is_open(address: Listen) -> bool:
    """Whether anything listens on *address*."""
    assert isinstance(address, Address)
    with socket.socket() as client:
        return client.connect_ex((address.host, address.port)) == 0


async def test_port_0_takes_a_free_port(sockets: ListeningSockets) -> None:
    """What is bound is reported with the port that it really has."""
    (address,) = await sockets.bind([LOOPBACK])
    assert isinstance(address, Address)
    assert address.host == "127.0.0.1"
    assert address.port > 0
    assert is_open(address)


async def test_a_name_may_be_several_addresses(sockets: ListeningSockets) -> None:
    """All that a name stands for is bound, and can be reached."""
    bound = await sockets.bind([Address("localhost", 0)])
    assert bound
    listeners = sockets.duplicate([Address("localhost", 0)])
    assert len(listeners) == len(bound)
    for listener, address in zip(listeners, bound, strict=True):
        assert address.is_loopback
        async with listener, trio.open_nursery() as nursery:
            nursery.start_soon(greet, listener, b"hello")
            with trio.fail_after(5):
                assert await ask(address) == b"hello"


async def test_bound_stays_bound(sockets: ListeningSockets) -> None:
    """Binding again takes what is bound already and adds what is new."""
    other = Address("localhost", 0)
    first = await sockets.bind([LOOPBACK])
    both = await sockets.bind([LOOPBACK, other])
    assert both[:1] == first
    assert await sockets.bind([other, LOOPBACK]) == both[1:] + first


async def test_port_taken(sockets: ListeningSockets) -> None:
    """A port that somebody has is refused, with its address, and what to do about it."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            await sockets.bind([Address("127.0.0.1", port)])
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: the port is taken; "
        "stop what listens there, or choose another in listen"
    )


async def test_taken_by_ourselves(sockets: ListeningSockets) -> None:
    """Two doors cannot have one port."""
    (address,) = await sockets.bind([LOOPBACK])
    with pytest.raises(ListenError, match="the port is taken"):
        await ListeningSockets().bind([address])


async def test_failed_bind_keeps_what_was_bound(sockets: ListeningSockets) -> None:
    """After a failure the addresses before it are bound, and a later try can succeed."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        taken = Address("127.0.0.1", somebody.getsockname()[1])
        with pytest.raises(ListenError):
            await sockets.bind([LOOPBACK, taken])
    bound = await sockets.bind([LOOPBACK, taken])
    assert bound[1] == taken
    assert all(map(is_open, bound))


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
async def test_address_of_another_machine(sockets: ListeningSockets, host: str) -> None:
    """An address that this machine does not have is refused in words."""
    if host.count(":") and not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    address = Address(host, 0)
    with pytest.raises(ListenError) as caught:
        await sockets.bind([address])
    assert str(caught.value).startswith(f"cannot listen on {address}: ")
    assert not str(caught.value).endswith(": ")


async def test_name_that_nobody_knows(sockets: ListeningSockets) -> None:
    """A name without an address is refused in words that name it."""
    with (
        trio.fail_after(30),
        pytest.raises(ListenError, match=r"cannot listen on nobody\.invalid:0"),
    ):
        await sockets.bind([Address("nobody.invalid", 0)])


async def test_duplicates_are_independent(sockets: ListeningSockets) -> None:
    """A service that closes its listeners shuts the door for no other service."""
    (address,) = await sockets.bind([LOOPBACK])
    (old,) = sockets.duplicate([LOOPBACK])
    (new,) = sockets.duplicate([LOOPBACK])
    await old.aclose()
    async with new, trio.open_nursery() as nursery:
        nursery.start_soon(greet, new, b"new")
        with trio.fail_after(5):
            assert await ask(address) == b"new"


async def test_no_client_finds_the_door_shut(sockets: ListeningSockets) -> None:
    """Who connects between two services waits, and is served by the next."""
    (address,) = await sockets.bind([LOOPBACK])
    (old,) = sockets.duplicate([LOOPBACK])
    await old.aclose()
    with trio.fail_after(5):
        async with await connect(address) as client:
            (new,) = sockets.duplicate([LOOPBACK])
            async with new:
                await greet(new, b"new")
            assert b"".join([data async for data in client]) == b"new"


async def test_keep_closes_the_others(sockets: ListeningSockets) -> None:
    """What is not kept is closed, at once; what is kept goes on."""
    other = Address("localhost", 0)
    (kept,) = await sockets.bind([LOOPBACK])
    closed = await sockets.bind([other])
    sockets.keep([LOOPBACK])
    assert is_open(kept)
    with pytest.raises(KeyError):
        sockets.duplicate([other])
    for address in closed:
        with pytest.raises(OSError, match="all attempts to connect"):
            await connect(address)
    sockets.keep([])
    assert not is_open(kept)
    sockets.keep([])


async def test_kept_closed_port_can_be_bound_again(sockets: ListeningSockets) -> None:
    """A port that was let go is free for the next, this daemon too."""
    (address,) = await sockets.bind([LOOPBACK])
    sockets.keep([])
    assert await sockets.bind([address]) == [address]


async def test_an_address_kept_is_not_lent_twice_over(sockets: ListeningSockets) -> None:
    """Naming an address that is not bound is no reason to close one that is."""
    (address,) = await sockets.bind([LOOPBACK])
    sockets.keep([LOOPBACK, Address("127.0.0.1", 1)])
    assert is_open(address)
