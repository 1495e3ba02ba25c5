"""Two ways to an answer, on the spot and by a handler: nobody can tell which it was."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.net.server import everything, until
from tests.rfc1288.asking import (
    FORWARDING_DENIED,
    FULL,
    GHOST,
    LIST_DENIED,
    MOSHEZ,
    NO_SUCH_USER,
    TOO_MANY,
    is_whole,
    make_people,
    make_users,
)
from tests.strategies import chunked
from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import AcceptedStream, Gate, Limits, serve_connections
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.proxy import PRETENDED, SIGNATURE, ProxyError
from trio_finger.services.finger import Door, _door, handle_finger, serve_finger
from trio_finger.services.finger._answer import Answer, answer_query
from trio_finger.sources import Directory
from trio_finger.usermap import UserMap

TOO_LONG = b"Query too long (at most 1024 bytes)\r\n"
INTERNAL_ERROR = b"Internal error in server\r\n"
PEOPLE = {
    "moshez": FULL,
    "shawn": Profile(full_name="Shawn Spencer"),
    "ghost": GHOST,
    "zoë": Profile(plan="Ünï ☞\n" * 50),
}
CONFIGS = [
    Finger(),
    Finger(list=False, plan=False),
    Finger(match="names"),
    Finger(format="full"),
    Finger(charset="ascii", match="names"),
]


@pytest.fixture
async def users() -> UserMap:
    return await make_people(PEOPLE, {"moshez": "Happy and well", "shawn": "Alive", "ghost": "Boo"})


class Client(trio.abc.HalfCloseableStream):
    """Sends *chunks*, each received by itself, and then the end; keeps what it is told."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = list(chunks)
        self.told = b""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._chunks:
            return b""
        data = self._chunks.pop(0)
        if max_bytes is not None and len(data) > max_bytes:
            self._chunks.insert(0, data[max_bytes:])
        return data[:max_bytes]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.told += data

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class Outcome:
    """What became of a query: the answer, what was counted, and what was logged."""

    def __init__(self, users: UserMap, config: Finger) -> None:
        self.answer: bytes | str = b""
        self.on_the_spot = False
        self.counts = Counts()
        self.log: Sequence[MutableMapping[str, Any]] = []
        self.door = Door(
            config, Directory(users), self.counts, Log(level="debug"), get_log("finger")
        )
        self.config = config

    async def by_handler(self, client: Client, received: bytes = b"") -> None:
        """Have a handler answer *client*, of whom something was *received* already."""
        stream = AcceptedStream(client, received=received)  # type: ignore[arg-type]
        try:
            await handle_finger(stream, self.config, self.door)
            self.answer = client.told
        except ProxyError as error:
            self.answer = str(error)

    @property
    def seen(self) -> tuple[object, ...]:
        """All of it that anybody can see."""
        return self.answer, self.counts.answered, self.log


async def ask_both(
    users: UserMap, config: Finger, chunks: Sequence[bytes]
) -> tuple[Outcome, Outcome]:
    """Send *chunks* to a door that answers on the spot where it can, and to one that does not."""
    eager, ordinary = Outcome(users, config), Outcome(users, config)
    with capture_logs() as eager.log:
        # As the entrance does: it looks once, at what has come by then.
        first = chunks[0][:4096] if chunks else b""
        answer = eager.door.answer_at_once(first, None)
        if answer is None:
            rest = [chunks[0][4096:], *chunks[1:]] if chunks else []
            await eager.by_handler(Client([*filter(None, rest)]), first)
        else:
            eager.answer, eager.on_the_spot = answer, True
    with capture_logs() as ordinary.log:
        await ordinary.by_handler(Client(chunks))
    return eager, ordinary


ends = st.sampled_from([b"\r\n", b"\n", b"\r", b"", b"\n\r", b"\r\r\n", b"\r\n\r\n", b"\r\nmore"])
NAMES = [b"moshez", b"shawn", b"ghost", b"nobody", b"Spencer", "zoë".encode(), b"moshez " * 11]
MARKS = [
    b"/W",
    b"/w",
    b"@h",
    b"@",
    b",",
    b" ",
    b"\t",
    b"\0",
    b"\xff",
    b"\x1b[31m",
    b"%s",
    b"PROXY ",
]
TELNET = [b"\xff\xfd\x06", b"\xff\xf4"]
words = st.lists(st.sampled_from([*NAMES, *MARKS, *TELNET]), max_size=5).map(b" ".join)
lengths = st.integers(MAX_QUERY - 2, MAX_QUERY + 2).map(lambda size: b"a" * size)
heads = st.sampled_from([*PRETENDED, b"PROXY ", b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2"])
lines = words | lengths | st.tuples(heads, words).map(b"".join) | st.binary(max_size=60)
sent = st.tuples(lines, ends).map(b"".join) | st.binary(max_size=5000)


@given(chunks=chunked(sent) | chunked(sent).map(lambda c: [b"".join(c)]), which=st.integers(0, 4))
@example(chunks=[], which=0)
@example(chunks=[b"moshez\r\n"], which=0)
@example(chunks=[b"\r", b"\n"], which=0)
@example(chunks=[b"moshez\r", b"\n"], which=0)
@example(chunks=[SIGNATURE], which=0)
@example(chunks=[SIGNATURE[:2], SIGNATURE[2:]], which=0)
@example(chunks=[b"a" * MAX_QUERY + b"\r\n"], which=0)
@example(chunks=[b"a" * (MAX_QUERY + 1) + b"\r\n"], which=0)
@example(chunks=[b"a" * 9000], which=0)
@example(chunks=[b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\nmoshez\r\n"], which=0)
async def test_same_answer_either_way(chunks: list[bytes], which: int) -> None:
    """Any bytes in any pieces have the same answer, counts and records, on the spot or not."""
    users = await make_people(PEOPLE, {"moshez": "Happy and well", "shawn": "Alive"})
    chunks = [chunk for chunk in chunks if chunk]
    eager, ordinary = await ask_both(users, CONFIGS[which], chunks)
    assert eager.seen == ordinary.seen
    if isinstance(eager.answer, bytes):
        assert is_whole(eager.answer)
        assert sum(eager.counts.answered.values()) == 1
        assert [record["event"] for record in eager.log] == ["query"]
    else:
        assert eager.counts.answered == {}


@pytest.mark.parametrize("head", PRETENDED)
async def test_t27_pretending_to_be_a_proxy(users: UserMap, head: bytes) -> None:
    """T27: what begins like a proxy's header has no answer, either way, and is no query."""
    for rest in (b"192.0.2.7 192.0.2.1 1 2\r\nmoshez\r\n", b"\r\n", bytes(20)):
        eager, ordinary = await ask_both(users, Finger(), [head + rest])
        assert isinstance(ordinary.answer, str)
        assert eager.seen == ordinary.seen
        assert eager.counts.answered == {}


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b"moshez", "status"),
        (b"MOSHEZ shawn", "status"),
        (b"\xff\xfd\x06moshez", "status"),
        (b"/W moshez", "long"),
        (b"/W zo\xc3\xab", "long"),
        (b"nobody", "unknown"),
        (b"ghost", "unknown"),
        (b"PROXIES", "unknown"),
        (b"a" * MAX_QUERY, "unknown"),
        (b"moshez@h", "forwarding denied"),
        (b"moshez " * 11, "too many"),
    ],
)
async def test_what_is_answered_on_the_spot(
    users: UserMap, line: bytes, end: bytes, result: str
) -> None:
    """Whole queries that memory can answer are, and no others: the rule is not an empty one."""
    eager, ordinary = await ask_both(users, Finger(), [line + end])
    assert eager.on_the_spot
    assert eager.seen == ordinary.seen
    assert eager.counts.answered == {result: 1}


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"moshez", b"moshez\r", b"moshez\r\nx", b"moshez\r\n\r\n", b"moshez\n\n"),
        *(b"\r\n", b"/W\r\n", b"/W moshez shawn\r\n"),  # what may be long
        *(b"PROXY moshez\r\n", SIGNATURE, b"a" * (MAX_QUERY + 1) + b"\r\n", b"a" * 4096),
    ],
)
async def test_what_is_left_to_a_handler(users: UserMap, data: bytes) -> None:
    """What is not whole, is more than a query, or may be long, is left alone, and not counted."""
    counts = Counts()
    with capture_logs() as log:
        door = Door(Finger(), Directory(users), counts, Log(level="debug"), get_log("finger"))
        assert door.answer_at_once(data, None) is None
    assert counts.answered == {}
    assert log == []


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b""])
@pytest.mark.parametrize(
    ("size", "answer"),
    [(MAX_QUERY - 1, NO_SUCH_USER), (MAX_QUERY, NO_SUCH_USER), (MAX_QUERY + 1, TOO_LONG)],
)
async def test_t1_the_limit_is_exact(users: UserMap, size: int, end: bytes, answer: bytes) -> None:
    """T1: a line as long as may be is a query, and one more byte is too many, either way."""
    line = b"a" * size + end
    for chunks in ([line], [line[:1], line[1:]], [line[:-1], line[-1:]]):
        eager, ordinary = await ask_both(users, Finger(), chunks)
        assert eager.seen == ordinary.seen
        assert eager.answer == answer


# Over real connections


@asynccontextmanager
async def serving(
    users: UserMap, config: Finger, counts: Counts, *, records: Log | None = None
) -> AsyncIterator[int]:
    """Serve finger as the daemon does, for the length of an ``async with``."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    stop = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            run = partial(serve_finger, config, Directory(users), listeners, stop=stop)
            nursery.start_soon(partial(run, counts=counts, records=records or Log()))
            yield port
            stop.set()


@asynccontextmanager
async def serving_by_handler(users: UserMap, config: Finger, counts: Counts) -> AsyncIterator[int]:
    """Serve finger, and nothing of it on the spot."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    stop = trio.Event()
    door = Door(config, Directory(users), counts, Log(), get_log("finger"))
    gate = Gate(Limits(100), counts, get_log("finger"))

    async def run() -> None:
        handle = partial(handle_finger, config=config, door=door)
        await serve_connections(handle, listeners, stop=stop, gate=gate)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield port
            stop.set()


async def ask(port: int, *chunks: bytes, eof: bool = False) -> bytes:
    """Send *chunks*, one packet each, and return the answer."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as client:
        with suppress(trio.BrokenResourceError):
            for chunk in chunks:
                await client.send_all(chunk)
        if eof:
            await client.send_eof()
        return await everything(client)


def conversations() -> Iterator[tuple[tuple[bytes, ...], bool]]:
    """Yield what clients send, in pieces, and whether they end it."""
    for line in (b"moshez", b"/W moshez", b"nobody", b"a@h", b"\xff\xfd\x06shawn", b"", b"/W"):
        for end in (b"\r\n", b"\n", b"\r"):
            yield (line + end,), False
            yield (line + end,), True
        yield (line,), True
        yield (*(b"%c" % byte for byte in line), b"\r", b"\n"), False
        yield (line + b"\r\nshawn\r\n",), False
        yield (line + b"\r\n" + bytes(100_000),), False
    yield (b"a" * MAX_QUERY + b"\r\n",), False
    yield (b"a" * (MAX_QUERY + 1) + b"\r\n",), False
    yield (b"a" * 50_000,), False
    yield (b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\nmoshez\r\n",), False
    yield (), True


async def test_same_answer_over_real_connections(users: UserMap) -> None:
    """Over TCP both ways answer, and count, the same, to the byte."""
    fast, slow = Counts(), Counts()
    config = Finger(rate=None)
    with capture_logs():
        async with (
            serving(users, config, fast) as port,
            serving_by_handler(users, config, slow) as other,
        ):
            for chunks, eof in conversations():
                answer = await ask(port, *chunks, eof=eof)
                assert answer == await ask(other, *chunks, eof=eof), chunks
                assert answer.endswith(b"\r\n") or chunks[0].startswith(b"PROXY")
            await until(lambda: fast.open == slow.open == 0)
    assert fast.answered == slow.answered
    assert fast.accepted == slow.accepted
    assert fast.refused == slow.refused == {"proxy": 1}
    assert sum(fast.answered.values()) == sum(1 for _ in conversations()) - 1


async def test_t34_more_than_a_query(users: UserMap) -> None:
    """T34: whoever goes on sending gets the whole answer, 50 runs of 50, in one piece or two."""
    async with serving(users, Finger(rate=None), Counts()) as port:
        for size in (1, 1000, 1_000_000):
            for _ in range(50):
                assert await ask(port, b"moshez\r\n" + bytes(size)) == MOSHEZ


async def test_t34_more_in_a_second_piece(users: UserMap) -> None:
    """T34: so does whoever sends more just after the query."""
    lost = Counter[int]()

    def talk(port: int, size: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            with suppress(ConnectionError):
                client.sendall(b"moshez\r\n")
                client.sendall(bytes(size))
            with suppress(ConnectionError):
                return client.recv(100)
        return b""

    def talk_often(port: int) -> None:
        for size in (1, 10, 100_000):
            lost[size] = sum(talk(port, size) != MOSHEZ for _ in range(50))

    async with serving(users, Finger(rate=None), Counts()) as port:
        await trio.to_thread.run_sync(talk_often, port)
    assert not +lost


# Faults and slow readers


async def test_t29_fault_in_an_answer(users: UserMap, monkeypatch: pytest.MonkeyPatch) -> None:
    """T29: a fault in what both ways share is one client's, who is told; all others live on."""

    def fail(line: bytes, *others: Any) -> Answer:
        if line == b"fail":
            raise RuntimeError("the password is swordfish")
        return answer_query(line, *others)

    monkeypatch.setattr(_door, "answer_query", fail)
    counts = Counts()
    with capture_logs() as log:
        async with (
            serving(users, Finger(rate=None), counts) as port,
            await trio.open_tcp_stream("127.0.0.1", port) as sibling,
        ):
            await sibling.send_all(b"mos")
            for chunks in ((b"fail\r\n",), (b"fa", b"il\r\n"), (b"fail\r\n" + bytes(100_000),)):
                assert await ask(port, *chunks) == INTERNAL_ERROR
                assert await ask(port, b"moshez\r\n") == MOSHEZ
            await sibling.send_all(b"hez\r\n")
            assert await everything(sibling) == MOSHEZ
    assert counts.faults == 3
    assert counts.open == 0
    assert counts.answered == {"status": 4}
    assert {record["event"] for record in log} == {"fault in a connection"}


class Reader(trio.abc.HalfCloseableStream):
    """A client that has asked, and takes *takes* pieces of the answer and no more."""

    def __init__(self, query: bytes, takes: int) -> None:
        self._query = query
        self._takes = takes
        self.pieces: list[int] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        data, self._query = self._query, b""
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(len(data))
        if len(self.pieces) > self._takes:
            await trio.sleep_forever()
        await trio.sleep(1)

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("query", [b"\r\n", b"/W\r\n"])
@pytest.mark.parametrize("takes", [0, 3])
async def test_t24_slow_reader_of_a_list(
    query: bytes, takes: int, autojump_clock: MockClock
) -> None:
    """T24: who stops reading a large list is cut at the deadline; of the rest nothing is made.

    That is ten seconds, and one more for each 8 KiB that were handed over.
    """
    users = await make_users({f"user{number}": "s" * 100 for number in range(5000)})
    door = Door(Finger(), Directory(users), Counts(), Log(), get_log("finger"))
    client = Reader(query, takes)
    began = trio.current_time()
    with pytest.raises(trio.TooSlowError):
        await handle_finger(client, Finger(), door)
    assert trio.current_time() - began == pytest.approx(10 + sum(client.pieces) / 8192)
    assert len(client.pieces) == takes + 1
    assert max(client.pieces) < 64 * 1024


async def test_forwarding_and_limits_on_the_spot() -> None:
    """What is refused in words is refused in the same words by a door without any user."""
    users = await make_users({})
    for line, answer in (
        (b"@h\r\n", FORWARDING_DENIED),
        (b"x@h\r\n", FORWARDING_DENIED),
        (b"\r\n", LIST_DENIED),
        (b"a " * 11 + b"\r\n", TOO_MANY),
    ):
        eager, ordinary = await ask_both(users, Finger(list=False), [line])
        assert eager.on_the_spot
        assert eager.answer == answer
        assert eager.seen == ordinary.seen
