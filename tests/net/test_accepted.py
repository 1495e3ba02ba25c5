"""A connection of which something was read already: the handler has all of it, in its order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import check_half_closeable_stream

from trio_finger.net import AcceptedStream, peer_host, peer_name, peer_user, socket_of
from trio_finger.protocol.address import Address

SOURCE = Address("192.0.2.7", 4711)


@asynccontextmanager
async def connected(
    received: bytes = b"", source: Address | None = SOURCE
) -> AsyncIterator[tuple[AcceptedStream, trio.SocketStream, list[None]]]:
    """A server's end, a client's, and as many things as the first was closed times."""
    ours, theirs = trio.socket.socketpair()
    closed: list[None] = []

    def close() -> None:
        closed.append(None)

    accepted = AcceptedStream(
        trio.SocketStream(ours), source=source, received=received, on_close=close
    )
    with trio.fail_after(20):
        async with accepted, trio.SocketStream(theirs) as client:
            yield accepted, client, closed


async def test_as_any_stream() -> None:
    """It keeps the rules of Trio's streams."""

    async def make() -> tuple[AcceptedStream, AcceptedStream]:
        one, other = trio.socket.socketpair()
        return AcceptedStream(trio.SocketStream(one)), AcceptedStream(trio.SocketStream(other))

    with trio.fail_after(30):
        await check_half_closeable_stream(make, None)


@given(
    received=st.binary(max_size=20),
    back=st.lists(st.binary(max_size=10), max_size=3),
    sizes=st.lists(st.none() | st.integers(1, 15), min_size=1, max_size=5),
)
async def test_order(received: bytes, back: list[bytes], sizes: list[int | None]) -> None:
    """What was read comes first, what was put back before that, and then what comes."""
    async with connected(received) as (stream, client, _):
        for data in back:
            stream.put_back(data)
        expected = b"".join(reversed(back)) + received + b"and more"
        await client.send_all(b"and more")
        await client.send_eof()
        got, turn = b"", 0
        while data := bytes(await stream.receive_some(sizes[turn % len(sizes)])):
            size = sizes[turn % len(sizes)]
            assert size is None or len(data) <= size
            got += data
            turn += 1
        assert got == expected


async def test_nothing_read_is_no_end() -> None:
    """That nothing was read so far is not taken for the end of the input."""
    async with connected(b"") as (stream, client, _):
        stream.put_back(b"")
        await client.send_all(b"x")
        assert await stream.receive_some() == b"x"


async def test_receiving_gives_others_a_turn() -> None:
    """What was read already is received with a checkpoint, and cancelling takes nothing away."""
    async with connected(b"query") as (stream, _, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.receive_some()
        assert scope.cancelled_caught
        assert await stream.receive_some(3) == b"que"
        assert await stream.receive_some() == b"ry"


async def test_closed_once() -> None:
    """However often it is closed, and however it is cut, its end is told once."""
    async with connected() as (stream, client, closed):
        await stream.aclose()
        await stream.aclose()
        assert len(closed) == 1
        assert await client.receive_some() == b""
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()
    assert len(closed) == 1
    async with connected() as (stream, client, closed):
        await trio.aclose_forcefully(stream)
        assert len(closed) == 1


async def test_source() -> None:
    """Whoever a proxy names is who is at the other end, for whoever asks."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with (
        listener,
        await trio.open_tcp_stream(*listener.socket.getsockname()[:2]),
        AcceptedStream(await listener.accept(), source=SOURCE) as stream,
    ):
        assert peer_name(stream) == "192.0.2.7"
        assert peer_host(stream) == "192.0.2.7"
        assert socket_of(stream) is stream.stream.socket
        stream.source = Address("2001:db8::7", 1)
        assert peer_name(stream) == "2001:db8::7"
        assert peer_host(stream) == "2001:db8::7"
        stream.source = Address("::ffff:192.0.2.8", 1)
        assert peer_host(stream) == "192.0.2.8"


async def test_unix() -> None:
    """Over a UNIX socket the kernel says who is there, as for any stream."""
    async with connected(source=None) as (stream, _, _):
        assert peer_user(stream) is not None
        assert peer_name(stream).startswith("unix:uid=")
        assert peer_host(stream) is None
