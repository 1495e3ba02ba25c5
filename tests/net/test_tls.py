"""Doors over TLS: handshakes have an end, and so have answers, and clients are told of it."""

import random
import ssl
from contextlib import AbstractAsyncContextManager, suppress

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.net.server import Handler, Server, events, everything
from tests.net.server import serve as serve_handler
from tests.net.tls import NAME, TlsClient, authority, raw
from tests.peers import require_peer
from trio_finger.net import DRAIN_SECONDS, Connection, Limits, finish, send_in_pieces

PATIENCE = 10  # seconds that a handshake may take
ANSWER = b"Happy and well\r\n" * 100
SORRY = b"Internal error in server\r\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


async def answer_a_line(stream: Connection) -> None:
    """Answer as soon as there is the end of a line in what has come."""
    while b"\n" not in await stream.receive_some(100):
        pass
    await send_in_pieces(stream, ANSWER)
    await finish(stream)


async def answer_the_end(stream: Connection) -> None:
    """Answer with all of the input, once it has ended."""
    said = await everything(stream)
    await send_in_pieces(stream, b"you said " + said)
    await finish(stream)


def serve(
    handler: Handler = answer_a_line, *, max_connections: int = 1000, sorry: bytes = b""
) -> AbstractAsyncContextManager[Server]:
    """Run a server for the length of an ``async with``."""
    return serve_handler(handler, Limits(max_connections), sorry=sorry)


async def check(server: Server) -> None:
    """Be the next client of *server*, which is served."""
    client = await server.connect_tls()
    await client.send_all(b"hello\n")
    assert await everything(client) == ANSWER
    await client.aclose()


# What is right


@pytest.mark.parametrize("version", VERSIONS)
async def test_answer(version: ssl.TLSVersion) -> None:
    """A client over TLS gets its answer, and the end of it is said over TLS."""
    async with serve() as server:
        client = await server.connect_tls(version)
        await client.send_all(b"hello\n")
        assert await everything(client) == ANSWER


async def test_plain_and_secured_listeners() -> None:
    """One door can listen with TLS and without."""
    async with serve() as server:
        client = await server.connect()
        await client.send_all(b"hello\n")
        assert await everything(client) == ANSWER
        await check(server)


@pytest.mark.parametrize("version", VERSIONS)
async def test_half_closed_client_gets_its_answer(version: ssl.TLSVersion) -> None:
    """A client that says over TLS that it has said everything still gets its answer, 50 of 50."""
    async with serve(answer_the_end) as server:
        for _ in range(50):
            client = await server.connect_tls(version)
            await client.send_all(b"moshez\nHappy\n")
            await client.send_eof()
            assert await everything(client) == b"you said moshez\nHappy\n"
            await client.aclose()


async def test_openssl() -> None:
    """OpenSSL's own client is satisfied with the certificate, the answer and its end."""
    openssl = require_peer("openssl")
    async with serve() as server:
        with authority().cert_pem.tempfile() as trusted:
            command = [
                *(openssl, "s_client", "-quiet", "-verify_return_error"),
                *("-CAfile", trusted, "-verify_hostname", NAME),
                *("-connect", f"127.0.0.1:{server.tls_port}"),
            ]
            result = await trio.run_process(
                command, stdin=b"hello\n", capture_stdout=True, capture_stderr=True, check=False
            )
    assert (result.returncode, result.stdout) == (0, ANSWER), result.stderr


# Ends


@pytest.mark.parametrize("version", VERSIONS)
async def test_answer_is_not_lost_to_unread_input(version: ssl.TLSVersion) -> None:
    """T34: a client that sent more than was read gets the whole answer, 50 runs of 50."""
    async with serve() as server:
        for _ in range(50):
            client = await server.connect_tls(version)
            await client.send_all(b"hello\n" + bytes(60_000))
            assert await everything(client) == ANSWER
            await client.aclose()


@pytest.mark.parametrize("version", VERSIONS)
async def test_answer_is_not_lost_to_input_that_still_comes(version: ssl.TLSVersion) -> None:
    """T34: a client that has a megabyte to say before it reads gets the whole answer."""
    async with serve() as server:
        for _ in range(50):
            client = await server.connect_tls(version)
            await client.send_all(b"hello\n")
            for _ in range(16):
                await client.send_all(bytes(65536))
            assert await everything(client) == ANSWER
            await client.aclose()


async def test_input_cut_is_no_end() -> None:
    """Half a request whose connection somebody cut is not taken for a whole one."""
    with capture_logs() as log:
        async with serve(answer_the_end) as server:
            client = await server.connect_tls()
            await client.send_all(b"moshez\nHap")
            await client.stream.send_eof()
            with pytest.raises(trio.BrokenResourceError):
                await client.receive_some()
    assert events(log) == [("debug", "connection lost")]


async def test_answer_cut_is_no_end() -> None:
    """A client is not told that an answer is whole when its handler failed on the way."""

    async def fail(stream: Connection) -> None:
        await stream.send_all(b"Happy and")
        raise RuntimeError

    async with serve(fail) as server:
        with capture_logs() as log:
            client = await server.connect_tls()
            with pytest.raises(trio.BrokenResourceError):
                await everything(client)
    assert events(log) == [("error", "fault in a connection")]


async def test_excuse() -> None:
    """T29: a handler that fails excuses itself over TLS as well, and the next is served."""

    async def fail(stream: Connection) -> None:
        if b"fail" in await stream.receive_some(4):
            raise RuntimeError("the password is swordfish")
        await answer_a_line(stream)

    async with serve(fail, sorry=SORRY) as server:
        for _ in range(20):
            client = await server.connect_tls()
            await client.send_all(b"fail" + bytes(50_000))
            with capture_logs():
                assert await everything(client) == SORRY
        assert server.counts.faults == 20
        await check(server)


async def test_client_that_does_not_end(mock_clock: MockClock) -> None:
    """A client that has its answer and keeps the connection is given a moment."""
    async with serve() as server:
        client = await server.connect_tls()
        await client.send_all(b"hello\n")
        assert await everything(client) == ANSWER
        server.stop.set()
        await wait_all_tasks_blocked()
        assert not server.stopped.is_set()
        mock_clock.jump(DRAIN_SECONDS)
        await server.stopped.wait()


async def test_flooding_client() -> None:
    """A client that never stops sending ends like one that never says that it has ended."""
    async with serve() as server:
        client = await server.connect_tls()
        with suppress(trio.BrokenResourceError):
            while True:
                await client.send_all(b"hello\n" + bytes(65536))
        await check(server)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
async def test_clients_that_leave(reset: bool) -> None:
    """A client that goes at any moment is no fault of ours."""
    with capture_logs() as log:
        async with serve() as server:
            for said in (None, b"", b"hel", b"hello\n"):
                if said is None:
                    client: trio.SocketStream | TlsClient = await server.connect(server.tls_port)
                else:
                    client = await server.connect_tls()
                    await client.send_all(said)
                if reset:
                    linger = b"\1\0\0\0\0\0\0\0"
                    raw(client).setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
                await client.aclose()
            await check(server)
    assert set(events(log)) <= {("debug", "connection lost")}


# Handshakes

# What comes instead of one. All of it makes a server of TLS give up at once.
NO_HANDSHAKES = {
    "finger": b"moshez\r\n",
    "setter": b"moshez\nHappy and well\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(2000),
    "noise": random.Random(1).randbytes(5000),
    "a giant record": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "a broken hello": b"\x16\x03\x01\x00\x10\x01\x00\x00\x0c\xff\xff" + bytes(100),
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "data": b"\x17\x03\x03\x00\x05hello",
}


@pytest.mark.parametrize("what", NO_HANDSHAKES)
async def test_no_handshake(what: str) -> None:
    """T23: what is no TLS ends its own connection, before any handler, with a line in the log."""
    with capture_logs() as log:
        async with serve() as server:
            for _ in range(3):
                client = await server.connect(server.tls_port)
                with suppress(trio.BrokenResourceError):
                    await client.send_all(NO_HANDSHAKES[what])
                with suppress(trio.BrokenResourceError):
                    await everything(client)
            await check(server)
    assert events(log) == [("info", "no TLS")] * 3
    for record in log:
        assert "exc_info" not in record
        assert record["reason"].isprintable()
        assert record["peer"] == "127.0.0.1"


async def test_client_that_does_not_trust_us() -> None:
    """A client that refuses our certificate says why, and the log says it to the operator."""
    with capture_logs() as log:
        async with serve() as server:
            stranger = TlsClient(
                await server.connect(server.tls_port), ssl.create_default_context()
            )
            with pytest.raises(ssl.SSLCertVerificationError):
                await stranger.handshake()
            with suppress(trio.BrokenResourceError):
                await everything(stranger.stream)
    assert events(log) == [("info", "no TLS")]
    assert log[0]["reason"] == "tlsv1 alert unknown ca"


async def test_silent_client_is_given_ten_seconds(mock_clock: MockClock) -> None:
    """T23: a client that does not begin is closed at an absolute deadline."""
    with capture_logs() as log:
        async with serve() as server:
            client = await server.connect(server.tls_port)
            await wait_all_tasks_blocked(0.01)
            mock_clock.jump(PATIENCE - 0.1)
            await wait_all_tasks_blocked()
            assert log == []
            mock_clock.jump(0.1)
            assert await everything(client) == b""
            await check(server)
    assert events(log) == [("info", "no TLS")]
    assert log[0]["reason"] == "not done in time"


async def test_trickled_handshake_is_given_no_longer(mock_clock: MockClock) -> None:
    """T23: a byte now and then does not move the deadline."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="h")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    with capture_logs() as log:
        async with serve() as server:
            client = await server.connect(server.tls_port)
            sent = 0
            with suppress(trio.BrokenResourceError):
                for byte in outgoing.read():
                    await client.send_all(b"%c" % byte)
                    sent += 1
                    await wait_all_tasks_blocked(0.001)
                    if log:
                        break
                    mock_clock.jump(1)
            assert sent <= PATIENCE + 2
    assert events(log) == [("info", "no TLS")]


async def test_slow_handshakes_delay_nobody() -> None:
    """T23: hundreds of clients that do not get on with their handshakes keep nobody waiting."""
    async with serve() as server:
        for number in range(400):
            client = await server.connect(server.tls_port)
            if number % 2:
                await client.send_all(b"\x16\x03\x01\x02\x00\x01")
        with trio.fail_after(2):
            await check(server)
        with trio.fail_after(5):
            server.scope.cancel()
            await server.stopped.wait()


async def test_handshakes_count_as_connections() -> None:
    """T25: clients that do not begin are counted, so that they cannot be any number."""
    async with serve(max_connections=3) as server:
        silent = [await server.connect(server.tls_port) for _ in range(3)]
        await wait_all_tasks_blocked(0.01)
        with capture_logs() as log:
            assert await everything(await server.connect(server.tls_port)) == b""
        assert events(log) == [("warning", "too many connections")]
        await silent[0].aclose()
        await wait_all_tasks_blocked(0.01)
        await check(server)


# Cancelling


async def test_cancel_with_every_kind_of_client() -> None:
    """Cancelling cuts whoever is there, in whatever state, at once, and calls nothing whole."""

    async def handle(stream: Connection) -> None:
        match await stream.receive_some(100):
            case b"wait":
                await trio.sleep_forever()
            case b"much":
                await send_in_pieces(stream, bytes(100_000_000))
            case b"end":
                await stream.send_all(ANSWER)
                await finish(stream)

    async with serve(handle) as server:
        silent = await server.connect(server.tls_port)
        fresh, waiting, slow, ending = [await server.connect_tls() for _ in range(4)]
        await waiting.send_all(b"wait")
        await slow.send_all(b"much")
        await ending.send_all(b"end")
        assert await everything(ending) == ANSWER
        await wait_all_tasks_blocked(0.01)
        with trio.fail_after(1):
            server.scope.cancel()
            await server.stopped.wait()
        assert await everything(silent) == b""
        for client in (fresh, waiting, slow):
            with pytest.raises(trio.BrokenResourceError):
                await everything(client)
