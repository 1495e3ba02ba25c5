"""What is done to a stream at its end: the answer arrives, and nobody can drag it out."""

import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from trio_finger.net import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    finish,
    send_in_pieces,
)

ANSWER = b"Happy and well\r\n" * 100


@asynccontextmanager
async def sockets_connected() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Two ends of one connection over loopback: a server's, then a client's."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    with trio.fail_after(20):
        async with listener:
            client = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
            server = await listener.accept()
        async with server, client:
            yield server, client


async def answer_and_close(stream: trio.SocketStream) -> None:
    """Answer without having read everything, as a server does that has enough."""
    await stream.receive_some(1)
    await stream.send_all(ANSWER)
    await finish(stream)
    await stream.aclose()


async def test_answer_is_not_lost_to_unread_input() -> None:
    """T34: a client that sent more than was read gets the whole answer, 50 runs of 50."""
    for _ in range(50):
        async with sockets_connected() as (server, client), trio.open_nursery() as nursery:
            await client.send_all(b"moshez\r\n" + bytes(60_000))
            nursery.start_soon(answer_and_close, server)
            assert b"".join([data async for data in client]) == ANSWER
            await client.aclose()


async def test_answer_is_not_lost_to_input_that_still_comes() -> None:
    """T34: a client that has a megabyte to say before it reads gets the whole answer."""
    for _ in range(50):
        async with sockets_connected() as (server, client), trio.open_nursery() as nursery:
            nursery.start_soon(answer_and_close, server)
            await client.send_all(bytes(1024 * 1024))
            assert b"".join([data async for data in client]) == ANSWER
            await client.aclose()


async def test_client_that_closes_ends_it_at_once(autojump_clock: MockClock) -> None:
    """Nothing is waited for once the client has closed its side, too."""
    server, client = memory_stream_pair()
    await client.send_eof()
    began = trio.current_time()
    await finish(server)
    assert trio.current_time() == began
    assert await client.receive_some() == b""


async def test_silent_client_is_given_a_moment(autojump_clock: MockClock) -> None:
    """A client that neither sends nor closes is waited for just so long."""
    server, client = memory_stream_pair()
    began = trio.current_time()
    await finish(server)
    assert trio.current_time() - began == pytest.approx(DRAIN_SECONDS)
    assert await client.receive_some() == b""


async def trickle(stream: trio.abc.SendStream) -> None:
    """Send a byte every tenth of a second for as long as that is possible."""
    with suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.1)


async def flood(stream: trio.abc.SendStream) -> None:
    """Send as fast as possible for as long as that is possible."""
    with suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(bytes(65536))


async def test_trickling_client_is_given_no_longer(autojump_clock: MockClock) -> None:
    """A client that sends a little, for ever, does not prolong the end."""
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle, client)
        began = trio.current_time()
        await finish(server)
        assert trio.current_time() - began == pytest.approx(DRAIN_SECONDS)
        nursery.cancel_scope.cancel()


async def test_flooding_client_is_read_within_bounds(autojump_clock: MockClock) -> None:
    """Of a client that sends without an end no more than a bounded amount is read."""

    class Counting(trio.abc.HalfCloseableStream):
        read = 0

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            await trio.lowlevel.checkpoint()
            data = bytes(max_bytes or 65536)
            self.read += len(data)
            return data

        async def send_all(self, data: bytes | bytearray | memoryview) -> None:
            raise NotImplementedError

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def send_eof(self) -> None:
            await trio.lowlevel.checkpoint()

        async def aclose(self) -> None:
            raise NotImplementedError

    stream = Counting()
    with trio.fail_after(DRAIN_SECONDS + 1):
        await finish(stream)
    assert DRAIN_BYTES <= stream.read <= DRAIN_BYTES + 65536


async def test_flooding_client_over_a_socket() -> None:
    """The end comes in time over a real connection, too."""
    async with sockets_connected() as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(flood, client)
        with trio.fail_after(DRAIN_SECONDS + 1):
            await finish(server)
            await server.aclose()


@pytest.mark.parametrize("after", ["close", "reset"])
async def test_client_that_is_gone(after: str) -> None:
    """A client that went away before, in whatever way, is no error."""
    async with sockets_connected() as (server, client):
        if after == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await client.aclose()
        await finish(server)


async def test_finish_can_be_cancelled(autojump_clock: MockClock) -> None:
    """Cancelling the end of a connection works at once."""
    server, _client = memory_stream_pair()
    began = trio.current_time()
    with trio.move_on_after(DRAIN_SECONDS / 2) as scope:
        await finish(server)
    assert scope.cancelled_caught
    assert trio.current_time() - began == DRAIN_SECONDS / 2


# Sending


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
async def test_everything_is_sent(size: int) -> None:
    """What is sent in pieces arrives whole, whatever its size."""
    data = bytes(range(256)) * (size // 256 + 1)
    got = bytearray()
    async with sockets_connected() as (server, client), trio.open_nursery() as nursery:

        async def send_everything() -> None:
            await send_in_pieces(server, data[:size])
            await server.send_eof()

        nursery.start_soon(send_everything)
        async for part in client:
            got += part
    assert got == data[:size]


class Slow(trio.abc.SendStream):
    """A client that takes what it is sent in *pace* bytes a second; none, if that is 0."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self.taken = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.sleep(len(data) / self.pace if self.pace else math.inf)
        self.taken += len(data)

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


async def test_slow_client_that_reads_gets_everything(autojump_clock: MockClock) -> None:
    """T24: a large answer may take long, if only the client goes on reading."""
    stream = Slow(pace=8192)
    await send_in_pieces(stream, bytes(10_000_000))
    assert stream.taken == 10_000_000
    assert trio.current_time() > 1000


@pytest.mark.parametrize("pace", [0, 1])
async def test_client_that_does_not_read(autojump_clock: MockClock, pace: float) -> None:
    """T24: a client that takes nothing, or next to nothing, is given up in time."""
    with trio.fail_after(30), pytest.raises(trio.TooSlowError):
        await send_in_pieces(Slow(pace), bytes(100_000))


async def test_client_that_is_gone_while_it_is_sent_to() -> None:
    """A client that goes away in the middle is reported as gone."""
    async with sockets_connected() as (server, client):
        await client.aclose()
        # Far more than any buffer holds.
        with pytest.raises(trio.BrokenResourceError):
            await send_in_pieces(server, bytes(100_000_000))
