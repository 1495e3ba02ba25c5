"""``trio-finger query``, our finger client, against servers of every temper."""

import signal
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock

from tests.running import TRIO_FINGER
from trio_finger.cli import main
from trio_finger.client import QueryError, ask_all
from trio_finger.client._finger import MAX_ANSWER
from trio_finger.protocol.target import parse_target

Answer = Callable[[trio.SocketStream], Awaitable[None]]


@dataclass
class Server:
    """A small finger server that is up.

    Attributes:
      port: where, on 127.0.0.1.
      queries: all that its clients have sent.
    """

    port: int
    queries: list[bytes] = field(default_factory=list)

    def target(self, user: str = "") -> str:
        """Return how the client is asked to ask this server."""
        return f"{user}@127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(answer: bytes | Answer) -> AsyncIterator[Server]:
    """Serve for the length of an ``async with``; each client gets *answer* to its line."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            query = b""
            while not query.endswith(b"\n"):
                query += await stream.receive_some()
            server.queries.append(query)
            if isinstance(answer, bytes):
                await stream.send_all(answer)
            else:
                await answer(stream)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        server = Server(listener.socket.getsockname()[1])
        yield server
        nursery.cancel_scope.cancel()


@pytest.fixture
def refusing() -> Iterator[str]:
    """A target where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"moshez@127.0.0.1:{bound.getsockname()[1]}"


async def query(*arguments: str) -> Result:
    """Run the command beside the server, which needs this thread."""
    runner = CliRunner()
    result = await trio.to_thread.run_sync(runner.invoke, main, ["query", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


async def test_answer() -> None:
    """One CRLF line goes out (F2), and the answer to it is printed as it is."""
    async with serving(b"Happy and well\r\n") as server:
        result = await query(server.target("moshez"))
    assert server.queries == [b"moshez\r\n"]
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Happy and well\n", "")


@pytest.mark.parametrize(
    ("arguments", "user", "sent"),
    [
        ([], "", b"\r\n"),
        (["-l"], "", b"/W\r\n"),
        (["-l"], "moshez", b"/W moshez\r\n"),
        ([], "josé", "josé\r\n".encode()),
        ([], "moshez,shawn", b"moshez shawn\r\n"),
        ([], "moshez@far", b"moshez@far\r\n"),
        (["-l"], "@far", b"/W @far\r\n"),
    ],
)
async def test_query(arguments: list[str], user: str, sent: bytes) -> None:
    """What is asked for is what is sent; -l asks for the long answer."""
    async with serving(b"No such user\r\n") as server:
        assert (await query(*arguments, server.target(user))).exit_code == 0
    assert server.queries == [sent]


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("finger://127.0.0.1:{}/moshez", b"moshez\r\n"),
        ("finger://moshez@127.0.0.1:{}", b"moshez\r\n"),
        ("finger://127.0.0.1:{}/", b"\r\n"),
        ("finger://127.0.0.1:{}/jos%C3%A9", "josé\r\n".encode()),
        ("finger://127.0.0.1:{}/moshez@far", b"moshez@far\r\n"),
    ],
)
async def test_finger_address(address: str, sent: bytes) -> None:
    """A finger:// address is asked like any other target."""
    async with serving(b"Happy and well\r\n") as server:
        result = await query(address.format(server.port))
    assert server.queries == [sent]
    assert (result.exit_code, result.stdout) == (0, "Happy and well\n")


async def test_unended_answer() -> None:
    """An answer without an end of line does not run into the prompt; an empty one is one line."""
    async with serving(b"Happy\r\nand well") as server:
        assert (await query(server.target())).stdout == "Happy\nand well\n"
    async with serving(b"") as server:
        assert (await query(server.target())).stdout == "\n"


async def test_several_targets() -> None:
    """Several answers come in the order in which they were asked for, each under its host."""
    answered = trio.Event()

    async def first(stream: trio.SocketStream) -> None:
        await answered.wait()
        await stream.send_all(b"first\r\n")

    async def second(stream: trio.SocketStream) -> None:
        await stream.send_all(b"second\r\n")
        answered.set()

    async with serving(first) as server, serving(second) as other:
        result = await query(server.target(), other.target())
    assert result.exit_code == 0
    assert result.stdout == "[127.0.0.1]\nfirst\n[127.0.0.1]\nsecond\n"


async def test_one_of_several_fails(refusing: str) -> None:
    """A host that cannot be asked does not keep the others from being, but counts."""
    async with serving(b"Alive\r\n") as server:
        result = await query(refusing, server.target("shawn"), refusing)
    assert result.exit_code == 1
    assert result.stdout == "[127.0.0.1]\nAlive\n"
    (reason,) = set(result.stderr.splitlines())
    assert result.stderr == f"{reason}\n" * 2


async def test_refused(refusing: str) -> None:
    """Where nobody listens the exit code is 1, and standard error says which host and why."""
    port = refusing.rpartition(":")[2]
    result = await query(refusing)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"127.0.0.1 port {port}: ")
    assert "Connection refused" in result.stderr
    assert result.stderr.count("\n") == 1


async def test_reset() -> None:
    """A connection that breaks is a failure, and what came before is not taken for the answer."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(b"Happy and")
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with serving(answer) as server:
        result = await query(server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: the connection broke\n"


async def test_endless_answer() -> None:
    """An answer that does not end is given up when it is larger than any can be (T10)."""
    sent = 0

    async def answer(stream: trio.SocketStream) -> None:
        nonlocal sent
        try:
            while True:
                await stream.send_all(bytes(1 << 20))
                sent += 1 << 20
        except trio.BrokenResourceError:
            pass

    async with serving(answer) as server:
        result = await query(server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: the answer does not end\n"
    # The rest was on its way, in the buffers of the system.
    assert sent < 3 * MAX_ANSWER


async def test_timeout() -> None:
    """--timeout bounds how long a server may take, and what it sent till then is no answer."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(b"Happy and")
        await trio.sleep_forever()

    async with serving(answer) as server:
        result = await query("--timeout", "100ms", server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (f"127.0.0.1 port {server.port}: no whole answer within 0.1 seconds\n")


async def test_trickle(mock_clock: MockClock) -> None:
    """A byte a second is no reason to wait on: the time counts from connecting to the end."""

    async def answer(stream: trio.SocketStream) -> None:
        while True:
            await trio.sleep(1)
            await stream.send_all(b"x")

    mock_clock.rate = 100
    async with serving(answer) as server:
        started = trio.current_time()
        (result,) = await ask_all([parse_target(server.target("moshez"))], 10)
        assert 10 <= trio.current_time() - started < 60
    assert isinstance(result, QueryError)
    assert str(result) == f"127.0.0.1 port {server.port}: no whole answer within 10 seconds"


async def test_slow_targets_do_not_add_up(mock_clock: MockClock) -> None:
    """All targets are asked at once, so the slowest says how long it takes."""

    async def answer(stream: trio.SocketStream) -> None:
        await trio.sleep(8)
        await stream.send_all(b"Happy\r\n")

    mock_clock.rate = 100
    async with serving(answer) as server:
        assert await ask_all([parse_target(server.target())] * 5, 100) == [b"Happy\r\n"] * 5
        assert trio.current_time() < 40


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"\x1b[2J\x1b]0;pwned\x07\r\n", "^[[2J^[]0;pwned^G\n"),
        (b"fine\rfake\r\n", "fine^Mfake\n"),
        ("\x9b31m\u202egnp\r\n".encode(), "<U+009B>31m<U+202E>gnp\n"),
        (b"na\xefve \xc3\xa9\r\n", "na\ufffdve é\n"),
        (b"%s {0} \\n\r\n", "%s {0} \\n\n"),
        (b"a\tb\r\n", "a\tb\n"),
    ],
)
async def test_harmless_answer(answer: bytes, shown: str) -> None:
    """A terminal is shown what was meant to act on it (T9, R29)."""
    async with serving(answer) as server:
        result = await query(server.target("moshez"))
    assert (result.exit_code, result.stdout) == (0, shown)


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example", "."])
async def test_impossible_host(host: str) -> None:
    """A host that no machine can be called is a failure like any other, not one of ours."""
    result = await query(f"moshez@{host}")
    assert result.exit_code in (1, 2)
    assert host in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["moshez@"],
        ["moshez@h:x"],
        ["moshez@h:65536"],
        ["finger://"],
        ["finger://h/a%0d%0ab"],
        ["a\r\nb@h"],
        ["--timeout", "10", "moshez"],
        ["--timeout", "0s", "moshez"],
        ["--nonsense"],
    ],
)
async def test_wrong_usage(arguments: list[str]) -> None:
    """What cannot be asked for exits with 2 before anybody is asked."""
    result = await query(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "\nError: " in result.stderr


@pytest.mark.parametrize("target", ["moshez@\x1b]0;h:1:1", "moshez@[\x1b]:1", "finger://\x1b[2J/"])
async def test_harmless_reason(target: str) -> None:
    """The words that refuse a target do nothing to a terminal either: it may come from a link."""
    result = await query(target)
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr


async def test_interrupt() -> None:
    """Ctrl-C ends the wait for an answer in few words, not in a traceback."""
    waiting = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        waiting.set()
        await trio.sleep_forever()

    async with serving(answer) as server:
        command = [*TRIO_FINGER, "query", server.target("moshez")]
        process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
        await waiting.wait()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        errors = b"".join([chunk async for chunk in process.stderr])
        assert await process.wait() == 1
        await process.stderr.aclose()
    assert b"Traceback" not in errors
