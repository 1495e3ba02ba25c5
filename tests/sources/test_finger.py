"""Another finger server as a source: what is understood of it, and what it cannot do to us."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.net.server import everything, until
from trio_finger.config import FingerHost, FingerSource
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.size import Size
from trio_finger.protocol.text import MAX_STATUS
from trio_finger.protocol.users_toml import MAX_TEXT
from trio_finger.sources._finger import Fingers
from trio_finger.sources._source import Asker, Circle, Found, SourceError

ANYBODY = Asker("192.0.2.1")


class Far:
    """The other server.

    Attributes:
      port: where, on 127.0.0.1.
      queries: what it was asked.
      left: how many connections to it are over.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.queries: list[bytes] = []
        self.left = 0

    def source(self, *, host: str = "127.0.0.1", max_size: int = 65536) -> Fingers:
        """Return what asks it."""
        address = FingerHost(host, self.port)
        return Fingers(FingerSource(host=address, max_size=Size(max_size)))


Answer = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def far_end(answer: bytes | Answer, host: str = "127.0.0.1") -> AsyncIterator[Far]:
    """Be the other server for the length of an ``async with``; see that it is left in the end."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            far.queries.append(bytes(await stream.receive_some()))
            with suppress(trio.BrokenResourceError):
                if isinstance(answer, bytes):
                    await stream.send_all(answer)
                else:
                    await answer(stream)
        far.left += 1

    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host=host))
            far = Far(listener.socket.getsockname()[1])
            yield far
            await until(lambda: far.left == len(far.queries))
            nursery.cancel_scope.cancel()


async def fails(source: Fingers, name: str = "moshez") -> str:
    """Ask in vain, and return the reason."""
    with pytest.raises(SourceError) as failed:
        await source.ask(name, ANYBODY)
    return str(failed.value)


# What is understood


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"Happy and well\r\n", Found("Happy and well")),
        (b"Happy and well", Found("Happy and well")),
        (b"No status\r\n", Found("")),
        ("Unterwegs nach 山\r\n".encode(), Found("Unterwegs nach 山")),
        (b"No such user\r\n", None),
        (b"finger: moshez: no such user.\r\n", None),
        (b"Login: moshez\t\t\tName: ???\r\n", None),
        (
            b"Login: moshez  Name: Moshe Z\r\nStatus: Away\r\nProject: Trio\r\nPlan:\r\nBe.\r\n",
            Found("Away", profile=Profile("Moshe Z", "Be.", "Trio")),
        ),
    ],
)
async def test_answers(answer: bytes, found: Found | None) -> None:
    """The server is asked by name, as people ask it, and what it says is what is found."""
    async with far_end(answer) as far:
        assert await far.source().ask("moshez", ANYBODY) == found
    assert far.queries == [b"moshez\r\n"]


async def test_name_of_any_letters() -> None:
    """A name is sent in UTF-8."""
    async with far_end(b"ok\r\n") as far:
        assert await far.source().ask("moshé", ANYBODY) == Found("ok")
    assert far.queries == ["moshé\r\n".encode()]


async def test_answer_in_pieces() -> None:
    """It does not matter in what pieces an answer comes, not even within a character."""

    async def answer(stream: trio.SocketStream) -> None:
        for byte in "Déjà vu\r\n".encode():
            await stream.send_all(bytes([byte]))
            await trio.lowlevel.checkpoint()

    async with far_end(answer) as far:
        assert await far.source().ask("moshez", ANYBODY) == Found("Déjà vu")


async def test_closing() -> None:
    """Nothing is left to close."""
    async with far_end(b"ok\r\n") as far:
        source = far.source()
        await source.ask("moshez", ANYBODY)
        await source.aclose()
        assert await source.ask("moshez", ANYBODY) == Found("ok")


async def test_by_name() -> None:
    """A server may be named by a host name, and at an address of this machine."""
    async with far_end(b"ok\r\n") as far:
        assert await far.source(host="localhost").ask("moshez", ANYBODY) == Found("ok")


# What is not to be believed


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"\x1b]0;owned\x07\x1b[31mred\x1b[0m\r\n", "]0;owned[31mred[0m"),
        ("\u202e\u2066desrever\u200b\r\n".encode(), "desrever"),
        (b"caf\xe9 \xff\r\n", "caf\ufffd \ufffd"),
        (b"\xc2\x9b2J\x00\x7f\r\n", "2J"),
        (b"\xed\xa0\x80\xf0\x9f\x98", "\ufffd\ufffd\ufffd\ufffd"),
        (b"{7*7} %s {{7*7}} <b>\r\n", "{7*7} %s {{7*7}} <b>"),
    ],
    ids=["escapes", "bidi", "latin-1", "C1", "not-UTF-8", "templates"],
)
async def test_t9_t12_clean(answer: bytes, status: str) -> None:
    """T9, T12: of what a server sends, text is left, and nothing of that means anything."""
    async with far_end(answer) as far:
        assert await far.source().ask("moshez", ANYBODY) == Found(status)


async def test_long_texts_are_cut() -> None:
    """No line is longer than our own are, nor cut within a character; plans may be long."""
    answer = (
        f"Login: m  Name: {'ö' * 200}\r\nStatus: {'山' * 400}\r\nProject: {'é' * 200}\r\nPlan:\r\n"
    )
    async with far_end((answer + "é\r\n" * 10_000).encode()) as far:
        found = await far.source().ask("moshez", ANYBODY)
    assert found is not None
    assert found.text == "山" * (MAX_STATUS // 3)
    assert found.profile.full_name == "ö" * (MAX_TEXT // 2)
    assert found.profile.project == "é" * (MAX_TEXT // 2)
    assert found.profile.plan == "\n".join("é" * 10_000)


@pytest.mark.parametrize("size", [64, 65536])
async def test_t10_size(size: int) -> None:
    """T10: an answer of just the size that is allowed is taken, one byte more is a failure."""
    status = "x" * min(size, MAX_STATUS)
    async with far_end(b"x" * size) as far:
        assert await far.source(max_size=size).ask("moshez", ANYBODY) == Found(status)
    async with far_end(b"x" * (size + 1)) as far:
        reason = await fails(far.source(max_size=size))
    assert reason == f"answered with more than {size} bytes"


async def test_t10_endless() -> None:
    """T10: an answer that does not end is not read to any end."""

    async def answer(stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(b"x" * 65536)

    async with far_end(answer) as far:
        assert await fails(far.source()) == "answered with more than 65536 bytes"


@pytest.mark.parametrize("answer", [b"", b"\r\n", b" \t\r\n\r\n", b"\0\x1b\r\n"])
async def test_t10_nothing(answer: bytes) -> None:
    """T10: a server that says nothing has not answered."""
    async with far_end(answer) as far:
        assert await fails(far.source()) == "the connection was closed without an answer"


@pytest.mark.parametrize("sent", [b"", b"Happy and"])
async def test_t10_reset(sent: bytes) -> None:
    """T10: half an answer is none."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(sent)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with far_end(answer) as far:
        assert await fails(far.source()) == "the connection broke"


async def test_refused() -> None:
    """A server that is not there is a failure, not a user who is not there."""
    with socket.socket() as nobody, trio.fail_after(20):
        nobody.bind(("127.0.0.1", 0))
        source = Far(nobody.getsockname()[1]).source()
        assert await fails(source) == "refuses the connection"


async def test_no_such_host() -> None:
    """Neither is one whose name is wrong."""
    with trio.fail_after(20):
        assert await fails(Far(79).source(host="a..b")) == "no such host"


@pytest.mark.parametrize(
    "words",
    [
        "Server error -- try later",
        "Internal error in server",
        "Too many queries from your address; try again later",
        "Your address is not served here",
    ],
)
async def test_server_that_cannot_say(words: str) -> None:
    """What a server says of itself is nobody's status; the same within a status is."""
    async with far_end(f"{words}\r\n".encode()) as far:
        assert await fails(far.source()) == f"the server says: {words}"
    async with far_end(f"Saw this: {words}\r\n".encode()) as far:
        assert await far.source().ask("moshez", ANYBODY) == Found(f"Saw this: {words}")


async def test_t10_trickling(mock_clock: MockClock) -> None:
    """T10: whoever asks ends it when they please, however steadily the answer comes."""

    async def answer(stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(b"x")
            sent.set()
            await trio.sleep(1)

    sent = trio.Event()
    timed_out = trio.Event()

    async def ask(source: Fingers) -> None:
        with pytest.raises(trio.TooSlowError), trio.fail_after(5):
            await source.ask("moshez", ANYBODY)
        timed_out.set()

    async with far_end(answer) as far, trio.open_nursery() as nursery:
        source = far.source()
        nursery.start_soon(ask, source)
        for _ in range(4):
            await sent.wait()
            sent = trio.Event()
            assert not timed_out.is_set()
            mock_clock.jump(1)
        mock_clock.jump(1.5)
        await timed_out.wait()
        while not far.left:  # which it finds out when it sends again
            mock_clock.jump(1)
            await wait_all_tasks_blocked()


# Circles


@asynccontextmanager
async def asking_back(
    name: str, asker: Asker
) -> AsyncIterator[tuple[Far, Fingers, list[Found | None]]]:
    """A server that asks us before it answers; at most once, lest a fault goes on for ever."""
    said: list[Found | None] = []

    async def answer(stream: trio.SocketStream) -> None:
        if len(far.queries) == 1:
            circle = source.circle(name, asker)
            said.append(await source.ask(name, asker))
            assert (circle is Circle.PERHAPS) == (said[-1] is None)
        await stream.send_all(b"Seen it all\r\n")

    async with far_end(answer) as far:
        source = far.source()
        yield far, source, said


@pytest.mark.parametrize(
    ("name", "again", "host"),
    [
        ("moshez", "MosheZ", "127.0.0.1"),
        ("MosheZ", "moshez", "127.0.0.1"),
        ("moshez", "moshez", "::ffff:127.0.0.1"),
    ],
)
async def test_our_own_question(name: str, again: str, host: str) -> None:
    """If two ask each other, the question that comes back ends the circle at once."""
    async with asking_back(again, Asker(host)) as (far, source, said):
        assert await source.ask(name, ANYBODY) == Found("Seen it all")
    assert said == [None]
    assert far.queries == [f"{name}\r\n".encode()]


@pytest.mark.parametrize(
    ("name", "asker"),
    [
        ("shawn", Asker("127.0.0.1")),
        ("moshez", Asker("127.0.0.2")),
        ("moshez", Asker("2001:db8::1%eth0")),
        ("moshez", Asker(None)),
    ],
)
async def test_question_of_somebody_else(name: str, asker: Asker) -> None:
    """About another user, or from another host, it is a question like any other."""
    async with asking_back(name, asker) as (far, source, said):
        await source.ask("moshez", ANYBODY)
    assert said == [Found("Seen it all")]
    assert far.queries == [b"moshez\r\n", f"{name}\r\n".encode()]


async def test_once_it_is_over() -> None:
    """When a question has been answered, or given up, that host may ask it like anybody."""
    host = Asker("127.0.0.1")
    async with far_end(b"ok\r\n") as far:
        source = far.source()
        for _ in range(2):
            assert source.circle("moshez", host) is Circle.NO
            assert await source.ask("moshez", host) == Found("ok")

    async def answer(stream: trio.SocketStream) -> None:
        if len(far.queries) == 1:
            asked.set()
            await everything(stream)
        await stream.send_all(b"ok\r\n")

    asked = trio.Event()
    async with far_end(answer) as far:
        source = far.source()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(source.ask, "moshez", ANYBODY)
            await asked.wait()
            assert await source.ask("moshez", host) is None
            nursery.cancel_scope.cancel()
        assert await source.ask("moshez", host) == Found("ok")


async def test_several_questions_about_one() -> None:
    """Of two of our questions about a user, the end of one does not hide the other."""
    host = Asker("127.0.0.1")
    first_may_end = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        if len(far.queries) > 1:
            await everything(stream)
        await first_may_end.wait()
        await stream.send_all(b"ok\r\n")

    async with far_end(answer) as far, trio.open_nursery() as nursery:
        source = far.source()
        ended = trio.Event()

        async def ask_first() -> None:
            assert await source.ask("moshez", ANYBODY) == Found("ok")
            ended.set()

        nursery.start_soon(ask_first)
        await until(lambda: len(far.queries) == 1)
        nursery.start_soon(source.ask, "moshez", ANYBODY)
        await until(lambda: len(far.queries) == 2)
        first_may_end.set()
        await ended.wait()
        assert await source.ask("moshez", host) is None
        nursery.cancel_scope.cancel()


async def test_a_whole_circle() -> None:
    """Two daemons that ask each other about a user whom neither knows both come to an end."""

    async def answer_for(other: list[Fingers], stream: trio.SocketStream) -> None:
        host, _ = stream.socket.getpeername()
        found = await other[0].ask("moshez", Asker(host))
        await stream.send_all(b"No such user\r\n" if found is None else b"found\r\n")

    one: list[Fingers] = []
    two: list[Fingers] = []
    async with (
        far_end(partial(answer_for, two), "127.0.0.1") as first,
        far_end(partial(answer_for, one), "127.0.0.1") as second,
    ):
        one.append(first.source())
        two.append(second.source())
        assert await two[0].ask("moshez", ANYBODY) is None
    assert len(first.queries) + len(second.queries) == 2
