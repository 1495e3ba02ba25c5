"""The setter door: the tutorial's session, that a refusal changes nothing, and who may ask."""

import json
import os
import pwd
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from structlog.typing import EventDict
from trio.testing import MockClock, memory_stream_pair

from tests.net.server import until
from trio_finger.config import Setter
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Gate, Limits
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import MAX_REQUEST, SetRequest
from trio_finger.protocol.text import MAX_NAME, MAX_PLAN, MAX_STATUS
from trio_finger.services.setter import handle_setter, serve_setter
from trio_finger.store import Dropped, MemoryStore, StoreError, Told
from trio_finger.usermap import ANYBODY, OPERATOR, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
OK = b"ok\r\n"
TOO_LONG = f"error: the request is longer than {MAX_REQUEST} bytes\r\n".encode()
NO_NETWORK = b"error: you may not set a status from where you are\r\n"

Writes = Sequence[Told | Dropped]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def users(store: MemoryStore) -> UserMap:
    return await make_users(store)


async def make_users(store: MemoryStore) -> UserMap:
    """Return a map with two users of the file, for one of whom something is set.

    A third, ``ghost``, is hidden.
    """
    users = UserMap(store, clock=lambda: SINCE)
    await users.replace_file(
        {name: Status(name, "from the file", SINCE) for name in ("moshez", "shawn", "ghost")},
        {"ghost": Profile(hidden=True), "shawn": Profile(plan="Plan of the file")},
    )
    await users.set(SetRequest("shawn", "Alive"), by=ANYBODY)
    return users


def texts(users: UserMap) -> dict[str, str]:
    return {status.name: status.text for status in users}


BEFORE = {"moshez": "from the file", "shawn": "Alive"}


def ask(**keys: str | None) -> bytes:
    """Return a request of one line; ``for_`` stands for ``for``."""
    return json.dumps({key.rstrip("_"): value for key, value in keys.items()}).encode() + b"\n"


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", name)
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def cet() -> Iterator[None]:
    """Be where clocks are an hour ahead of UTC."""
    with time_zone("CET-1"):
        yield


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    with capture_logs() as records:
        yield records


def make_gate() -> Gate:
    return Gate(Limits(1), Counts(), get_log("setter"))


async def say(
    users: UserMap, *chunks: bytes, eof: bool = True, config: Setter | None = None
) -> bytes:
    """Say *chunks* at the door, over a stream in memory, and return all of the reply."""
    server, client = memory_stream_pair()
    got = bytearray()

    async def serve() -> None:
        await handle_setter(server, config or Setter(), users, make_gate())
        await server.aclose()

    async def listen() -> None:
        async for data in client:
            got.extend(data)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(listen)
            with suppress(trio.BrokenResourceError):
                for chunk in chunks:
                    await client.send_all(chunk)
                if eof:
                    await client.send_eof()
    return bytes(got)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
async def test_the_tutorials_session(
    users: UserMap, store: MemoryStore, end: bytes, last: bool, autojump_clock: MockClock
) -> None:
    """A name, a status and the end of the input set it, and that is ok."""
    session = b"moshez" + end + b"Giving a tutorial now, sorry!" + end * last
    assert await say(users, session) == OK
    assert texts(users) == BEFORE | {"moshez": "Giving a tutorial now, sorry!"}
    assert "Giving a tutorial now, sorry!" in [told.text for told in await store.load()]


async def test_ok_only_once_it_is_kept(autojump_clock: MockClock) -> None:
    """Nothing is answered before the store has kept it."""

    class SlowStore(MemoryStore):
        kept = False

        async def write(self, writes: Writes) -> None:
            await trio.sleep(5)
            await super().write(writes)
            self.kept = True

    store = SlowStore()
    users = UserMap(store)
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_setter, server, Setter(), users, make_gate())
        await client.send_all(b"moshez\nHere\n")
        await client.send_eof()
        assert await client.receive_some() == OK
        assert store.kept
        assert users.get("moshez") is not None


async def test_nothing_before_the_end_of_input(users: UserMap, autojump_clock: MockClock) -> None:
    """Lines might go on: before the end of the input nothing is set and nothing answered."""
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_setter, server, Setter(), users, make_gate())
        await client.send_all(b"moshez\nHere\n")
        with trio.move_on_after(30):
            pytest.fail(f"{await client.receive_some()!r} came too early")
        assert texts(users) == BEFORE
        await client.send_eof()
        assert await client.receive_some() == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"MosheZ\nHere", {"moshez": "Here"}),
        (b" moshez \t\n  Here \t\n", {"moshez": "Here"}),
        (b"moshez\nHere\n\n\n", {"moshez": "Here"}),
        (b"moshez\nHere\nand there", {"moshez": "Here"}),
        (b"{moshez}\nHere", {"{moshez}": "Here"}),
        (b"new\nHere", {"new": "Here"}),
        ("Zoë\nà la mode ☞".encode(), {"Zoë": "à la mode ☞"}),
        (b"moshez\n\x1b[31mred\xe2\x80\xae\x07", {"moshez": "[31mred"}),
        (b"moshez\n%s {0} {{7*7}} <b>", {"moshez": "%s {0} {{7*7}} <b>"}),
        (b"n" * MAX_NAME + b"\n" + b"s" * MAX_STATUS, {"n" * MAX_NAME: "s" * MAX_STATUS}),
    ],
)
async def test_granted(
    users: UserMap, request_: bytes, expected: dict[str, str], autojump_clock: MockClock
) -> None:
    """What is right is set, clean and without the blanks around it."""
    assert await say(users, request_) == OK
    assert texts(users) == BEFORE | expected


@pytest.mark.parametrize(
    "request_",
    [
        *(b"shawn\n\n", b"shawn\r\n\r\n", b"SHAWN\n \t\n", b"shawn\n\n\n\n"),
        *(ask(name="shawn", status=""), ask(name="Shawn", status=None)),
    ],
)
async def test_empty_second_line_clears(
    users: UserMap, store: MemoryStore, request_: bytes, autojump_clock: MockClock
) -> None:
    """An empty second line goes back to what the file says."""
    assert await say(users, request_) == OK
    assert texts(users) == BEFORE | {"shawn": "from the file"}
    assert await store.load() == []


async def test_plan(users: UserMap, store: MemoryStore, autojump_clock: MockClock) -> None:
    """Further lines set a plan, indentation and all; clearing it goes back to the file's."""
    assert await say(users, b"shawn\nBusy\r\n  1. Write\r\n\r\n\t2. Mend\x1b\n\n") == OK
    assert texts(users) == BEFORE | {"shawn": "Busy"}
    assert users.profile("shawn").plan == "  1. Write\n\n\t2. Mend"
    assert {told.field for told in await store.load()} == {"status", "plan"}
    assert await say(users, b"shawn\nHere") == OK
    assert users.profile("shawn").plan == "  1. Write\n\n\t2. Mend"
    assert await say(users, ask(name="shawn", plan=None)) == OK
    assert users.profile("shawn").plan == "Plan of the file"
    assert texts(users) == BEFORE | {"shawn": "Here"}


async def test_plan_alone(users: UserMap, autojump_clock: MockClock) -> None:
    """A plan may come without a status, which stays, and go as it came."""
    assert await say(users, ask(name="moshez", plan="a\n b")) == OK
    assert await say(users, ask(name="new", plan="c")) == OK
    assert texts(users) == BEFORE | {"new": ""}
    assert users.profile("moshez").plan == "a\n b"
    assert await say(users, ask(name="new", plan="")) == OK
    assert texts(users) == BEFORE


async def test_line_needs_no_end_of_input(users: UserMap, autojump_clock: MockClock) -> None:
    """A line of JSON is answered at its end, at once, however it comes."""
    line = ask(name="moshez", status="Here")
    for chunks in ([line], [b"%c" % byte for byte in line], [line + b"and more"]):
        server, client = memory_stream_pair()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(handle_setter, server, Setter(), users, make_gate())
            for chunk in chunks:
                await client.send_all(chunk)
            assert await client.receive_some() == OK
            assert trio.current_time() == began
            await client.aclose()
        assert texts(users) == BEFORE | {"moshez": "Here"}


@pytest.mark.parametrize(
    ("request_", "until"),
    [
        (ask(name="moshez", status="Here", for_="1h"), b"2026-11-21 01:15 CET"),
        (ask(name="moshez", status="Here", until="17:30"), b"2026-11-21 17:30 CET"),
        (ask(name="moshez", status="Here", until="2026-11-22T00:00Z"), b"2026-11-22 01:00 CET"),
        (ask(name="moshez", status="Here", plan="x", for_="1d"), b"2026-11-22 00:15 CET"),
    ],
)
async def test_end(
    users: UserMap, request_: bytes, until: bytes, cet: None, autojump_clock: MockClock
) -> None:
    """Whoever says for how long is told until when, and in which time zone that is."""
    assert await say(users, request_) == b"ok, until " + until + b"\r\n"
    status = users.get("moshez")
    assert status is not None
    assert status.until is not None
    assert f"{status.until.astimezone():%Y-%m-%d %H:%M %Z}".encode() == until


@pytest.mark.parametrize("zone", ["UTC0", "CET-1", "EST5"])
@pytest.mark.parametrize("until", ["0001-01-01T00:00Z", "9999-12-31T23:59Z"])
async def test_end_of_time(
    users: UserMap, zone: str, until: str, autojump_clock: MockClock
) -> None:
    """A time that no clock here can show is refused like any other that cannot be meant."""
    with time_zone(zone):
        reply = await say(users, ask(name="moshez", status="Here", until=until))
    assert reply.startswith(b"error: ")
    assert texts(users) == BEFORE


async def test_no_end_is_told_to_who_named_none(users: UserMap, autojump_clock: MockClock) -> None:
    """What names no end is answered with just ok, whatever was set before."""
    assert (await say(users, ask(name="moshez", status="x", for_="1h"))).startswith(b"ok, until ")
    assert await say(users, ask(name="moshez", plan="y")) == OK
    assert await say(users, ask(name="moshez", status="y")) == OK
    assert (await say(users, ask(name="moshez", status="x", for_="1h"))).startswith(b"ok, until ")
    assert await say(users, ask(name="moshez", status=None)) == OK


async def test_clearing_one_who_was_created(users: UserMap, autojump_clock: MockClock) -> None:
    """Somebody whom the file does not name is gone once they are cleared."""
    assert await say(users, b"new\nHere") == OK
    assert await say(users, b"new\n\n") == OK
    assert texts(users) == BEFORE
    assert await say(users, b"new\n\n") == b"error: no such user\r\n"


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (b"", b"nothing was sent"),
        (b"\n", b"nothing was sent"),
        (b"moshez", b"second line, the status, is missing"),
        (b"moshez\n", b"second line, the status, is missing"),
        (b"moshez\r\n", b"second line, the status, is missing"),
        (b"\nHere", b"the name is empty"),
        (b"nobody\n\n", b"no such user"),
        (b"moshez\nmosh\xe9z", b"not UTF-8"),
        (b"mosh\xe9z\nHere", b"not UTF-8"),
        (b"mo shez\nHere", b"white space"),
        (b"moshez@host\nHere", b"a name cannot hold '@'"),
        (b"../moshez\nHere", b"a name cannot hold '/'"),
        (b"..\nHere", b"cannot be a name"),
        (b"mo\0shez\nHere", b"control or invisible"),
        (b"mo\xe2\x80\x8bshez\nHere", b"control or invisible"),
        (b"n" * (MAX_NAME + 1) + b"\nHere", b"longer than 64 characters"),
        (b"moshez\n" + b"s" * (MAX_STATUS + 1), b"longer than 1024 bytes"),
        (b"moshez\n\0\x1b\x07", b"the status is empty"),
        (b"moshez\nHere\n" + b"p" * (MAX_PLAN + 1), b"the plan is longer than 16384 bytes"),
        (b"moshez\nHere" + b"\n" * MAX_REQUEST, b"longer than 36864 bytes"),
        (bytes(1_000_000), b"longer than 36864 bytes"),
        (b'{"name": "moshez"', b"not JSON"),
        (ask(name="moshez"), b"neither a status nor a plan"),
        (ask(name="moshez", plan="p" * (MAX_PLAN + 1)), b"the plan is longer than 16384 bytes"),
        (ask(name="moshez", status=" \t"), b"the status is empty"),
        (ask(name="moshez", status="Here", for_="soon"), b'such as "30s"'),
        (ask(name="moshez", status="Here", for_="999999999.9999999d"), b"ten years ahead"),
        (ask(name="moshez", status="Here", until="2026-11-20"), b"is not in the future"),
        (ask(name="moshez", status="Here", until="x\r\nok\x1b\u2028x"), rb"x\r\nok\x1b\u2028x"),
        (ask(name="moshez", status="Here", for_="\ud800"), b'such as "30s"'),
        (ask(name="mo\nshez", status="Here"), b"white space"),
        (ask(name="\ud800", status="Here"), b"control or invisible"),
        (ask(name="moshez", status="\ud800"), b"the status is empty"),
    ],
)
async def test_refusals_change_nothing(
    users: UserMap,
    store: MemoryStore,
    request_: bytes,
    why: bytes,
    log: list[EventDict],
    autojump_clock: MockClock,
) -> None:
    """What cannot be is refused in one line that says why, and nothing has changed."""
    kept = await store.load()
    with users.subscribe() as changes:
        reply = await say(users, request_)
        assert changes.statistics().current_buffer_used == 0
    assert reply.startswith(b"error: ")
    assert why in reply
    assert reply.count(b"\n") == reply.count(b"\r") == 1
    assert reply.endswith(b"\r\n")
    assert texts(users) == BEFORE
    assert await store.load() == kept
    assert [(record["event"], record["log_level"]) for record in log] == [("refused", "info")]


async def test_bound_of_a_request_is_exact(users: UserMap, autojump_clock: MockClock) -> None:
    """A request of the size allowed is taken, one byte more is not, and no end is waited for."""
    request = b"moshez\nHere"
    assert await say(users, request.ljust(MAX_REQUEST)) == OK
    too_long = request.ljust(MAX_REQUEST + 1)
    assert await say(users, too_long, eof=False) == TOO_LONG


async def test_no_creation(users: UserMap, autojump_clock: MockClock) -> None:
    """Where the operator turned creation off, only users of the file can be set."""
    users.create = False
    assert (await say(users, b"new\nHere")).startswith(b"error: only users whom the users file")
    assert await say(users, b"moshez\nHere") == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


async def test_store_that_fails(autojump_clock: MockClock) -> None:
    """Where it cannot be kept, the answer is an error, and nothing has changed."""

    class FullStore(MemoryStore):
        async def write(self, writes: Writes) -> None:
            raise StoreError("the disk is full")

    users = UserMap(FullStore())
    assert await say(users, b"moshez\nHere") == b"error: the disk is full\r\n"
    assert texts(users) == {}


@pytest.mark.parametrize("chunk", [b"", b"moshez\n", b"moshez\nHere\n", b'{"name": "moshez", '])
async def test_client_that_never_ends_its_input(
    users: UserMap, chunk: bytes, autojump_clock: MockClock
) -> None:
    """A client that never ends its input is told so after a minute, and nothing is set."""
    began = trio.current_time()
    reply = await say(users, chunk, eof=False)
    assert reply == b"error: no end of input within 60 seconds\r\n"
    assert trio.current_time() - began < 65
    assert texts(users) == BEFORE


async def test_a_byte_now_and_then(
    users: UserMap, autojump_clock: MockClock, log: list[EventDict]
) -> None:
    """The minute is for the whole request, not since the last byte (T23); the log says so."""
    server, client = memory_stream_pair()
    gate = make_gate()

    async def trickle() -> None:
        while True:
            await client.send_all(b"x")
            await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        began = trio.current_time()
        await handle_setter(server, Setter(), users, gate)
        assert trio.current_time() - began < 65
        nursery.cancel_scope.cancel()
    assert texts(users) == BEFORE
    assert gate.counts.refused == {"slow": 1}
    assert [(record["event"], record["log_level"]) for record in log] == [
        ("client too slow", "info")
    ]


async def test_who_is_too_slow(users: UserMap, log: list[EventDict], mock_clock: MockClock) -> None:
    """T23: of a slow client the log has the address, whether it has begun or not, and no more
    than one record of a crowd at once."""
    counts = Counts()
    async with serving(users, counts=counts, seconds=100) as port:
        clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(3)]
        await clients[0].send_all(b"moshez\n")
        await until(lambda: counts.open == 3)
        mock_clock.jump(61)
        for client in clients:
            assert b"within 60 seconds" in await client.receive_some()
            await client.aclose()
    assert counts.refused == {"slow": 3}
    said = [(record["event"], record["peer"], record.get("times")) for record in log]
    assert said == [
        ("client too slow", "127.0.0.1", None),
        ("client too slow", "127.0.0.1", 2),
    ]


@given(data=st.data())
def test_any_bytes_in_any_chunks(data: st.DataObject) -> None:
    """Any bytes in any chunking get one line, and `ok` is said of nothing but a change or clear."""
    scraps = [b"moshez", b"shawn", b"\n", b"\r\n", b"Here", b" ", b"\0", b"\xff", b"{", b"}", b":"]
    scraps += [ask(name="shawn", status=None), ask(name="moshez", status="x", until="\n")]
    scraps += [ask(name="moshez", status="x", for_="1h"), ask(name="moshez", plan="x").strip()]
    parts = st.sampled_from(scraps)
    sent = data.draw(st.binary(max_size=100) | st.lists(parts, max_size=8).map(b"".join))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [chunk for a, b in pairwise([0, *cuts, len(sent)]) if (chunk := sent[a:b])]

    async def check() -> None:
        users = await make_users(MemoryStore())
        others = await make_users(MemoryStore())
        reply = await say(users, *chunks)
        assert reply == await say(others, sent)
        assert texts(users) == texts(others)
        assert reply.endswith(b"\r\n")
        assert reply.count(b"\n") == reply.count(b"\r") == 1
        if not reply.startswith((OK, b"ok, until ")):
            assert reply.startswith(b"error: ")
            assert texts(users) == BEFORE

    trio.run(check, clock=MockClock(autojump_threshold=0))


# Over real connections

Listener = trio.SocketListener


@asynccontextmanager
async def serving(
    users: UserMap,
    *listeners: Listener,
    config: Setter | None = None,
    counts: Counts | None = None,
    seconds: float = 20,
) -> AsyncIterator[int]:
    """Serve the setter for the length of an ``async with``, on the port that it yields.

    Args:
      listeners: where; by default on IPv4.
      counts: the door's numbers.
      seconds: how long that may take.
    """
    found = listeners or await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    with trio.fail_after(seconds):
        async with trio.open_nursery() as nursery:
            settings, numbers = config or Setter(), counts or Counts()
            nursery.start_soon(
                partial(serve_setter, settings, users, found, stop=stop, counts=numbers)
            )
            name = found[0].socket.getsockname()
            yield 0 if isinstance(name, str) else name[1]
            stop.set()


async def converse(stream: trio.SocketStream, data: bytes) -> bytes:
    """Say *data* and then nothing more; return all of the reply."""
    async with stream:
        await stream.send_all(data)
        await stream.send_eof()
        return b"".join([part async for part in stream])


async def session(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    return await converse(await trio.open_tcp_stream(host, port), data)


async def test_served(users: UserMap) -> None:
    """Over TCP, too, the reply arrives, even to a client that sent far too much (T34)."""
    async with serving(users) as port:
        for _ in range(50):
            assert await session(port, b"moshez\nHere\n" + b"x" * 500_000) == TOO_LONG
        assert await session(port, b"moshez\r\nHere\r\n") == OK
    assert texts(users) == BEFORE | {"moshez": "Here"}


async def test_fault_of_our_own() -> None:
    """A fault in the server is an error that shows nothing of the inside (T18)."""

    class BuggyStore(MemoryStore):
        async def write(self, writes: Writes) -> None:
            raise RuntimeError("the password is swordfish")

    users = UserMap(BuggyStore())
    with capture_logs():
        async with serving(users) as port:
            assert await session(port, b"moshez\nHere") == b"error: internal error in server\r\n"
            assert await session(port, b"nobody\n\n") == b"error: no such user\r\n"
    assert texts(users) == {}


async def test_resets(users: UserMap, log: list[EventDict]) -> None:
    """A client that resets the connection at any point is nobody's fault and raises no alarm."""
    async with serving(users, config=Setter(allow=(ip_network("127.0.0.0/8"),))) as port:
        for data in (b"", b"moshez\n", ask(name="moshez", status="Here"), b"x" * 100_000) * 5:
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.send(data)
            assert await session(port, b"shawn\nAlive\n") == OK
    assert {record["log_level"] for record in log} <= {"debug", "info"}


# Networks that may set something


def listen(family: socket.AddressFamily, host: str) -> Listener:
    """Listen on *host*; with IPv6 for IPv4 as well, as a daemon may be told by others to."""
    server = socket.socket(family)
    try:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind((host, 0))
        server.listen()
    except OSError as error:
        server.close()
        pytest.skip(f"{host}: {error}")
    return Listener(trio.socket.from_stdlib_socket(server))


IPV4 = (socket.AF_INET, "127.0.0.1", "127.0.0.1")
IPV6 = (socket.AF_INET6, "::1", "::1")
MAPPED = (socket.AF_INET6, "::", "127.0.0.1")


@pytest.mark.parametrize(
    ("place", "allow", "reply"),
    [
        (IPV4, [], OK),
        (IPV4, ["127.0.0.0/8"], OK),
        (IPV4, ["192.0.2.0/24", "127.0.0.1/32"], OK),
        (IPV4, ["192.0.2.0/24"], NO_NETWORK),
        (IPV4, ["127.0.0.2/32", "::/0"], NO_NETWORK),
        (IPV6, ["::1/128"], OK),
        (IPV6, ["2001:db8::/32", "0.0.0.0/0"], NO_NETWORK),
        (MAPPED, [], OK),
        (MAPPED, ["127.0.0.0/8"], OK),
        (MAPPED, ["192.0.2.0/24", "::1/128"], NO_NETWORK),
    ],
)
async def test_networks(
    users: UserMap,
    place: tuple[socket.AddressFamily, str, str],
    allow: list[str],
    reply: bytes,
    log: list[EventDict],
) -> None:
    """Where the operator named networks, only who is in one of them may set anything (T28)."""
    family, host, target = place
    config = Setter(allow=tuple(map(ip_network, allow)))
    async with serving(users, listen(family, host), config=config) as port:
        assert await session(port, b"moshez\nHere\n", target) == reply
        assert await session(port, ask(name="shawn", status=None), target) == reply
    if reply == OK:
        assert texts(users) == {"moshez": "Here", "shawn": "from the file"}
        return
    assert texts(users) == BEFORE
    assert [(record["event"], record["log_level"]) for record in log] == [("denied", "warning")] * 2
    for record in log:
        assert target in record["peer"]
        assert record["reason"] == "you may not set a status from where you are"


async def test_nobody_knows_from_where(users: UserMap, autojump_clock: MockClock) -> None:
    """Whoever is at no address that we know is in no network."""
    config = Setter(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert await say(users, b"moshez\nHere", config=config) == NO_NETWORK
    assert texts(users) == BEFORE


# UNIX sockets, where the kernel says who asks

OTHER = next(user for user in pwd.getpwall() if user.pw_uid not in (0, os.geteuid()))
NAMELESS = next(
    uid
    for uid in range(3_000_000_000, 4_000_000_000)
    if uid not in {u.pw_uid for u in pwd.getpwall()}
)
UNTOLD = b"error: who you are cannot be told\r\n"

Ask = Callable[[bytes], Awaitable[bytes]]


@pytest.fixture
def ask_unix(users: UserMap, tmp_path: Path) -> Ask:
    """Say something at a UNIX socket that is real, and return the reply."""

    async def ask(data: bytes) -> bytes:
        path = tmp_path / "setter.sock"
        path.unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(os.fspath(path))
        server.listen()
        listener = Listener(trio.socket.from_stdlib_socket(server))
        # Networks are for TCP alone.
        config = Setter(allow=(ip_network("192.0.2.0/24"),))
        async with serving(users, listener, config=config):
            return await converse(await trio.open_unix_socket(os.fspath(path)), data)

    return ask


def pretend(monkeypatch: pytest.MonkeyPatch, uid: int | None) -> None:
    """Have the kernel say that *uid* asks."""
    monkeypatch.setattr("trio_finger.services.setter.peer_user", lambda _: uid)


async def test_own_user_may_set_anything(
    users: UserMap, ask_unix: Ask, log: list[EventDict]
) -> None:
    """The daemon's own user may set anybody's status, by the kernel's word."""
    assert await ask_unix(b"moshez\nHere\n") == OK
    assert await ask_unix(ask(name="new", status="Here", plan="x")) == OK
    assert await ask_unix(ask(name="shawn", status=None)) == OK
    assert texts(users) == {"moshez": "Here", "new": "Here", "shawn": "from the file"}
    assert [(record["event"], record["user"], record["peer"]) for record in log] == [
        ("set", "moshez", f"unix:uid={os.geteuid()}"),
        ("set", "new", f"unix:uid={os.geteuid()}"),
        ("cleared", "shawn", f"unix:uid={os.geteuid()}"),
    ]


async def test_root_may_set_anything(
    users: UserMap, ask_unix: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So may root, whoever the daemon is."""
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)
    pretend(monkeypatch, 0)
    assert await ask_unix(b"moshez\nHere\n") == OK
    pretend(monkeypatch, NAMELESS)
    assert await ask_unix(b"moshez\nThere\n") == OK
    assert texts(users) == BEFORE | {"moshez": "There"}


async def test_a_person_may_set_their_own(
    users: UserMap, ask_unix: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may set what is theirs: the user who is called as they are on this machine."""
    pretend(monkeypatch, OTHER.pw_uid)
    name = OTHER.pw_name
    assert await ask_unix(f"{name.upper()}\nHere\nplan".encode()) == OK
    assert await ask_unix(ask(name=name, status="There")) == OK
    assert texts(users) == BEFORE | {name.upper(): "There"}
    assert users.profile(name).plan == "plan"


@pytest.mark.parametrize(
    "request_",
    [
        b"moshez\nHere\n",
        b"moshez\n\n",
        b"shawn\n\n",
        b"new\nHere\n",
        ask(name="shawn", plan="x"),
        ask(name=f"{OTHER.pw_name}x", status="Here"),
    ],
)
async def test_not_anothers(
    users: UserMap,
    request_: bytes,
    ask_unix: Ask,
    monkeypatch: pytest.MonkeyPatch,
    log: list[EventDict],
) -> None:
    """What is another's they may not set, nor clear; it is denied and logged as that (T28)."""
    pretend(monkeypatch, OTHER.pw_uid)
    assert (await ask_unix(request_)).startswith(b"error: you may not set the status of ")
    assert texts(users) == BEFORE
    (record,) = log
    assert (record["event"], record["log_level"]) == ("denied", "warning")
    assert record["reason"].startswith("you may not set the status of ")


@pytest.mark.parametrize(
    ("uid", "reply"),
    [(NAMELESS, b"error: you have no name on this machine\r\n"), (None, UNTOLD)],
)
async def test_no_name_no_right(
    users: UserMap,
    uid: int | None,
    reply: bytes,
    ask_unix: Ask,
    monkeypatch: pytest.MonkeyPatch,
    log: list[EventDict],
) -> None:
    """Whoever has no name here, or of whom the kernel says nothing, may set nothing."""
    pretend(monkeypatch, uid)
    assert await ask_unix(b"moshez\nHere\n") == reply
    assert texts(users) == BEFORE
    assert [(record["event"], record["log_level"]) for record in log] == [("denied", "warning")]


async def test_pair_of_sockets(users: UserMap) -> None:
    """A socket without an address is one of the kernel's as well."""
    ours, theirs = socket.socketpair()
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, stream:
            nursery.start_soon(handle_setter, stream, Setter(), users, make_gate())
            client = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
            assert await converse(client, b"moshez\nHere\n") == OK


# Hidden users


async def test_hidden_are_not_named_in_the_log(
    users: UserMap, ask_unix: Ask, log: list[EventDict]
) -> None:
    """Nothing that the log shows by default names a hidden user, whoever sets them (T8)."""
    async with serving(users) as port:
        for data in (b"ghost\nBoo\nplan", b"GHOST\n\n", ask(name="ghost", plan=None), b"ghost\n"):
            await session(port, data)
            await ask_unix(data)
    assert "ghost" not in str([record for record in log if record["log_level"] != "debug"]).lower()


@pytest.mark.parametrize("request_", [b"NAME\nBoo", b"NAME\n\n", b"NAME\n\nplan"])
async def test_hidden_are_denied_like_nobody(
    users: UserMap, request_: bytes, ask_unix: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who may not create users is told the same of a hidden user as of nobody at all (T8)."""
    await users.set(SetRequest("ghost", "Boo"), by=OPERATOR)
    users.create = False
    async with serving(users) as port:
        reply = await session(port, request_.replace(b"NAME", b"ghost"))
        assert reply.startswith(b"error: ")
        assert reply == await session(port, request_.replace(b"NAME", b"nobody"))
    pretend(monkeypatch, OTHER.pw_uid)
    ghost = await ask_unix(request_.replace(b"NAME", b"ghost"))
    nobody = await ask_unix(request_.replace(b"NAME", b"nobody."))
    assert ghost == nobody.replace(b"nobody.", b"ghost")
