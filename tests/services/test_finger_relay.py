"""Forwarding queries (RFC 1288, 2.4 and 3.2.1): to whom, what, and within which bounds."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from tests.net.server import everything, until
from tests.strategies import chunked, texts
from trio_finger.config import HostPattern
from trio_finger.protocol.finger import Query, format_query, parse_query
from trio_finger.protocol.text import clean
from trio_finger.services.finger._relay import (
    MAX_RELAYED,
    RelayTarget,
    _Near,
    relay,
    relay_target,
)

QUERY = Query(("moshez",))

# Who may be asked


PATTERNS = tuple(
    map(HostPattern, ["db.example.org", "*.example.com", "127.0.0.1:7079", "::1", "10.0.0.1", "k"])
)


@pytest.mark.parametrize(
    ("line", "host", "rest"),
    [
        ("moshez@db.example.org", "db.example.org", "moshez"),
        ("@db.example.org", "db.example.org", ""),
        ("/W moshez@db.example.org", "db.example.org", "/W moshez"),
        ("/W @db.example.org", "db.example.org", "/W"),
        ("moshez shawn@db.example.org", "db.example.org", "moshez shawn"),
        ("moshez@far.example.net@db.example.org", "db.example.org", "moshez@far.example.net"),
        ("/W m@a@b@c@db.example.org", "db.example.org", "/W m@a@b@c"),
        ("@a@db.example.org", "db.example.org", "@a"),
        ("moshez@DB.Example.ORG", "db.example.org", "moshez"),
        ("moshez@db.example.org.", "db.example.org", "moshez"),
        ("moshez@ db.example.org ", "db.example.org", "moshez"),
        ("山@db.example.org", "db.example.org", "山"),
        ("moshez@10.0.0.1", "10.0.0.1", "moshez"),
        ("moshez@::1", "::1", "moshez"),
        ("moshez@[::1]", "::1", "moshez"),
    ],
)
def test_r4_named(line: str, host: str, rest: str) -> None:
    """R4: the right-most host is asked, and the rest, with ``/W``, is what it is asked."""
    target = relay_target(parse_query(line.encode()), PATTERNS)
    assert target == RelayTarget(host, 79, parse_query(rest.encode()), named=True)
    assert format_query(target.query) == f"{rest}\r\n".encode()


@pytest.mark.parametrize("host", ["x.example.com", "a.b.example.com", "X.Example.Com."])
def test_r4_by_domain(host: str) -> None:
    """R4: a host is allowed by its domain, too, but has not been named then."""
    target = relay_target(parse_query(f"/W moshez@{host}".encode()), PATTERNS)
    query = Query(("moshez",), verbose=True)
    assert target == RelayTarget(host.lower().rstrip("."), 79, query, named=False)


def test_r4_named_in_a_domain() -> None:
    """Who is named is that, also if the domain is allowed besides, in whatever order."""
    patterns = [HostPattern("*.example.com"), HostPattern("x.example.com")]
    for order in (patterns, patterns[::-1]):
        target = relay_target(Query(hosts=("x.example.com",)), order)
        assert target is not None
        assert target.named


def test_t2_port_of_the_operator() -> None:
    """T2: another port than 79 is asked only if the operator has named it with the host."""
    target = relay_target(parse_query(b"moshez@127.0.0.1:7079"), PATTERNS)
    assert target == RelayTarget("127.0.0.1", 7079, QUERY, named=True)
    for line, port in (
        (b"m@db.example.org", 7),
        (b"m@x.example.com", 7),
        (b"m@127.0.0.1:7079", 7079),
    ):
        target = relay_target(parse_query(line), PATTERNS, port=7)
        assert target is not None
        assert target.port == port


@pytest.mark.parametrize(
    "line",
    [
        "",
        "moshez",
        "/W",
        # C8
        "moshez@",
        "@",
        "@@",
        "moshez@@db.example.org",
        "moshez@db.example.org@",
        "@.",
        # Others
        "moshez@example.com",
        "moshez@.example.com",
        "moshez@..example.com",
        "moshez@a..example.com",
        "moshez@*.example.com",
        "moshez@xexample.com",
        "moshez@x.example.com..",
        "moshez@x.example.com.evil.net",
        "moshez@evil.net/.example.com",
        "moshez@x:79.example.com",
        "moshez@x y.example.com",
        "moshez@é.example.com",
        f"moshez@{'x' * 64}.example.com",
        f"moshez@{'x.' * 130}example.com",
        "moshez@\u212a",  # which is a k when it is made small
        "moshez@evil.net",
        "moshez@db.example.org@evil.net",
        # Ports
        "moshez@db.example.org:79",
        "moshez@db.example.org:22",
        "moshez@x.example.com:22",
        "moshez@127.0.0.1",
        "moshez@127.0.0.1:79",
        "moshez@127.0.0.1:07079",
        "moshez@127.1:7079",
        "moshez@10.0.0.1:22",
        "moshez@[::1]:22",
        "moshez@[10.0.0.1]:22",
        "moshez@0:0:0:0:0:0:0:1",
        # C7
        "moshez@a@b@c@d@db.example.org",
        "@" + "db.example.org@" * 60 + "db.example.org",
        # What no line may hold
        "a\x1b[2J@db.example.org",
        "a\0@db.example.org",
        "a@b\x1b@db.example.org",
        "a\u202e@db.example.org",
    ],
)
def test_t2_c7_c8_refused(line: str) -> None:
    """T2, C7, C8: no other host, no other port, no circle and no half an address."""
    assert relay_target(parse_query(line.encode()), PATTERNS) is None


def test_t2_not_utf_8() -> None:
    """T2: a name that cannot be written again is not asked for."""
    assert relay_target(parse_query(b"\xff@db.example.org"), PATTERNS) is None


@pytest.mark.parametrize("line", [b"@db.example.org", b"m@x.example.com", b"m@127.0.0.1", b"m@"])
def test_r21_nobody_is_allowed(line: bytes) -> None:
    """R21: without a list nothing is forwarded."""
    assert relay_target(parse_query(line), ()) is None


HOSTS = texts(".:[]*@ ").map(str.strip) | st.sampled_from([*PATTERNS, "x.example.com", "a b", ""])


@given(st.builds(Query, st.just(("m",)), st.booleans(), st.lists(HOSTS, max_size=6).map(tuple)))
def test_t2_any_hosts(query: Query) -> None:
    """T2: whatever is asked for goes to a host on the list, is one line, and one hop shorter."""
    target = relay_target(query, PATTERNS)
    if target is None:
        return
    place = target.host if target.port == 79 else f"{target.host}:{target.port}"
    assert (place in PATTERNS) if target.named else target.host.endswith(".example.com")
    line = format_query(target.query)
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert target.query.hosts == query.hosts[:-1]
    assert len(target.query.hosts) <= 3
    assert (target.query.names, target.query.verbose) == (query.names, query.verbose)


# The text that comes back


class Sent(trio.abc.SendStream):
    """Keeps all that it is sent."""

    def __init__(self) -> None:
        self.data = b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.data += data

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


def passed_on(pieces: list[bytes]) -> bytes:
    """Return what comes of *pieces*."""
    sent = Sent()

    async def pass_on() -> None:
        near = _Near(sent)
        for piece in pieces:
            await near.pass_on(piece)
        await near.end("")

    trio.run(pass_on)
    return sent.data


ANSWERS = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b"\x1b[2J", b"\t", b"\x7f", b"\x9b", b"text"])
    | st.binary(max_size=4)
).map(b"".join)


@given(chunked(ANSWERS))
def test_t9_r1_any_answer(pieces: list[bytes]) -> None:
    """T9, R1: in whatever pieces it comes, whole lines and no control character go out."""
    data = passed_on(pieces)
    assert data == passed_on([b"".join(pieces)])
    assert not data or data.endswith(b"\r\n")
    text = data.decode().replace("\r\n", "")
    lines = b"".join(pieces).decode("utf-8", "replace").replace("\r", "\n").split("\n")
    assert text == "".join(map(clean, lines))


# The connection


class Far:
    """The other host.

    Attributes:
      target: what `relay` takes for it.
      queries: what it was asked.
      sent: how many bytes it was able to send.
      left: set when we have closed the connection to it, or it has ended it itself.
    """

    def __init__(self, port: int) -> None:
        self.target = RelayTarget("127.0.0.1", port, QUERY, named=True)
        self.queries: list[bytes] = []
        self.sent = 0
        self.left = trio.Event()

    async def send(self, stream: trio.SocketStream, data: bytes) -> None:
        """Send *data*, if need be a little of it, and count that."""
        for start in range(0, len(data), 4096):
            await stream.send_all(data[start : start + 4096])
            self.sent += len(data[start : start + 4096])


Answer = Callable[[Far, trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def far_end(answer: bytes | Answer) -> AsyncIterator[Far]:
    """Be the other host for the length of an ``async with``."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            query = await stream.receive_some()
            far.queries.append(bytes(query))
            with suppress(trio.BrokenResourceError):
                if isinstance(answer, bytes):
                    await far.send(stream, answer)
                else:
                    await answer(far, stream)
        far.left.set()

    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
            (listener,) = await nursery.start(serve)
            far = Far(listener.socket.getsockname()[1])
            yield far
            await far.left.wait()
            nursery.cancel_scope.cancel()


async def relayed(target: RelayTarget, **bounds: Any) -> bytes:
    """Return all that whoever asked gets to read."""
    near, asker = memory_stream_pair()
    await relay(target, near, **bounds)
    await near.send_eof()
    return await everything(asker)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"Happy and well\r\n", b"Happy and well\r\n"),
        (b"Happy\nand\rwell", b"Happy\r\nand\r\nwell\r\n"),
        (b"\x1b[2J\x1b]0;owned\x07red\x08\x7f\0\t!\n", b"[2J]0;ownedred\t!\r\n"),
        (b"caf\xe9 \xff\n", "caf\ufffd \ufffd\r\n".encode()),
        (b"caf\xe9", "caf\ufffd\r\n".encode()),
        ("\x9b31m\u202e\u200b!\n".encode(), b"31m!\r\n"),
        ("café 山\n".encode(), "café 山\r\n".encode()),
        (b"\r\n\r\n", b"\r\n\r\n"),
        (b"\0", b""),
    ],
)
async def test_r4_t9_answer(answer: bytes, text: bytes) -> None:
    """R4, T9, L1: all of an answer comes back, as lines of text, and so does the end."""
    async with far_end(answer) as far:
        assert await relayed(far.target) == text
    assert far.queries == [b"moshez\r\n"]


async def test_r4_question() -> None:
    """R4: the rest of the query is what the other host reads, to the byte."""
    patterns = [HostPattern("127.0.0.1")]
    async with far_end(b"ok\r\n") as far:
        query = parse_query(b"/W moshez@next@127.0.0.1")
        target = relay_target(query, patterns, port=far.target.port)
        assert target is not None
        assert await relayed(target) == b"ok\r\n"
    assert far.queries == [b"/W moshez@next\r\n"]


async def test_as_it_comes() -> None:
    """What has come is passed on before there is more."""
    more = trio.Event()

    async def answer(far: Far, stream: trio.SocketStream) -> None:
        await stream.send_all(b"Happy\r\n")
        await more.wait()
        await stream.send_all(b"and well\r\n")

    near, asker = memory_stream_pair()
    async with far_end(answer) as far, trio.open_nursery() as nursery:
        nursery.start_soon(relay, far.target, near)
        assert await asker.receive_some() == b"Happy\r\n"
        more.set()
        assert await asker.receive_some() == b"and well\r\n"


# Hosts that do not answer


async def test_r3_refused() -> None:
    """R3: a host that takes no connection is no silence."""
    with socket.socket() as nobody, trio.fail_after(20):
        nobody.bind(("127.0.0.1", 0))
        target = RelayTarget("127.0.0.1", nobody.getsockname()[1], QUERY, named=True)
        assert await relayed(target) == b"127.0.0.1: refuses the connection\r\n"


async def test_r3_no_such_host() -> None:
    """R3: nor is one that there is not."""
    with trio.fail_after(20):
        target = RelayTarget("a..b", 79, QUERY, named=True)
        assert await relayed(target) == b"a..b: no such host\r\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "0"])
async def test_t2_only_public_unless_named(host: str) -> None:
    """T2: a name that is allowed by its domain alone cannot lead to this machine."""
    async with far_end(b"secret\r\n") as far:
        port = far.target.port
        refused = f"{host}: is at an address that is not allowed\r\n".encode()
        assert await relayed(RelayTarget(host, port, QUERY, named=False)) == refused
        assert far.queries == []
        assert await relayed(RelayTarget(host, port, QUERY, named=True)) == b"secret\r\n"


def reset(stream: trio.SocketStream) -> None:
    """Have the connection end with a reset."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def test_r3_reset() -> None:
    """R3: nor one that breaks the connection."""

    async def answer(_: Far, stream: trio.SocketStream) -> None:
        reset(stream)

    async with far_end(answer) as far:
        assert await relayed(far.target) == b"127.0.0.1: the connection broke\r\n"


async def test_r3_closed() -> None:
    """R3: nor one that closes it without a word."""
    async with far_end(b"") as far:
        text = await relayed(far.target)
    assert text == b"127.0.0.1: the connection was closed without an answer\r\n"


async def test_t3_reset_in_the_middle() -> None:
    """T3: half an answer is not taken for a whole one."""
    seen = trio.Event()

    async def answer(_: Far, stream: trio.SocketStream) -> None:
        await stream.send_all(b"Happy and")
        await seen.wait()
        reset(stream)

    near, asker = memory_stream_pair()
    async with far_end(answer) as far, trio.open_nursery() as nursery:
        nursery.start_soon(relay, far.target, near)
        assert await asker.receive_some() == b"Happy and"
        seen.set()
        assert await asker.receive_some() == b"\r\n... (cut: the connection broke)\r\n"


# Bounds


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (1, "1 bytes"),
        (16383, "16383 bytes"),
        (16384, "16 KiB"),
        (16385, "16385 bytes"),
        (50_000, "50000 bytes"),
    ],
)
async def test_t3_size(size: int, words: str) -> None:
    """T3: an answer of just the size that is allowed is whole, one byte more is not."""
    async with far_end(b"x" * size) as far:
        assert await relayed(far.target, max_size=size) == b"x" * size + b"\r\n"
    async with far_end(b"x" * (size + 1)) as far:
        text = await relayed(far.target, max_size=size)
    assert text == b"x" * size + f"\r\n... (cut: the answer is longer than {words})\r\n".encode()


async def send_for_ever(data: bytes, far: Far, stream: trio.SocketStream) -> None:
    while True:
        await far.send(stream, data)


@pytest.mark.parametrize("data", [b"x", b"\n", b"\0"], ids=["text", "lines", "nothing"])
async def test_t3_endless(data: bytes) -> None:
    """T3: an answer without an end is cut at 1 MiB, says so, and the other host is left."""
    async with far_end(partial(send_for_ever, data * 65536)) as far:
        text = await relayed(far.target)
    start = {b"x": b"x" * MAX_RELAYED + b"\r\n", b"\n": b"\r\n" * MAX_RELAYED, b"\0": b""}[data]
    assert text == start + b"... (cut: the answer is longer than 1 MiB)\r\n"


async def say_nothing(_: Far, stream: trio.SocketStream) -> None:
    """Read until the other end closes."""
    await everything(stream)


async def test_t3_silent(mock_clock: MockClock) -> None:
    """T3: a host that says nothing is waited for as long as was said, and then left."""
    near, asker = memory_stream_pair()
    async with far_end(say_nothing) as far, trio.open_nursery() as nursery:
        nursery.start_soon(partial(relay, far.target, near, seconds=12))
        await until(lambda: bool(far.queries))
        mock_clock.jump(11.9)
        await wait_all_tasks_blocked()
        assert not far.left.is_set()
        mock_clock.jump(0.2)
        assert await asker.receive_some() == b"127.0.0.1: no answer within 12 s\r\n"


async def test_t3_trickling(mock_clock: MockClock) -> None:
    """T3: however steadily it comes, the time counts from the beginning to the end."""

    async def answer(_: Far, stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(b"x")
            await trio.sleep(1)

    near, asker = memory_stream_pair()
    text = b""
    async with far_end(answer) as far, trio.open_nursery() as nursery:
        nursery.start_soon(partial(relay, far.target, near, seconds=10.5))
        for _ in range(11):
            text += await asker.receive_some()
            await wait_all_tasks_blocked()
            mock_clock.jump(1)
        text += await asker.receive_some()
        while not far.left.is_set():  # which it finds out when it sends again
            mock_clock.jump(1)
            await wait_all_tasks_blocked()
    assert text == b"x" * 11 + b"\r\n... (cut: no end within 10.5 s)\r\n"


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Our end of a connection from somebody who asks, and theirs, with small buffers."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        asker = trio.socket.socket()
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        await asker.connect(listener.socket.getsockname())
        near = await listener.accept()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    async with near, trio.SocketStream(asker) as theirs:
        yield near, theirs


async def test_t3_t24_slow_reader() -> None:
    """T3, T24: while nobody reads here, the other host cannot send, and then all arrives."""
    size = 16 * 1024 * 1024

    async def relay_and_close() -> None:
        await relay(far.target, near, max_size=size)
        await near.send_eof()

    async def answer(far: Far, stream: trio.SocketStream) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        await far.send(stream, b"x" * size)

    async with far_end(answer) as far, asking() as (near, asker), trio.open_nursery() as nursery:
        nursery.start_soon(relay_and_close)
        await until(lambda: far.sent > 0)
        await wait_all_tasks_blocked(0.05)
        # What the kernel has taken, for two connections. We ourselves have one piece.
        assert far.sent < size / 4
        read = 0
        while data := await asker.receive_some():
            read += len(data)
        assert far.sent == size
        assert read == size + len(b"\r\n")


async def test_t3_t24_nobody_reads(mock_clock: MockClock) -> None:
    """T3, T24: one who never reads does not keep the other host longer than others do."""

    async def ask() -> None:
        with pytest.raises(trio.TooSlowError):
            await relay(far.target, near)

    answer = partial(send_for_ever, b"x" * 65536)
    async with far_end(answer) as far, asking() as (near, _), trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await until(lambda: far.sent > 0)
        await wait_all_tasks_blocked(0.05)
        assert not far.left.is_set()
        mock_clock.jump(31)
        await far.left.wait()


async def test_asker_that_is_gone() -> None:
    """If nobody is there any more who wants to know, the other host is left."""
    async with far_end(partial(send_for_ever, b"x" * 65536)) as far, asking() as (near, asker):
        await asker.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await relay(far.target, near)


async def test_cancelled() -> None:
    """When it is cancelled, the other host is left, too."""
    near, _ = memory_stream_pair()
    async with far_end(say_nothing) as far, trio.open_nursery() as nursery:
        nursery.start_soon(relay, far.target, near)
        await until(lambda: bool(far.queries))
        nursery.cancel_scope.cancel()
