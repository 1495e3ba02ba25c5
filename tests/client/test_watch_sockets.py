"""Following a live door over real sockets, and over TLS."""

import socket
import ssl
import struct

import pytest
import trio
import trio.lowlevel
from trio_websocket import WebSocketRequest

from tests.client.live_door import (
    START,
    following,
    hello,
    live_door,
    saying,
    status,
    until_closed,
)
from tests.net.tls import client_side, server_side
from tests.running import PATIENCE
from trio_finger.client import RefusedError, leaf


async def test_t24_flood() -> None:
    """Thousands of changes come through, every one of them and in order."""
    count = 3000
    flood = saying(hello(), *map(status, range(1, count + 1)))
    with trio.fail_after(PATIENCE):
        async with live_door(flood) as door, following(door, url=door.url) as follower:
            got = [number for number, _ in await follower.get(count)]
    assert got == list(range(1, count + 1))
    assert follower.words == []


async def test_reset() -> None:
    """A connection that is torn down is made again, and nothing is lost."""

    async def tear(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(hello())
        await connection.send_message(status(1))
        await until_seen.wait()
        stream = connection._stream
        assert isinstance(stream, trio.SocketStream)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)

    until_seen = trio.Event()
    again = saying(hello(2), status(2))
    with trio.fail_after(PATIENCE):
        async with live_door(tear, again) as door, following(door, url=door.url) as follower:
            assert await follower.get() == [(1, "Happy")]
            until_seen.set()
            assert await follower.get() == [(2, "Happy")]
    assert door.requests == ["/live", f"/live?since={START + 1}"]
    assert follower.words == [
        "connection lost: the connection broke (1006); trying again in 1 s",
        "connected again",
    ]


async def test_nobody_there() -> None:
    """Where nobody listens it is said, and tried again, until somebody does."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with live_door() as door, following(door, url=url) as follower:
            with trio.fail_after(PATIENCE):
                await follower.news.wait()
    assert follower.words == [f"cannot follow {url}/live: Connection refused; trying again in 1 s"]


async def test_goodbye() -> None:
    """Whoever is cancelled takes leave of the server (1000), over TLS as well."""
    codes = []

    async def listen(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(hello())
        await connection.send_message(status(1))
        codes.append(await until_closed(connection))

    tls = server_side("127.0.0.1")
    with trio.fail_after(PATIENCE):
        async with live_door(listen) as door, following(door, url=door.url) as follower:
            await follower.get()
            follower.tasks.cancel_scope.cancel()
        async with live_door(listen, tls=tls) as door:
            url = f"https://127.0.0.1:{door.port}"
            async with following(door, url=url, tls=client_side()) as follower:
                await follower.get()
                follower.tasks.cancel_scope.cancel()
    assert codes == [1000, 1000]


@pytest.mark.parametrize(
    ("server", "client", "why"),
    [
        (server_side("127.0.0.1"), ssl.create_default_context(), "unable to get local issuer"),
        (server_side("other.example"), client_side(), "IP address mismatch"),
        (server_side("127.0.0.1", days=-1), client_side(), "certificate has expired"),
    ],
)
async def test_t22_wrong_certificate(
    server: ssl.SSLContext, client: ssl.SSLContext, why: str
) -> None:
    """A server that cannot show who it is is not followed, and not asked."""
    refusal = ""
    async with live_door(saying(hello()), tls=server) as door:
        url = f"wss://127.0.0.1:{door.port}"
        try:
            with trio.fail_after(PATIENCE):
                async with following(door, url=url, tls=client) as follower:
                    await follower.get()
        except* RefusedError as group:
            refusal = str(leaf(group))
    assert refusal.startswith("the server's certificate is not good: ")
    assert why in refusal
    assert "--ca" in refusal
    assert door.requests == []


async def test_t22_no_tls() -> None:
    """A server without TLS, and one that needs it, are told apart from one that is not there."""
    with trio.fail_after(PATIENCE):
        async with live_door(saying(hello())) as door:
            url = f"https://127.0.0.1:{door.port}"
            async with following(door, url=url, tls=client_side()) as follower:
                await follower.news.wait()
    assert follower.words[0].startswith(f"cannot follow {url}/live: no TLS there: ")
