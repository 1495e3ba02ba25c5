"""The lane for simple requests: it says what the app says, to the byte, and knows its place.

Every request here is sent twice to the whole web door: as it is, and with a header that the
lane leaves to the app.
"""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import quote
from xmlrpc.client import dumps

import h11
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from trio_finger.counts import Counts
from trio_finger.net import Connection
from trio_finger.protocol.setter import SetRequest
from trio_finger.services.web import Site, serve_web
from trio_finger.services.web import _lane as lane
from trio_finger.services.web._answer import Answer
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
PATIENCE = 30  # seconds for a whole test

TO_THE_APP = b"Cookie: a=b\r\n"

NAMES = ["moshez", "Zoë", "RPC2", "me", "live.json", "a.b-c_d", "?#%&+;\"'<é語", "plan"]


class Door:
    """The web door, up."""

    def __init__(self, users: UserMap, port: int) -> None:
        self.users = users
        self.port = port
        self.counts = Counts()
        self.stop = trio.Event()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    """Have the door with some users for the length of an ``async with`` block."""
    users = UserMap(MemoryStore(10), clock=lambda: SINCE)
    for name in NAMES:
        await users.set(SetRequest(name, f"{name} is <well> & happy"), by=ANYBODY)
    await users.set(SetRequest("plan", plan="A plan.\n" * 2000), by=ANYBODY)
    with trio.fail_after(PATIENCE):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        door = Door(users, listener.socket.getsockname()[1])
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await serve_web(
                    Site("finger.example"),
                    Directory(users),
                    [listener],
                    stop=door.stop,
                    counts=door.counts,
                )

            nursery.start_soon(serve)  # noqa: ASYNC113
            yield door
            door.stop.set()


class Client:
    """A client that keeps its connection, and reads one whole answer a request."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def ask(self, request: bytes) -> bytes:
        """Send *request*, and return the answer."""
        await self._stream.send_all(request)
        return await self.read(request)

    async def read(self, request: bytes) -> bytes:
        """Return the answer to *request* as it came, but for the time of day."""
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=request.split()[0], target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        raw = b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = await self._stream.receive_some()
                assert data, raw
                raw += data
                reader.receive_data(data)
            elif isinstance(event, h11.EndOfMessage):
                return re.sub(rb"\r\ndate: [^\r]*", b"", raw)


def make_request(
    path: str, *, accept: str = "*/*", agent: str = "x", more: bytes = b"", host: str = "h:8000"
) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Accept: {accept}", f"User-Agent: {agent}"]
    return "\r\n".join([*lines, ""]).encode() + more + b"\r\n"


def make_call(body: str, more: bytes = b"") -> bytes:
    data = body.encode()
    head = (
        f"POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\nContent-Length: {len(data)}"
    )
    return head.encode() + b"\r\n" + more + b"\r\n" + data


REQUESTS = st.builds(
    make_request,
    st.sampled_from(
        [
            *(f"/{tilde}{quote(name)}{more}" for name in [*NAMES, "nobody"]
              for tilde in ("~", "") for more in ("", "/online", "?a=b", "/status", "/")),
            *("/", "/static/style.css", "/a/b", "//moshez", "/~", "/.", "/healthz"),
        ]
    ),
    accept=st.sampled_from(
        ["*/*", "text/html", "application/json", "text/plain", "text/html;q=0.1, */*;q=0.5", "x"]
    ),
    agent=st.sampled_from(["curl/8.5", "Mozilla/5.0", ""]),
    more=st.sampled_from(
        [b"", b"Accept-Language: de\r\n", b"Connection: keep-alive\r\n", b"X-Odd: 1\r\n"]
    ),
    host=st.sampled_from(["h:8000", "finger.example", "[::1]:80", "a_b.", "127.0.0.1"]),
)  # fmt: skip


@given(st.lists(REQUESTS, min_size=1, max_size=12))
@settings(max_examples=25)
async def test_the_same_as_the_app(requests: list[bytes]) -> None:
    """Whatever is asked for, the lane and the app say the same, to the byte."""
    async with open_door() as door, await door.connect() as stream, await door.connect() as other:
        beside, through = Client(stream), Client(other)
        for request in requests * 2:  # a page that was asked for before is at hand
            expected = await through.ask(request[:-2] + TO_THE_APP + b"\r\n")
            assert await beside.ask(request) == expected


@pytest.mark.parametrize(
    "body",
    [
        dumps(("moshez",), "getUser"),
        dumps(("nobody",), "getUser"),
        dumps(("Zoë",), "getStatus"),
        dumps(("nobody",), "getStatus"),
        dumps((), "getUsers"),
        dumps((1,), "getUser"),
        dumps(("moshez", "Gone"), "setUser"),
        dumps(("x",), "nothing"),
        "<methodCall>",
    ],
)
async def test_calls(body: str) -> None:
    """The same is true of calls by XML-RPC, but that only reading ones are the lane's."""
    async with open_door() as door, await door.connect() as stream, await door.connect() as other:
        expected = await Client(other).ask(make_call(body, TO_THE_APP))
        assert await Client(stream).ask(make_call(body)) == expected


async def test_change_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page at hand is no longer given when there is news, be it what was said before."""
    async with open_door() as door, await door.connect() as stream:
        client = Client(stream)
        page = await client.ask(make_request("/moshez", accept="text/html"))
        assert await client.ask(make_request("/moshez", accept="text/html")) == page
        await door.users.set(SetRequest("moshez", "News"), by=ANYBODY)
        news = await client.ask(make_request("/moshez", accept="text/html"))
        assert b"<p>News</p>" in news
        assert b"moshez is &lt;well&gt;" in news  # earlier
        await door.users.set(SetRequest("moshez", plan="To rest."), by=ANYBODY)
        assert b"To rest." in await client.ask(make_request("/moshez", accept="text/html"))


@pytest.mark.parametrize(
    "request_",
    [make_request("/moshez")[:20], make_request("/moshez") * 2, b"\x16\x03\x01", b"\r\n"],
)
async def test_what_is_not_simple_is_left_to_the_app(request_: bytes) -> None:
    """Of a request in pieces, of several at once, and of nonsense, the lane answers nothing."""
    async with open_door() as door:
        beside = lane.Lane.run
        left: list[bytes | None] = []

        async def run(self: lane.Lane, stream: Connection, data: bytes) -> bytes | None:
            left.append(await beside(self, stream, data))
            return None

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lane.Lane, "run", run)
            async with await door.connect() as stream:
                await stream.send_all(request_)
                await stream.send_eof()
                assert await stream.receive_some() == b""
        assert left == [request_]


async def test_idle_connections_end_at_a_stop() -> None:
    """Who waits for nothing is let go at once when the stop comes, and hears no error."""
    async with open_door() as door, await door.connect() as stream:
        client = Client(stream)
        await client.ask(make_request("/moshez"))
        door.stop.set()
        assert await stream.receive_some() == b""


async def test_who_has_just_connected_is_answered_at_a_stop() -> None:
    """Who has connected before the stop may still ask."""
    async with open_door() as door, await door.connect() as stream:
        await wait_all_tasks_blocked(0.01)
        assert door.counts.open == 1
        door.stop.set()
        assert b"moshez" in await Client(stream).ask(make_request("/moshez"))
        assert await stream.receive_some() == b""


async def test_request_that_has_come_with_a_stop_is_answered() -> None:
    """What is in the socket when the stop comes was asked for in time."""
    for _ in range(20):  # it depends on who runs first
        async with open_door() as door, await door.connect() as stream:
            client = Client(stream)
            await client.ask(make_request("/~moshez/online"))
            await wait_all_tasks_blocked()
            # Trio's own way to send would give others a turn first.
            request = make_request("/moshez", agent="Mozilla/5.0")
            assert os.write(stream.socket.fileno(), request) == len(request)
            door.stop.set()
            assert b"<h1>moshez</h1>" in await client.read(request)


async def test_counts() -> None:
    """What the lane answers is counted."""
    async with open_door() as door, await door.connect() as stream:
        client = Client(stream)
        await client.ask(make_request("/moshez"))
        await client.ask(make_request("/nobody"))
        assert door.counts.answered == {"2xx": 1, "4xx": 1}


async def test_back_in_the_lane() -> None:
    """What the app had to answer does not keep the rest of a connection from the lane."""
    async with open_door() as door, await door.connect() as stream:
        client = Client(stream)
        simple, other = make_request("/moshez"), make_request("/moshez", more=TO_THE_APP)
        with pytest.MonkeyPatch.context() as patch:
            answered: list[Answer] = []

            def format_answer(answer: Answer) -> bytes:
                answered.append(answer)
                return formatted(answer)

            formatted = lane.format_answer
            patch.setattr(lane, "format_answer", format_answer)
            for count in range(5):
                assert await client.ask(other) == await client.ask(simple)
                assert len(answered) == count + 1
        assert door.counts.answered == {"2xx": 10}


@pytest.mark.parametrize(
    "host", ["a<b", "..", "a..b", "x" * 64, "h:x", "h:123456", "[x]", "a b", ""]
)
@pytest.mark.parametrize("more", [b"", TO_THE_APP])
async def test_host_that_cannot_be(host: str, more: bytes) -> None:
    """A host that nobody can have is the client's mistake, and no fault of ours (T18)."""
    async with open_door() as door, await door.connect() as stream:
        answer = await Client(stream).ask(make_request("/moshez", host=host, more=more))
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_length_and_chunks() -> None:
    """A body that has both a length and chunks is refused, and so is what may be behind it."""
    async with open_door() as door, await door.connect() as stream:
        head = b"POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
        chunks = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        assert (await Client(stream).ask(head + chunks)).startswith(b"HTTP/1.1 400 ")
        assert await stream.receive_some() == b""


@pytest.mark.parametrize("path", ["/moshez", "/live.sse"])
async def test_head_in_pieces(path: str) -> None:
    """A head that comes in pieces is that of a simple request as soon as it is whole."""
    async with open_door() as door, await door.connect() as stream:
        for byte in make_request(path):
            await stream.send_all(bytes([byte]))
            await wait_all_tasks_blocked()
        answer = await stream.receive_some()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert (b"text/event-stream" in answer) == (path == "/live.sse")


async def test_cookies_in_pieces() -> None:
    """Who follows may have cookies of other places, in several lines, in any characters."""
    async with open_door() as door, await door.connect() as stream:
        cookies = "Cookie: a=b\r\nCookie: c=\u00e9\r\n".encode("latin-1")
        await stream.send_all(make_request("/live.sse", more=cookies))
        assert b"text/event-stream" in await stream.receive_some()
