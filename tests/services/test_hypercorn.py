"""The web server under raw bytes: whatever one client sends, the next one is served."""

import logging
import math
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from quart import Response, request
from quart_trio import QuartTrio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.net.server import events
from tests.net.tls import NAME, TlsClient, authority, connect_tls, raw, server_side
from tests.peers import require_peer
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Connection, Gate, Limits, ListeningSockets, Secured
from trio_finger.protocol.address import Address, Listen, UnixAddress
from trio_finger.services.web._hypercorn import serve_app

HELLO = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GOODBYE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: "
WEBSOCKET = (
    UPGRADE + b"websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BODY_SECONDS = 10
KEEP_ALIVE_SECONDS = 15
BIG = 20_000_000  # bytes: more than the buffers of a connection hold


Client = trio.SocketStream | TlsClient


class Server:
    """The app under test, served on a socket of some *kind*: "tcp", "tls" or "unix"."""

    def __init__(self, kind: str, address: Listen) -> None:
        self.kind = kind
        self.address = address
        self.stop = trio.Event()
        self.scope = trio.CancelScope()
        self.stopped = trio.Event()
        self.called = trio.Event()  # somebody asked for /wait
        self.go_on = trio.Event()  # /wait is answered
        self.clients: list[Client] = []
        self.counts = Counts()

    async def connect(self) -> Client:
        """Return a new client, which is closed at the end of the test."""
        if isinstance(self.address, UnixAddress):
            client: Client = await trio.open_unix_socket(self.address.path)
        elif self.kind == "tls":
            client = await connect_tls(self.address.port)
        else:
            client = await trio.open_tcp_stream(self.address.host, self.address.port)
        self.clients.append(client)
        return client

    async def say(self, *chunks: bytes, eof: bool = True) -> bytes:
        """Say *chunks* as a client of its own; return all that comes until the end."""
        client = await self.connect()
        async with client:
            with suppress(trio.BrokenResourceError):
                for chunk in chunks:
                    await client.send_all(chunk)
                if eof:
                    await client.send_eof()
            return await everything(client)

    async def check(self) -> None:
        """Be the next client, which is served."""
        answer = await self.say(GOODBYE, eof=False)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\nhello")


async def everything(client: Client) -> bytes:
    """Read to the end of the input, be it a reset."""
    got = bytearray()
    with suppress(trio.BrokenResourceError):
        async for data in client:
            got += data
    return bytes(got)


def make_app(server: Server) -> QuartTrio:
    app = QuartTrio(__name__)
    app.config["BODY_TIMEOUT"] = BODY_SECONDS

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.data)

    @app.get("/big")
    async def big() -> Response:
        return Response(bytes(BIG))

    @app.get("/wait")
    async def wait() -> str:
        server.called.set()
        await server.go_on.wait()
        return "waited"

    @app.get("/where")
    async def where() -> str:
        return f"{request.scheme} {request.remote_addr}"

    @app.get("/boom")
    async def boom() -> str:
        raise RuntimeError("the password is swordfish")

    return app


async def leave_all(_: Connection, data: bytes) -> bytes:
    """Leave all of a connection to the app."""
    await trio.lowlevel.checkpoint()
    return data


@asynccontextmanager
async def serving(kind: str, folder: Path, seconds: float = 10) -> AsyncIterator[Server]:
    """Serve the app for the length of an ``async with``, within some *seconds* in all."""
    wanted: Listen = Address("127.0.0.1", 0)
    if kind == "unix":
        wanted = UnixAddress(str(folder / "web.sock"))
    sockets = ListeningSockets()
    (address,) = await sockets.bind([wanted])
    plain = sockets.duplicate([wanted])
    listeners: Sequence[trio.SocketListener | Secured] = plain
    if kind == "tls":
        listeners = [Secured(listener, server_side(), https_compatible=True) for listener in plain]
    server = Server(kind, address)
    gate = Gate(Limits(2000), server.counts, get_log("test"))

    async def run() -> None:
        with server.scope:
            await serve_app(
                make_app(server), listeners, before=leave_all, stop=server.stop, gate=gate
            )
        server.stopped.set()

    try:
        with trio.fail_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run)
                yield server
                for client in server.clients:
                    await client.aclose()
                server.go_on.set()
                server.stop.set()
    finally:
        sockets.keep([])


@pytest.fixture(params=["tcp", "tls", "unix"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(request.param, tmp_path) as server:
        yield server


# Broken requests


BROKEN = {
    # What ends a stock Hypercorn
    "websocket upgrade and a byte": WEBSOCKET + b"x",
    "websocket upgrade and a frame": WEBSOCKET + b"\x81\x80\0\0\0\0",
    "websocket upgrade and a request": WEBSOCKET + HELLO,
    "websocket upgrade and a megabyte": WEBSOCKET + bytes(1_000_000),
    "h2c with broken settings": UPGRADE + b"h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
    # Upgrades
    "websocket upgrade": WEBSOCKET,
    "websocket without a key": UPGRADE + b"websocket\r\n\r\n",
    "websocket of no version": UPGRADE + b"websocket\r\nSec-WebSocket-Version: x\r\n\r\n",
    "websocket by POST": WEBSOCKET.replace(b"GET", b"POST"),
    "websocket of HTTP/1.0": WEBSOCKET.replace(b"/1.1", b"/1.0"),
    "websocket in capitals": WEBSOCKET.replace(b"websocket", b"WebSocket"),
    "websocket, twice": UPGRADE + b"websocket\r\nUpgrade: websocket\r\n\r\n",
    "h2c without settings": UPGRADE + b"h2c\r\n\r\n",
    "h2c with settings": UPGRADE + b"h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "h2c with no base64": UPGRADE + b"h2c\r\nHTTP2-Settings: \xff*\r\n\r\n",
    "h2c and the preface": UPGRADE + b"h2c\r\nHTTP2-Settings: AAAA\r\n\r\n" + H2_PREFACE,
    "upgrade to nothing": UPGRADE + b"\r\n\r\n",
    "upgrade to the unknown": UPGRADE + b"tls/1.0, \xff\r\n\r\n",
    "h2 preface": H2_PREFACE,
    "h2 preface and frames": H2_PREFACE + b"\0\0\0\4\0\0\0\0\0" * 1000,
    "half an h2 preface": H2_PREFACE[:14],
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n\x16\x03\x01",
    # Request lines
    "nothing": b"",
    "an empty line": b"\r\n",
    "empty lines": b"\r\n" * 10_000,
    "a NUL": b"\0",
    "noise": bytes(range(256)) * 100,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "finger": b"moshez\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no version": b"GET / \r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a relative path": b"GET etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path up": b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute path": b"GET http://example.org/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absolute path of no address": b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "broken escapes": b"GET /%zz%e9%0a%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a giant path": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a large path": b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a giant method": b"A" * 1_000_000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an absurd method": b"\xe2\x98\x9e / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of its own": b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a request": HELLO[:20],
    # Headers
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "an odd Host": b"GET / HTTP/1.1\r\nHost: a b<>\"'[::\r\n\r\n",
    "bytes in the Host": b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    "a giant header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "10,000 headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    "headers without an end": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a blank before a colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "bytes in headers": b"GET / HTTP/1.1\r\nHost: x\r\nCookie: \xff\r\nAccept: \xfe\r\n\r\n",
    "an odd Cookie": b"GET / HTTP/1.1\r\nHost: x\r\nCookie: =;;==;a\r\n\r\n",
    "an odd Range": b"GET / HTTP/1.1\r\nHost: x\r\nRange: bytes=9-1,-,x\r\n\r\n",
    "an odd date": b"GET / HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: never\r\n\r\n",
    "an odd Authorization": b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \xff%%\r\n\r\n",
    "an expectation": POST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    "an unknown expectation": POST + b"Content-Length: 1\r\nExpect: the worst\r\n\r\nx",
    # Bodies
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length of words": POST + b"Content-Length: five\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "a giant length": POST + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "a length of 5,000 digits": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length and chunks": POST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "too short a body": POST + b"Content-Length: 10\r\n\r\nhello",
    "too long a body": POST + b"Content-Length: 5\r\n\r\nhello, world",
    "a body with GET": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "no chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n",
    "a negative chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n",
    "a giant chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
    "a chunk size without end": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 1_000_000,
    "a chunk too short": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel\r\n0\r\n\r\n",
    "a chunk too long": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nhello\r\n0\r\n\r\n",
    "chunk extensions": POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 90_000 + b"\r\nx",
    "no last chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "giant trailers": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 1_000_000,
    "an unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\nx",
    "chunked, twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "an unlimited body": POST
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"10000\r\n%b\r\n" % bytes(65536) * 300,
    "a body that nobody reads": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
    + bytes(5_000_000),
    # Pipelines
    "a request and noise": HELLO + b"\0\xff" * 1000,
    "100 requests": HELLO * 100,
    "requests and a broken one": HELLO * 3 + b"GET\r\n\r\n" + HELLO * 3,
    "a request and an upgrade": HELLO + WEBSOCKET + b"x",
    "a request behind a body": POST + b"Content-Length: 5\r\n\r\nhello" + HELLO,
}


@pytest.mark.parametrize("eof", [True, False], ids=["half-closed", "open"])
@pytest.mark.parametrize("what", BROKEN)
async def test_broken_requests(
    server: Server, what: str, eof: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is sent is answered in HTTP or not at all, shows nothing of the inside, is no
    fault of ours, and the next client is served."""
    with capture_logs() as log:
        if eof:
            answer = await server.say(BROKEN[what])
            assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
            for word in (b"Traceback", b"site-packages", b"hypercorn", b"h11"):
                assert word not in answer.lower()
        else:
            client = await server.connect()
            with suppress(trio.BrokenResourceError):
                await client.send_all(BROKEN[what])
        await server.check()
    assert [record for record in log if record["log_level"] == "error"] == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("what", ["nothing", "half a request", "too short a body", "100 requests"])
async def test_clients_that_leave(server: Server, what: str, reset: bool) -> None:
    """A client that leaves at any point is no fault of ours, and leaves nothing behind: a stop
    has nobody to wait for."""
    with capture_logs() as log:
        for _ in range(10):
            client = await server.connect()
            await client.send_all(BROKEN[what])
            if reset:
                raw(client).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await client.aclose()
        await server.check()
        server.stop.set()
        with trio.move_on_after(5):
            await server.stopped.wait()
    assert server.stopped.is_set()
    assert [record for record in log if record["log_level"] == "error"] == []


async def test_all_at_once(server: Server) -> None:
    """All of that at one time, and the next client is served."""

    async def say(data: bytes) -> None:
        await server.say(data)

    async with trio.open_nursery() as nursery:
        for data in BROKEN.values():
            nursery.start_soon(say, data)
        await server.check()
    await server.check()


# What is right


async def test_who_asks_and_how(server: Server) -> None:
    """The app knows whether it is spoken to over TLS, and from where, if that is an address."""
    shown = {
        "tcp": b"http 127.0.0.1",
        "tls": b"https 127.0.0.1",
        "unix": b"http <local>",
    }
    for data in (GOODBYE, b"GET / HTTP/1.0\r\n\r\n"):
        answer = await server.say(data.replace(b"/", b"/where", 1))
        assert answer.endswith(b"\r\n\r\n" + shown[server.kind])


async def test_byte_by_byte(server: Server) -> None:
    """A request that comes byte by byte is answered like any other."""
    answer = await server.say(*[b"%c" % byte for byte in GOODBYE], eof=False)
    assert answer.endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("path", [b"/", b"/wait"])
async def test_half_closed_client_gets_its_answer(server: Server, path: bytes) -> None:
    """A client that closes its side after the request still gets the answer, then the end."""
    server.go_on.set()
    for _ in range(20):
        answer = await server.say(HELLO.replace(b"/", path, 1))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n" + {b"/": b"hello", b"/wait": b"waited"}[path])


async def test_half_closed_client_waits_for_its_answer(server: Server) -> None:
    """A half-closed client gets an answer that takes its time, too."""
    client = await server.connect()
    await client.send_all(HELLO.replace(b"/", b"/wait", 1))
    await client.send_eof()
    await server.called.wait()
    await server.check()
    server.go_on.set()
    assert (await everything(client)).endswith(b"\r\n\r\nwaited")


async def test_connection_close_is_honoured(server: Server) -> None:
    """Where the client asks for it, the connection ends with the answer, whole and at once."""
    for _ in range(20):
        answer = await server.say(GOODBYE, eof=False)
        assert answer.endswith(b"\r\n\r\nhello")
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("eof", [True, False], ids=["half-closed", "open"])
@pytest.mark.parametrize("path", [b"/", b"/big", b"/boom", b"/nothing"])
async def test_end_is_said_over_tls(tmp_path: Path, path: bytes, eof: bool) -> None:
    """A client over TLS is told that the answer is whole in a way that nobody else could."""
    async with serving("tls", tmp_path) as server:
        for _ in range(3):
            client = await server.connect()
            await client.send_all(GOODBYE.replace(b"/", path, 1))
            if eof:
                await client.send_eof()
            assert [data async for data in client]  # or BrokenResourceError


async def test_curl(tmp_path: Path) -> None:
    """curl is satisfied with certificate and answers, and stays on one connection for two."""
    curl = require_peer("curl")
    async with serving("tls", tmp_path) as server:
        assert isinstance(server.address, Address)
        port = server.address.port
        with authority().cert_pem.tempfile() as trusted:
            result = await trio.run_process(
                [
                    *(curl, "--silent", "--show-error", "--verbose", "--noproxy", "*"),
                    *("--cacert", trusted, "--resolve", f"{NAME}:{port}:127.0.0.1"),
                    *(f"https://{NAME}:{port}{path}" for path in ("/", "/where")),
                ],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    assert (result.returncode, result.stdout) == (0, b"hellohttps 127.0.0.1"), result.stderr
    assert b"ALPN: server accepted http/1.1" in result.stderr
    assert b"Re-using existing connection" in result.stderr


async def test_curl_over_a_unix_socket(tmp_path: Path) -> None:
    """curl gets its answer over a UNIX socket."""
    curl = require_peer("curl")
    async with serving("unix", tmp_path):
        result = await trio.run_process(
            [
                *(curl, "--silent", "--show-error", "--noproxy", "*"),
                *("--unix-socket", str(tmp_path / "web.sock"), "http://localhost/"),
            ],
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert (result.returncode, result.stdout) == (0, b"hello"), result.stderr


async def test_http_1_0(server: Server) -> None:
    """A client of HTTP/1.0 is answered, and the connection ends with the answer."""
    answer = await server.say(b"GET / HTTP/1.0\r\n\r\n", eof=False)
    assert answer.split(b"\r\n")[0].endswith(b" 200 ")
    assert answer.endswith(b"\r\n\r\nhello")


async def test_keep_alive(server: Server) -> None:
    """A connection serves one request after another."""
    client = await server.connect()
    for _ in range(5):
        await client.send_all(HELLO)
        got = b""
        while not got.endswith(b"\r\n\r\nhello"):
            data = await client.receive_some()
            assert data
            got += data


async def test_pipeline(server: Server) -> None:
    """Requests that come in one go are answered in order, all of them."""
    first = POST + b"Content-Length: 5\r\n\r\nfirst"
    answer = await server.say(first + HELLO * 20 + first.replace(b"first", b"least") + GOODBYE)
    bodies = [part[part.index(b"\r\n\r\n") + 4 :] for part in answer.split(b"HTTP/1.1 200 ")[1:]]
    assert bodies == [b"first", *[b"hello"] * 20, b"least", b"hello"]


async def test_head_has_no_body(server: Server) -> None:
    """HEAD is answered as GET is, without the body."""
    answer = await server.say(GOODBYE.replace(b"GET", b"HEAD"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 5\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\n")


async def test_no_server_header(server: Server) -> None:
    """No answer tells what software gave it."""
    for data in (GOODBYE, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\r\n\r\n"):
        answer = (await server.say(data)).lower()
        assert answer
        assert b"\r\nserver:" not in answer


async def test_large_answer(server: Server) -> None:
    """A large answer arrives whole."""
    answer = await server.say(GOODBYE.replace(b"/", b"/big", 1))
    assert len(answer) - answer.index(b"\r\n\r\n") - 4 == BIG


async def test_answer_is_not_lost_to_unread_input(server: Server) -> None:
    """T34: an answer arrives whole although nobody read the body that was sent, 50 of 50."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n"
    for _ in range(50):
        answer = await server.say(head + bytes(300_000), eof=False)
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"Method Not Allowed" in answer


async def test_refusal_is_not_lost_to_unread_input(server: Server) -> None:
    """T34: so does a refusal of a broken request, 50 of 50."""
    for _ in range(50):
        answer = await server.say(b"GET\r\n\r\n" + bytes(100_000), eof=False)
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_fault_in_the_app(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """T18: a fault in the app is a 500 that shows nothing of it; the next client is served."""
    answer = await server.say(GOODBYE.replace(b"/", b"/boom", 1))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"swordfish" not in answer
    assert caplog.records
    await server.check()


# Stopping


async def test_stop_with_idle_connections(server: Server) -> None:
    """A stop does not wait for a next request, and for a first one just a moment."""
    served, fresh = await server.connect(), await server.connect()
    await served.send_all(HELLO)
    assert await served.receive_some()
    await server.check()
    with trio.fail_after(3):
        server.stop.set()
        await everything(served)
        await server.stopped.wait()
    assert await everything(fresh) == b""


async def test_stop_answers_a_first_request(server: Server) -> None:
    """Who has connected before a stop, and asks just after it, is answered."""
    client = await server.connect()
    await server.check()
    server.stop.set()
    await wait_all_tasks_blocked()
    await client.send_all(HELLO)
    assert (await everything(client)).startswith(b"HTTP/1.1 200 ")
    await server.stopped.wait()


async def test_stop_finishes_requests(server: Server) -> None:
    """A stop waits for a request that is under way, and its answer arrives whole."""
    client = await server.connect()
    await client.send_all(HELLO.replace(b"/", b"/wait", 1))
    await server.called.wait()
    server.stop.set()
    await wait_all_tasks_blocked()
    assert not server.stopped.is_set()
    server.go_on.set()
    answer = await everything(client)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nwaited")
    await client.aclose()
    await server.stopped.wait()


async def test_cancel_with_a_client_that_stopped_reading(server: Server) -> None:
    """T24: with a client that stopped reading a stop may wait; cancelling is over at once."""
    client = await server.connect()
    await client.send_all(HELLO.replace(b"/", b"/big", 1))
    assert await client.receive_some(100)
    await server.check()
    server.stop.set()
    with trio.move_on_after(0.1):
        await server.stopped.wait()
    assert not server.stopped.is_set(), "the answer fits into the buffers: make it larger"
    with trio.fail_after(2):
        server.scope.cancel()
        await server.stopped.wait()


async def test_cancel_with_every_kind_of_client(server: Server) -> None:
    """Cancelling cuts whoever is there, in whatever state, at once."""
    for data in (b"", HELLO[:20], HELLO, POST + b"Content-Length: 10\r\n\r\nhel"):
        await (await server.connect()).send_all(data)
    waiting = await server.connect()
    await waiting.send_all(HELLO.replace(b"/", b"/wait", 1))
    await server.called.wait()
    with trio.fail_after(2):
        server.scope.cancel()
        await server.stopped.wait()
    for client in server.clients:
        await everything(client)


async def test_slow_reader_delays_nobody(server: Server) -> None:
    """T24: clients that do not read their answers keep nobody else waiting."""
    for _ in range(5):
        await (await server.connect()).send_all(HELLO.replace(b"/", b"/big", 1))
    with trio.fail_after(5):
        for _ in range(5):
            await server.check()
    server.scope.cancel()


# Clients that are too slow

SLOW = {
    "nothing": (b"", KEEP_ALIVE_SECONDS),
    "half a request": (HELLO[:10], KEEP_ALIVE_SECONDS),
    "half of the next request": (HELLO + HELLO[:10], KEEP_ALIVE_SECONDS),
    "half a body": (POST + b"Content-Length: 10\r\n\r\nhello", BODY_SECONDS),
}


async def settle() -> None:
    """Wait until everybody waits for something, and the kernel has nothing left for them."""
    for _ in range(5):
        await wait_all_tasks_blocked(0.02)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.parametrize("what", SLOW)
async def test_t23_slow_client(kind: str, what: str, tmp_path: Path, mock_clock: MockClock) -> None:
    """T23: whoever is cut while a request of theirs is awaited is counted once, and logged with
    their address."""
    data, seconds = SLOW[what]
    with capture_logs() as log:
        async with serving(kind, tmp_path, seconds=100) as server:
            client = await server.connect()
            await client.send_all(data)
            await settle()
            mock_clock.jump(seconds - 0.1)
            await settle()
            assert server.counts.refused == {}
            mock_clock.jump(0.2)
            await everything(client)
            await client.aclose()
            assert server.counts.refused == {"slow": 1}
            await server.check()
    assert events(log) == [("info", "client too slow")]
    assert log[0]["peer"] == "127.0.0.1"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
async def test_idle_is_not_slow(kind: str, tmp_path: Path, mock_clock: MockClock) -> None:
    """Whoever has their answer, and asks nothing more, is closed on, and not called slow."""
    with capture_logs() as log:
        async with serving(kind, tmp_path, seconds=100) as server:
            client = await server.connect()
            for _ in range(2):
                await client.send_all(HELLO)
                await settle()
            mock_clock.jump(KEEP_ALIVE_SECONDS + 0.1)
            assert (await everything(client)).count(b"HTTP/1.1 200 ") == 2
            await client.aclose()
            assert server.counts.refused == {}
    assert log == []


async def test_stopping_calls_nobody_slow(server: Server) -> None:
    """Whom a stop cuts is not too slow, not even with half a request."""
    with capture_logs() as log:
        for data in (b"", HELLO[:10], HELLO + HELLO[:10]):
            client = await server.connect()
            await client.send_all(data)
        await server.check()
        server.stop.set()
        await server.stopped.wait()
        assert server.counts.refused == {}
    assert log == []


async def test_t24_client_that_stopped_reading(tmp_path: Path, mock_clock: MockClock) -> None:
    """T24: nor is there a way around being counted: whoever asks and does not read is slow."""
    with capture_logs() as log:
        async with serving("tcp", tmp_path, seconds=math.inf) as server:
            client = await server.connect()
            await client.send_all(HELLO.replace(b"/", b"/big", 1))
            assert await client.receive_some(100)
            await settle()
            assert server.counts.refused == {}
            mock_clock.jump(BIG)  # more seconds than any patience
            await settle()
            assert server.counts.refused == {"slow": 1}
            await client.aclose()
    assert events(log) == [("info", "client too slow")]
