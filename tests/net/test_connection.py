"""Who is at the other end of a connection, of whatever kind it is."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import memory_stream_pair

from tests.net.tls import NAME, client_side, server_side
from trio_finger.net import _connection, peer_host, peer_name, peer_user, socket_of


@asynccontextmanager
async def connected(host: str) -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Two ends of one connection to *host*: a server's, then a client's."""
    try:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    port = listener.socket.getsockname()[1]
    with trio.fail_after(20):
        async with listener:
            client = await trio.open_tcp_stream(host, port)
            server = await listener.accept()
        async with server, client:
            yield server, client


async def test_tcp() -> None:
    """A peer over TCP is named by its address alone, as in every record, and is no user."""
    async with connected("127.0.0.1") as (server, _):
        assert peer_name(server) == "127.0.0.1"
        assert peer_host(server) == "127.0.0.1"
        assert peer_user(server) is None
        assert socket_of(server) is server.socket


async def test_ipv6() -> None:
    """Without a port, an IPv6 address needs no brackets."""
    async with connected("::1") as (server, _):
        assert peer_name(server) == "::1"
        assert peer_host(server) == "::1"


async def test_ipv4_by_way_of_ipv6() -> None:
    """A host of IPv4 is the same host where the listening socket is one of IPv6."""
    try:
        listening = trio.socket.socket(socket.AF_INET6)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        await listening.bind(("::", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    listening.listen()
    async with trio.SocketListener(listening) as listener:
        client = await trio.open_tcp_stream("127.0.0.1", listening.getsockname()[1])
        async with client, await listener.accept() as server:
            assert peer_host(server) == peer_name(server) == "127.0.0.1"


async def test_tls() -> None:
    """A peer over TLS is who it is without, before the handshake and after."""
    async with connected("127.0.0.1") as (below, client):
        server = trio.SSLStream(below, server_side(), server_side=True)
        secured = trio.SSLStream(client, client_side(), server_hostname=NAME)
        for _ in range(2):
            assert peer_name(server) == "127.0.0.1"
            assert peer_host(server) == "127.0.0.1"
            assert peer_user(server) is None
            assert socket_of(server) is below.socket
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.do_handshake)
                nursery.start_soon(secured.do_handshake)


async def test_unix(tmp_path: Path) -> None:
    """A peer over a UNIX socket is the user as whom it runs, by the word of the kernel."""
    listening = trio.socket.socket(socket.AF_UNIX)
    await listening.bind(str(tmp_path / "socket"))
    listening.listen()
    async with trio.SocketListener(listening) as listener:
        client = await trio.open_unix_socket(str(tmp_path / "socket"))
        async with client, await listener.accept() as server:
            assert peer_user(server) == os.getuid()
            assert peer_name(server) == f"unix:uid={os.getuid()}"
            assert peer_host(server) is None
            await client.aclose()
            assert peer_user(server) == os.getuid()  # who asked, not who is there now


@pytest.mark.parametrize("own", ["path", "abstract"])
async def test_unix_with_a_name_of_its_own(
    tmp_path: Path, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may give its own end of a UNIX socket a name: it is no address, even where the
    kernel knows no number for its user."""
    names = {"path": str(tmp_path / "client"), "abstract": f"\0trio-finger-client-{os.getpid()}"}
    listening = trio.socket.socket(socket.AF_UNIX)
    await listening.bind(str(tmp_path / "socket"))
    listening.listen()
    async with trio.SocketListener(listening) as listener:
        with socket.socket(socket.AF_UNIX) as client:
            client.bind(names[own])
            client.connect(str(tmp_path / "socket"))
            async with await listener.accept() as server:
                assert peer_host(server) is None
                assert peer_name(server) == f"unix:uid={os.getuid()}"
                monkeypatch.setattr(_connection, "_OVERFLOW", os.getuid())
                monkeypatch.setattr(_connection, "_OVERFLOW_IS_SOMEBODY", False)
                assert peer_user(server) is None
                assert peer_host(server) is None
                assert peer_name(server) == "?"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("user", [1, 65534, 2**31, 2**32 - 2])
async def test_another_user(user: int) -> None:
    """Another user is another number, however large."""
    name = f"\0trio-finger-test-{os.getpid()}-{user}"  # of no folder, which they could not enter
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as client:
        listening.bind(name)
        listening.listen()
        os.seteuid(user)
        try:
            client.connect(name)
        finally:
            os.seteuid(0)
        server, _ = listening.accept()
        async with trio.SocketStream(trio.socket.from_stdlib_socket(server)) as stream:
            assert peer_user(stream) == user
            assert peer_name(stream) == f"unix:uid={user}"


async def test_nobody() -> None:
    """Who is no longer there, or never had an address, has a name to log all the same."""
    memory, _ = memory_stream_pair()
    assert peer_name(memory) == "?"
    assert peer_host(memory) is None
    assert peer_user(memory) is None
    assert socket_of(memory) is None
    async with connected("127.0.0.1") as (server, _):
        await server.aclose()
        assert peer_name(server) == "?"
        assert peer_host(server) is None
        assert peer_user(server) is None


async def test_socket_pair() -> None:
    """Both ends of a pair are this process."""
    left, right = socket.socketpair()
    with left, right:
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(left))
        assert peer_user(stream) == os.getuid()
        assert peer_host(stream) is None
