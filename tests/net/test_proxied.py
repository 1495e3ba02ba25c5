"""Connections of proxies: whom they speak for is believed from those who are trusted alone."""

import socket
from contextlib import AbstractAsyncContextManager, suppress
from ipaddress import ip_network
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests.net.server import Server, events, everything, serve
from tests.net.tls import TlsClient, client_side
from tests.protocol.test_proxy import version_2, version_2_of
from trio_finger.net import (
    AcceptedStream,
    Connection,
    Limits,
    accepted_at,
    finish,
    peer_host,
    peer_name,
)
from trio_finger.net._proxied import read_proxy_header
from trio_finger.protocol.proxy import SIGNATURE, ProxyError
from trio_finger.protocol.rate import Rate

PROXY, STRANGER = "127.0.0.2", "127.0.0.1"
V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\r\n"
V1_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 79\r\n"
V1_MAPPED = b"PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 79\r\n"
V2 = version_2()
LOCAL = version_2_of(b"", command=0x20, family=0)
WORDS = b"Too many\r\n"


async def tell(stream: Connection) -> None:
    """Tell the client who it is, and what it has said."""
    line = b""
    while not line.endswith(b"\n") and (data := await stream.receive_some(1)):
        line += data
    await stream.send_all(f"{peer_host(stream)} {peer_name(stream)} ".encode() + line)
    await finish(stream)


def proxied(**limits: Any) -> AbstractAsyncContextManager[Server]:
    """Run a server that trusts `PROXY`."""
    settings = {"proxies": (ip_network(PROXY),), "words": {"rate": WORDS, "network": b"No\r\n"}}
    return serve(tell, Limits(100, **(settings | limits)), at_once=lambda _, __: None)


async def connect(port: int, host: str = PROXY) -> trio.SocketStream:
    """Connect from *host*, which on Linux may be any of 127.0.0.0/8."""
    client = trio.socket.socket()
    try:
        await client.bind((host, 0))
        await client.connect(("127.0.0.1", port))
    except BaseException:
        client.close()
        raise
    return trio.SocketStream(client)


async def ask(server: Server, *chunks: bytes, host: str = PROXY, eof: bool = True) -> bytes:
    """Send *chunks* from *host*, one packet each, and return what comes back."""
    async with await connect(server.port, host) as client:
        with suppress(trio.BrokenResourceError):
            for chunk in chunks:
                await client.send_all(chunk)
                if len(chunks) > 1:
                    await wait_all_tasks_blocked(0.0002)
            if eof:
                await client.send_eof()
            return await everything(client)
    return b"reset"


async def test_t27_whom_it_names() -> None:
    """T27: whom a trusted proxy names is who is there; whatever follows the header is theirs."""
    async with proxied() as server:
        for header, who in (
            (V1, "192.0.2.7 192.0.2.7"),
            (V1_6, "2001:db8::7 2001:db8::7"),
            (V1_MAPPED, "192.0.2.7 192.0.2.7"),
            (V2, "192.0.2.7 192.0.2.7"),
            (version_2("2001:db8::7", "::1"), "2001:db8::7 2001:db8::7"),
            (version_2("::ffff:192.0.2.7", "::1"), "192.0.2.7 192.0.2.7"),
            (version_2(more=bytes(1000)), "192.0.2.7 192.0.2.7"),
        ):
            assert await ask(server, header + b"hello\n") == f"{who} hello\n".encode()
        assert server.counts.refused == {}
        assert server.counts.faults == 0


async def test_t27_for_itself() -> None:
    """T27: a proxy that names nobody, such as when it looks whether we are there, is itself."""
    async with proxied() as server:
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b\r\n", LOCAL, version_2(family=0)):
            answer = await ask(server, header, b"hello\n")
            assert answer == b"127.0.0.2 127.0.0.2 hello\n"


@pytest.mark.parametrize("header", [V1, version_2("2001:db8::7", "::1")])
async def test_t27_split_at_every_byte(header: bytes) -> None:
    """T27: a header is believed in whatever two pieces it comes, and byte by byte."""
    expected = b"2001:db8::7 " if header != V1 else b"192.0.2.7 "
    data = header + b"hi\n"
    async with proxied() as server:
        for cut in range(1, len(header) + 1):
            answer = await ask(server, data[:cut], data[cut:])
            assert answer.startswith(expected), cut
            assert answer.endswith(b" hi\n")
        answer = await ask(server, *[b"%c" % byte for byte in data])
        assert answer.startswith(expected)
        assert answer.endswith(b" hi\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"moshez\r\n",
        b"\r\n",
        V1[:20],
        V1.replace(b"192.0.2.7", b"192.0.2.777") + b"moshez\r\n",
        V1.replace(b"\r\n", b"\n") + b"moshez\r\n",
        b"PROXY TCP4 " + b"x" * 5000,
        V2[:20],
        version_2(command=0x31) + b"moshez\r\n",
        version_2(more=bytes(3000)) + b"moshez\r\n",
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(70_000),
        SIGNATURE + b"\x21\x11\x00\x01" + bytes(100),
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_t27_no_header(data: bytes) -> None:
    """T27: a proxy without a right header is closed without an answer, before any handler."""
    with capture_logs() as log:
        async with proxied() as server:
            assert await ask(server, data) in (b"", b"reset")
            assert await ask(server, V1 + b"hello\n") == b"192.0.2.7 192.0.2.7 hello\n"
            assert server.counts.refused == {"proxy": 1}
            assert server.counts.open == 0
    assert events(log) == [("info", "not as a proxy")]
    assert log[0]["peer"] == "127.0.0.2"
    assert log[0]["reason"].isprintable()


async def test_t27_stranger() -> None:
    """T27: a header from anybody else is not believed: it is input like any other."""
    async with proxied() as server:
        answer = await ask(server, V1 + b"hello\n", host=STRANGER)
        assert answer == b"127.0.0.1 127.0.0.1 " + V1


async def test_t27_trickled(mock_clock: MockClock) -> None:
    """T27, T23: a header has ten seconds in all, however it trickles."""
    with capture_logs() as log:
        async with proxied() as server:
            client = await connect(server.port)
            sent = 0
            with suppress(trio.BrokenResourceError):
                for byte in b"PROXY UNKNOWN " + b"x" * 90:
                    await client.send_all(b"%c" % byte)
                    sent += 1
                    await wait_all_tasks_blocked(0.001)
                    if log:
                        break
                    mock_clock.jump(1)
            assert sent == 11
            await client.aclose()
            assert server.counts.refused == {"slow": 1}
    assert events(log) == [("info", "client too slow")]


async def test_t27_deadline_of_silence(autojump_clock: MockClock) -> None:
    """T27: a proxy that says nothing is waited for just so long."""
    left, right = memory_stream_pair()
    stream = AcceptedStream(left)  # type: ignore[arg-type]
    began = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await read_proxy_header(stream, began + 10)
    assert trio.current_time() - began == pytest.approx(10)
    await right.send_all(V1[:3])
    await right.send_eof()
    with pytest.raises(ProxyError):
        await read_proxy_header(stream, began + 20)


async def test_header_takes_no_time_from_the_query(mock_clock: MockClock) -> None:
    """When a connection was accepted is known to its handler, header or not."""
    since: list[float] = []

    async def note(stream: Connection) -> None:
        since.append(trio.current_time() - accepted_at(stream))

    limits = Limits(9, proxies=(ip_network(PROXY),))
    async with serve(note, limits) as server, await connect(server.port) as client:
        await client.send_all(V1[:5])
        await wait_all_tasks_blocked(0.005)
        mock_clock.jump(4)
        await client.send_all(V1[5:])
        assert await everything(client) == b""
    assert since == [pytest.approx(4)]


async def test_t27_rate_is_the_clients() -> None:
    """T27: whom it names is who is limited, and told so; the proxy itself never is for that."""
    with capture_logs() as log:
        async with proxied(rate=Rate(2, 3600)) as server:
            asked = [await ask(server, V1 + b"hello\n") for _ in range(4)]
            assert [answer == WORDS for answer in asked] == [False, False, True, True]
            assert await ask(server, V2 + b"hello\n") == WORDS
            for number in range(20):
                other = V1.replace(b"192.0.2.7", b"192.0.2.%d" % (100 + number))
                assert (await ask(server, other + b"hello\n")).endswith(b" hello\n")
            assert server.counts.refused == {"rate": 3}
            assert server.counts.open == 0
    assert events(log) == [("warning", "too many from one source")] * 3
    assert {record["peer"] for record in log} == {"192.0.2.7"}


async def test_t27_networks_are_the_clients() -> None:
    """T27: allow and deny are asked about whom it names, not about the proxy."""
    here = (ip_network("192.0.2.0/24"),)
    with capture_logs() as log:
        async with proxied(allow=here, deny=(ip_network("192.0.2.9"),)) as server:
            assert (await ask(server, V1 + b"hello\n")).endswith(b" hello\n")
            assert (await ask(server, V1_MAPPED + b"hello\n")).endswith(b" hello\n")
            assert await ask(server, V1_6 + b"hello\n") == b"No\r\n"
            assert await ask(server, V1.replace(b"2.7", b"2.9") + b"hello\n") == b"No\r\n"
            assert await ask(server, b"hello\n", host=STRANGER) == b"No\r\n"
            assert server.counts.refused == {"network": 3}
    assert {record["peer"] for record in log} <= {"2001:db8::7", "192.0.2.9", STRANGER}


async def test_t27_words_are_not_lost() -> None:
    """T27, T34: who is refused through a proxy is told so though they sent more, 50 of 50."""
    async with proxied(rate=Rate(1, 3600)) as server:
        with capture_logs():
            await ask(server, V1 + b"hello\n")
            for _ in range(50):
                assert await ask(server, V1 + b"hello\n" + bytes(100_000)) == WORDS


async def test_t27_over_tls() -> None:
    """T27: over TLS the header comes before the handshake, in any pieces; without it, no TLS."""
    with capture_logs() as log:
        async with proxied() as server:
            for pieces in ([V1], [V2], [V1[:9], V1[9:]], [V2[:3], V2[3:20], V2[20:]]):
                stream = await connect(server.tls_port)
                for piece in pieces:
                    await stream.send_all(piece)
                    await wait_all_tasks_blocked(0.001)
                client = TlsClient(stream, client_side())
                await client.handshake()
                await client.send_all(b"hello\n")
                assert await everything(client) == b"192.0.2.7 192.0.2.7 hello\n"
                await client.aclose()
            assert log == []

            # Without a header, and with one inside, which is nothing but input.
            client = TlsClient(await connect(server.tls_port), client_side())
            with pytest.raises(trio.BrokenResourceError):
                await client.handshake()
            await client.aclose()
            assert events(log) == [("info", "not as a proxy")]
            inside = await server.connect_tls()
            await inside.send_all(V1)
            assert (await everything(inside)).startswith(b"127.0.0.1 127.0.0.1 ")


async def test_t27_refused_over_tls() -> None:
    """T27: who is refused through a proxy that passes TLS on is closed before the handshake."""
    with capture_logs() as log:
        async with proxied(deny=(ip_network("192.0.2.7"),)) as server:
            client = TlsClient(await connect(server.tls_port), client_side())
            await client.stream.send_all(V1)
            with pytest.raises(trio.BrokenResourceError):
                await client.handshake()
            await client.aclose()
            assert server.counts.refused == {"network": 1}
    assert events(log) == [("warning", "network not allowed")]


async def test_first_bytes_of_tls_with_the_header() -> None:
    """T27: the beginning of the handshake in the header's packet is not lost."""
    async with proxied() as server:
        stream = await connect(server.tls_port)

        class Late(TlsClient):
            async def _flush(self) -> None:
                if data := self._outgoing.read():
                    await stream.send_all(prefix.pop() + data if prefix else data)

        prefix = [V1]
        client = Late(stream, client_side())
        await client.handshake()
        await client.send_all(b"hello\n")
        assert await everything(client) == b"192.0.2.7 192.0.2.7 hello\n"
        await client.aclose()


async def test_proxies_count_as_connections() -> None:
    """T25: proxies that have not sent their header take up room like anybody."""
    limits = Limits(3, proxies=(ip_network(PROXY),))
    async with serve(tell, limits) as server:
        with capture_logs() as log:
            held = [await connect(server.port) for _ in range(3)]
            await wait_all_tasks_blocked(0.005)
            assert server.counts.open == 3
            assert await ask(server, b"hello\n", host=STRANGER, eof=False) in (b"", b"reset")
            assert events(log) == [("warning", "too many connections")]
            for client in held:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await client.aclose()
            await wait_all_tasks_blocked(0.005)
            assert server.counts.open == 0
