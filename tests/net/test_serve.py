"""The loop of every TCP door: what happens in one connection stays in that connection."""

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from tests.net.server import Handler, Server, events, everything
from tests.net.server import serve as serve_handler
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Connection, Gate, Limits, serve_connections, socket_of

SORRY = b"Internal error in server\r\n"


def serve(
    handler: Handler, *, max_connections: int = 100, sorry: bytes = SORRY
) -> AbstractAsyncContextManager[Server]:
    """Run a server for the length of an ``async with``."""
    return serve_handler(handler, Limits(max_connections), sorry=sorry)


async def answer(stream: Connection) -> None:
    """Answer a word, unless it asks for some kind of fault."""
    match await stream.receive_some(100):
        case b"raise":
            raise RuntimeError("the password is swordfish")
        case b"group":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, ZeroDivisionError())
                nursery.start_soon(fail, KeyError("x"))
        case b"mixed":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, trio.BrokenResourceError())
                nursery.start_soon(fail, KeyError("x"))
        case b"nested":
            raise ExceptionGroup("", [ExceptionGroup("", [ValueError()]), ValueError()])
        case b"lost":
            raise trio.BrokenResourceError
        case b"losts":
            raise ExceptionGroup("", [trio.BrokenResourceError(), trio.ClosedResourceError()])
        case b"slow":
            raise trio.TooSlowError
        case b"close":
            await stream.aclose()
            await stream.send_all(b"too late")
        case b"close-and-raise":
            await stream.aclose()
            raise RuntimeError
        case word:
            await stream.send_all(b"you said " + word)


async def fail(error: Exception) -> None:
    raise error


FAULTS = [b"raise", b"group", b"mixed", b"nested"]


@pytest.mark.parametrize("word", FAULTS)
async def test_fault_in_a_handler(word: bytes) -> None:
    """T29: an exception in one handler, or a group of them, ends its own connection with an
    excuse that shows nothing of it; siblings and listener live on."""
    async with serve(answer) as server:
        sibling = await server.connect()
        with capture_logs() as log:
            assert await server.ask(word) == SORRY
        assert ("error", "fault in a connection") in events(log)
        assert all(record["exc_info"] for record in log if record["log_level"] == "error")
        assert await server.ask(b"hello") == b"you said hello"
        await sibling.send_all(b"still here")
        assert await everything(sibling) == b"you said still here"


@pytest.mark.parametrize(
    ("word", "event"),
    [
        (b"lost", ("debug", "connection lost")),
        (b"losts", ("debug", "connection lost")),
        (b"close", ("debug", "connection lost")),
        (b"slow", ("info", "client too slow")),
    ],
)
async def test_a_client_that_goes_is_no_fault(word: bytes, event: tuple[str, str]) -> None:
    """A client that went away or is too slow is logged as that, gets no excuse, harms nobody."""
    with capture_logs() as log:
        async with serve(answer) as server:
            assert await server.ask(word) == b""
            assert await server.ask(b"hello") == b"you said hello"
    assert events(log) == [event]


async def test_fault_after_the_stream_is_closed() -> None:
    """A handler that closes its stream and then fails is a fault like any other."""
    with capture_logs() as log:
        async with serve(answer) as server:
            assert await server.ask(b"close-and-raise") == b""
            assert await server.ask(b"hello") == b"you said hello"
    assert events(log) == [("error", "fault in a connection")]


async def test_many_faults_at_once() -> None:
    """A hundred handlers that fail at one time leave the others alone."""
    results: list[bytes] = []

    async with serve(answer, max_connections=1000) as server:

        async def ask(word: bytes) -> None:
            results.append(await server.ask(word))

        with capture_logs():
            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(ask, FAULTS[number % len(FAULTS)])
                    nursery.start_soon(ask, b"hello")
    assert sorted(results) == [SORRY] * 100 + [b"you said hello"] * 100


async def test_no_excuse_where_none_is_given() -> None:
    """A door without an excuse just closes."""
    async with serve(answer, sorry=b"") as server:
        with capture_logs():
            assert await server.ask(b"raise") == b""


async def test_fault_with_a_client_that_does_not_read() -> None:
    """A client that is not reading when its handler fails holds up a stop for a moment only."""
    arrived = trio.Event()

    async def fill_and_fail(stream: Connection) -> None:
        arrived.set()
        socket = socket_of(stream)
        assert socket is not None
        with suppress(BlockingIOError):
            while True:
                os.write(socket.fileno(), bytes(1024 * 1024))
        raise RuntimeError

    with capture_logs() as log:
        async with serve(fill_and_fail) as server:
            await server.connect()
            await arrived.wait()
            server.stop.set()
            with trio.fail_after(5):
                await server.stopped.wait()
    assert events(log) == [("error", "fault in a connection")]


async def test_every_stream_is_closed() -> None:
    """However a handler ends, its stream is closed for it."""
    sockets: list[trio.socket.SocketType | None] = []

    async def remember(stream: Connection) -> None:
        sockets.append(socket_of(stream))
        await answer(stream)

    async with serve(remember) as server:
        with capture_logs():
            for word in (b"hello", b"raise", b"group", b"lost", b"slow", b"close"):
                await server.ask(word)
    assert len(sockets) == 6
    assert all(socket is not None and socket.fileno() == -1 for socket in sockets)


async def test_cap_on_connections() -> None:
    """As many connections as allowed are served; one more is closed at once, and the next is
    served as soon as one has gone."""
    async with serve(answer, max_connections=3) as server:
        open_ones = [await server.connect() for _ in range(3)]
        with capture_logs() as log:
            extra = await server.connect()
            assert await everything(extra) == b""
        assert [(record["event"], record["limit"]) for record in log] == [
            ("too many connections", 3)
        ]
        await open_ones[0].send_all(b"one")
        assert await everything(open_ones[0]) == b"you said one"
        assert await server.ask(b"again") == b"you said again"
        for stream in open_ones[1:]:
            await stream.send_all(b"hello")
            assert await everything(stream) == b"you said hello"


async def test_flood_of_connections() -> None:
    """A flood beyond the cap is refused, and the door recovers when it is over (T25)."""
    async with serve(answer, max_connections=5) as server:
        with capture_logs():
            flood = [await server.connect() for _ in range(100)]
            for stream in flood[5:]:
                assert await everything(stream) == b""
                await stream.aclose()
        assert server.counts.refused["connections"] == 95
        for stream in flood[:5]:
            await stream.send_all(b"hello")
            assert await everything(stream) == b"you said hello"
        assert await server.ask(b"hello") == b"you said hello"


async def test_stop_drains() -> None:
    """After a stop nobody new is let in, who is being served is served, and then it returns."""
    async with serve(answer) as server:
        stream = await server.connect()
        await server.ask(b"hello")  # so that the one before has been accepted
        server.stop.set()
        while True:  # the listener closes soon, not at once
            try:
                await (await server.connect()).aclose()
            except OSError:
                break
        assert not server.stopped.is_set()
        await stream.send_all(b"hello")
        assert await everything(stream) == b"you said hello"
        await server.stopped.wait()


async def test_stop_with_nobody_there() -> None:
    """A stop of an idle door is over at once, and its listeners are closed."""
    async with serve(answer) as server:
        server.stop.set()
        await server.stopped.wait()
        with pytest.raises(OSError, match="all attempts to connect"):
            await server.connect()


async def test_stopped_before_it_starts() -> None:
    """A door whose stop is set beforehand closes its listeners and returns."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    stop.set()
    with trio.fail_after(5):
        gate = Gate(Limits(1), Counts(), get_log("test"))
        await serve_connections(answer, listeners, stop=stop, gate=gate)
    assert listeners[0].socket.fileno() == -1


async def test_fault_while_draining() -> None:
    """A handler that fails after the stop still harms no sibling."""
    async with serve(answer) as server:
        failing, sibling = await server.connect(), await server.connect()
        await server.ask(b"hello")
        server.stop.set()
        with capture_logs():
            await failing.send_all(b"raise")
            assert await everything(failing) == SORRY
        await sibling.send_all(b"hello")
        assert await everything(sibling) == b"you said hello"


async def test_cancellation_cuts() -> None:
    """Cancelling ends every connection at once, with no excuse."""
    async with serve(answer) as server:
        streams = [await server.connect() for _ in range(10)]
        await server.ask(b"hello")
        with capture_logs() as log:
            server.scope.cancel()
            await server.stopped.wait()
        assert log == []
        for stream in streams:
            assert await everything(stream) == b""


async def test_cancellation_cuts_a_drain() -> None:
    """A drain that takes too long ends by cancelling."""
    async with serve(answer) as server:
        stream = await server.connect()
        await server.ask(b"hello")
        server.stop.set()
        await wait_all_tasks_blocked()
        assert not server.stopped.is_set()
        server.scope.cancel()
        await server.stopped.wait()
        assert await everything(stream) == b""


async def fail_in_a_child(error: Exception) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail_in_the_end, error)
        await trio.sleep_forever()


async def fail_in_the_end(error: Exception) -> None:
    try:
        await trio.sleep_forever()
    finally:
        raise error


@pytest.mark.parametrize("how", [fail_in_the_end, fail_in_a_child])
@pytest.mark.parametrize("error", [RuntimeError(), ExceptionGroup("", [KeyError(), OSError()])])
async def test_fault_while_being_cancelled(
    error: Exception, how: Callable[[Exception], Awaitable[None]]
) -> None:
    """T29: what a handler raises because it is cancelled, alone or mixed with the cancellation,
    is logged, and the cancelling goes its way."""
    arrived, arrive = trio.open_memory_channel[None](3)

    async def handle(stream: Connection) -> None:
        arrived.send_nowait(None)
        await how(error)

    async with serve(handle) as server:
        streams = [await server.connect() for _ in range(3)]
        for _ in streams:
            await arrive.receive()
        with capture_logs() as log:
            server.scope.cancel()
            await server.stopped.wait()
        assert events(log) == [("error", "fault in a connection")] * 3
        for stream in streams:
            await everything(stream)


@pytest.mark.parametrize("how", [fail_in_the_end, fail_in_a_child])
async def test_fault_at_its_own_deadline(how: Callable[[Exception], Awaitable[None]]) -> None:
    """T29: a handler that fails while it cancels itself is a fault, and the door goes on."""

    async def handle(stream: Connection) -> None:
        if await stream.receive_some(100) == b"fail":
            with trio.CancelScope() as scope:
                scope.cancel()
                await how(RuntimeError())
        await stream.send_all(b"fine")

    async with serve(handle) as server:
        with capture_logs() as log:
            assert await server.ask(b"fail") == SORRY
        assert events(log) == [("error", "fault in a connection")]
        assert await server.ask(b"hello") == b"fine"


async def test_excuse_is_not_lost_to_unread_input() -> None:
    """T34: the excuse arrives though the handler failed before it had read everything."""
    request = b"raise" + bytes(50_000)

    async def fail_early(stream: Connection) -> None:
        await stream.receive_some(5)
        raise RuntimeError

    async with serve(fail_early) as server:
        with capture_logs():
            for _ in range(50):
                assert await server.ask(request) == SORRY
