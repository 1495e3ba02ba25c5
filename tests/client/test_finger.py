"""The client itself, beside servers in memory, where time is free."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, MockClock, memory_stream_pair

from trio_finger.client import QueryError, ask, ask_all
from trio_finger.client._finger import MAX_ANSWER
from trio_finger.protocol.target import Target, parse_target

Stream = trio.StapledStream[MemorySendStream, MemoryReceiveStream]
Answer = Callable[[Stream], Awaitable[None]]
Serve = Callable[[Answer], None]

MOSHEZ = parse_target("moshez@h")
NOT_WHOLE = "; what came is not the whole answer"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery) -> Serve:
    """Have every server behave so from now on."""

    def serve_so(answer: Answer) -> None:
        async def connect(host: str, port: int) -> Stream:
            ours, theirs = memory_stream_pair()
            nursery.start_soon(answer, theirs)
            return ours

        monkeypatch.setattr(trio, "open_tcp_stream", connect)

    return serve_so


async def wait(_: object) -> None:
    await trio.sleep_forever()


async def fail_to_ask(seconds: float = 10) -> QueryError:
    """Ask in vain; return why."""
    with pytest.raises(QueryError) as caught:
        await ask(MOSHEZ, seconds)
    return caught.value


@pytest.mark.parametrize(
    ("text", "asked"),
    [("", ("localhost", 79)), ("moshez@h", ("h", 79)), ("moshez@[::1]:7079", ("::1", 7079))],
)
async def test_f1_port(monkeypatch: pytest.MonkeyPatch, text: str, asked: tuple[str, int]) -> None:
    """Port 79 is asked unless another is named, and this machine unless another is."""
    places = []

    async def connect(host: str, port: int) -> Stream:
        places.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    (result,) = await ask_all([parse_target(text)], 10)
    assert isinstance(result, QueryError)
    assert places == [asked]


async def test_f2_one_line_and_everything(serve: Serve) -> None:
    """One CRLF line goes out and nothing after it; what comes is read to its end, as it is."""
    received = b""

    async def answer(stream: Stream) -> None:
        nonlocal received
        for piece in (b"Hap", b"py\r", b"\n", b"\n\0\xff", b"\r\n"):
            await stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()
        await stream.send_eof()
        async for more in stream:
            received += more

    serve(answer)
    assert await ask(MOSHEZ, 10) == b"Happy\r\n\n\0\xff\r\n"
    await trio.testing.wait_all_tasks_blocked()
    assert received == b"moshez\r\n"


async def test_t10_trickling(serve: Serve, autojump_clock: MockClock) -> None:
    """A byte a second is no reason to wait on: the time counts from connecting to the end."""

    async def answer(stream: Stream) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await trio.sleep(0.9)
                await stream.send_all(b"x")

    serve(answer)
    error = await fail_to_ask(10)
    assert str(error) == f"h port 79: no end of the answer within 10 s{NOT_WHOLE}"
    assert error.received == b"x" * 11
    assert trio.current_time() == 10


async def test_t10_silent(serve: Serve, autojump_clock: MockClock) -> None:
    """A server that says nothing is given up, and has not said anything."""
    serve(wait)
    error = await fail_to_ask(10)
    assert (str(error), error.received) == ("h port 79: no answer within 10 s", b"")


async def test_t10_silent_where_tls_should_begin(serve: Serve, autojump_clock: MockClock) -> None:
    """It does not get all of the time, so that it can be told from one that is slow."""
    serve(wait)
    with pytest.raises(QueryError, match="perhaps the server does not speak TLS"):
        await ask(MOSHEZ, 10, tls=ssl.create_default_context())
    assert trio.current_time() == 5


async def test_t10_unreachable(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Looking up a host and connecting are part of the time."""

    async def connect(host: str, port: int) -> Stream:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    assert str(await fail_to_ask(10)) == "h port 79: no answer within 10 s"
    assert trio.current_time() == 10


async def test_t10_endless(serve: Serve, autojump_clock: MockClock) -> None:
    """What an answer may hold at most is kept, and not a byte more."""

    async def answer(stream: Stream) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"0123456789abcde\n" * 4001)

    serve(answer)
    error = await fail_to_ask()
    assert str(error) == f"h port 79: the answer is longer than 16 MiB{NOT_WHOLE}"
    assert len(error.received) == MAX_ANSWER


async def test_t10_largest(serve: Serve) -> None:
    """An answer of exactly that size is whole."""

    async def answer(stream: Stream) -> None:
        await stream.send_all(bytes(MAX_ANSWER))
        await stream.aclose()

    serve(answer)
    assert await ask(MOSHEZ, 10) == bytes(MAX_ANSWER)


async def test_t10_no_answer(serve: Serve) -> None:
    """A connection that ended well, but without an answer, has not brought one."""

    async def answer(stream: Stream) -> None:
        await stream.receive_some()
        await stream.aclose()

    serve(answer)
    error = await fail_to_ask()
    assert str(error) == "h port 79: the connection was closed without an answer"
    assert error.received == b""


async def test_slow_targets_do_not_add_up(serve: Serve, autojump_clock: MockClock) -> None:
    """All targets are asked at once, so the slowest says how long it takes."""

    async def answer(stream: Stream) -> None:
        asked = bytes(await stream.receive_some())
        await trio.sleep(8 - int(asked))
        await stream.send_all(asked)
        await stream.aclose()

    serve(answer)
    targets: list[Target] = [parse_target(f"{number}@h") for number in range(5)]
    assert await ask_all(targets, 10) == [b"%d\r\n" % number for number in range(5)]
    assert trio.current_time() == 8
