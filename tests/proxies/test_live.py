"""The live doors through the real nginx and Caddy: each change at once, and nothing in the way."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from tests.net.tls import client_side
from tests.proxies.recipes import HOST, NONE, STRIPPING, UNIX
from tests.proxies.running import CLIENT, Front, run_front
from tests.running import PATIENCE

WAYS = {"as it is": NONE, "prefix taken off": STRIPPING, "unix": UNIX}


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> str:
    """Which proxy."""
    return str(request.param)


@pytest.fixture(params=WAYS)
async def front(proxy: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Front]:
    """A daemon behind a proxy in every way that the document has."""
    way = request.param
    async with run_front(proxy, tmp_path, WAYS[way][proxy], unix=way == "unix") as running:
        yield running


@pytest.fixture
async def plain_front(proxy: str, tmp_path: Path) -> AsyncIterator[Front]:
    """A daemon behind a proxy with the very recipe."""
    async with run_front(proxy, tmp_path, {}) as running:
        yield running


async def put(front: Front, token: str, status: str) -> None:
    """Have moshez say something."""
    reply = await front.ask("/~moshez/status", "-X", "PUT", "-d", status, "-H", token)
    assert reply.code == 200


@asynccontextmanager
async def follow(front: Front, origin: str | None = None) -> AsyncIterator[WebSocketConnection]:
    """Follow the feed by a WebSocket, as a browser would on a page of *origin*."""
    headers = [] if origin is None else [(b"Origin", origin.encode())]
    tcp = await trio.open_tcp_stream("127.0.0.1", front.port, local_address=CLIENT)
    stream = trio.SSLStream(tcp, client_side(), server_hostname=HOST, https_compatible=True)
    async with tcp, trio.open_nursery() as nursery:
        # It waits for ever where the connection ends in the middle of the handshake.
        with trio.fail_after(PATIENCE):
            feed = await wrap_client_stream(
                nursery, stream, f"{HOST}:{front.port}", "/finger/live", extra_headers=headers
            )
        yield feed
        nursery.cancel_scope.cancel()


async def test_websocket(front: Front) -> None:
    """A WebSocket is one through the proxy, for our own pages as well."""
    token = await front.token("moshez")
    async with follow(front, front.url.removesuffix("/finger")) as feed:
        assert json.loads(await feed.get_message())["type"] == "hello"
        for status in ("One", "Two"):
            await put(front, token, status)
            change = json.loads(await feed.get_message())
            assert (change["type"], change["name"]) == ("status", "moshez")
            assert change["status"] == status


async def test_websocket_at_stop(plain_front: Front) -> None:
    """That the daemon goes is said through the proxy."""
    async with follow(plain_front) as feed:
        await feed.get_message()
        assert await plain_front.daemon.stop() == 0
        with pytest.raises(ConnectionClosed) as caught:
            await feed.get_message()
    assert caught.value.reason is not None
    assert caught.value.reason.code == 1001


async def test_t28_websocket_of_another_site(plain_front: Front) -> None:
    """T28: a page of another site follows nothing through the proxy either."""
    try:
        async with follow(plain_front, "https://evil.example"):
            pytest.fail("it follows")
    except* ConnectionRejected as refused:
        [error] = refused.exceptions
        assert isinstance(error, ConnectionRejected)
        assert error.status_code == 403


async def test_sse(front: Front) -> None:
    """Server-sent events pass as they are sent, and are not held back in the proxy."""
    token = await front.token("moshez")
    command = front.curl("/live.sse", "-N")
    async with trio.open_nursery() as nursery:
        curl = partial(trio.run_process, command, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(curl)
        assert process.stdout is not None
        events = Events(process.stdout)
        assert (await events.next())["type"] == "hello"
        for status in ("One", "Two"):
            await put(front, token, status)
            assert (await events.next())["status"] == status
        process.kill()


class Events:
    """The events of a stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._rest = b""

    async def next(self) -> dict[str, Any]:
        """Return the data of the next one."""
        while True:
            block, end, rest = self._rest.partition(b"\n\n")
            if not end:
                more = await self._stream.receive_some()
                assert more, self._rest
                self._rest += more
                continue
            self._rest = rest
            for line in block.split(b"\n"):
                if line.startswith(b"data: "):
                    return dict(json.loads(line.removeprefix(b"data: ")))
