"""``trio-finger query``, our finger client, against servers of every temper."""

import os
import signal
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock

from tests.net.tls import authority, certificate, server_side
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


async def query(*arguments: str, trusting: Path | None = None) -> Result:
    """Run the command beside the server, which needs this thread."""
    # What signs for this machine elsewhere shall not matter.
    runner = CliRunner(env={"SSL_CERT_FILE": str(trusting or os.devnull), "SSL_CERT_DIR": "/"})
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


# TLS


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The certificate of the authority that signs for our servers."""
    path = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(path)
    return path


def of_its_own() -> ssl.SSLContext:
    """Return a server's context whose certificate signs itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with (
        authority().cert_pem.tempfile() as own,
        authority().private_key_pem.tempfile() as key,
    ):
        context.load_cert_chain(own, key)
    return context


def with_its_authority() -> ssl.SSLContext:
    """Return a server's context that shows its authority, too, as if that proved something."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf = certificate("127.0.0.1")
    with (
        leaf.cert_chain_pems[0].tempfile() as chain,
        leaf.private_key_pem.tempfile() as key,
    ):
        authority().cert_pem.write_to_path(chain, append=True)
        context.load_cert_chain(chain, key)
    return context


@asynccontextmanager
async def serving_tls(
    context: ssl.SSLContext, answer: bytes = b"Happy and well\r\n", *, end: bool = True
) -> AsyncIterator[Server]:
    """Serve over TLS for the length of an ``async with``.

    Each client gets *answer* to its line, and the *end* said over TLS, or just a cut.
    """

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.do_handshake()
            while data := await stream.receive_some():
                server.queries.append(bytes(data))
                await stream.send_all(answer)
                break
            if end:
                await stream.aclose()
        except trio.BrokenResourceError:
            pass
        finally:
            stream.transport_stream.socket.close()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, handle, [listener])
        assert isinstance(listener.transport_listener, trio.SocketListener)
        server = Server(listener.transport_listener.socket.getsockname()[1])
        yield server
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls(trusted: Path, host: str) -> None:
    """--tls asks over TLS, by name or by address, if the server can show that it is that."""
    async with serving_tls(server_side("127.0.0.1", "localhost")) as server:
        result = await query("--tls", f"moshez@{host}:{server.port}", trusting=trusted)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Happy and well\n", "")
    assert server.queries == [b"moshez\r\n"]


OWN_AUTHORITY = (
    "to trust an authority of your own, name the file of its certificate in SSL_CERT_FILE"
)
NOBODY = f"nobody whom this machine trusts has signed the server's certificate; {OWN_AUTHORITY}"


@pytest.mark.parametrize(
    ("context", "trust", "why"),
    [
        (partial(server_side, "127.0.0.1"), False, NOBODY),
        (with_its_authority, False, NOBODY),
        (
            of_its_own,
            False,
            f"the server's certificate is signed by nobody but itself; {OWN_AUTHORITY}",
        ),
        (
            partial(server_side, "127.0.0.1", days=-1),
            True,
            "the server's certificate has expired",
        ),
        (
            partial(server_side, "127.0.0.2"),
            True,
            "the server's certificate is for another address than 127.0.0.1",
        ),
    ],
    ids=["unknown", "unknown-shown", "self-signed", "expired", "wrong-address"],
)
async def test_tls_with_somebody_else(
    trusted: Path, context: Callable[[], ssl.SSLContext], trust: bool, why: str
) -> None:
    """T22: a server that is not surely the right one is refused, in plain words, and is told
    nothing."""
    async with serving_tls(context()) as server:
        result = await query("--tls", server.target("moshez"), trusting=trusted if trust else None)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: {why}\n"
    assert server.queries == []


@pytest.mark.parametrize("name", ["finger.example", "*.example", "localhost.example"])
async def test_tls_with_another_name(trusted: Path, name: str) -> None:
    """T22: a certificate that is good, but for another host, is refused."""
    async with serving_tls(server_side(name)) as server:
        result = await query("--tls", f"moshez@localhost:{server.port}", trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"localhost port {server.port}: "
        "the server's certificate is for another name than localhost\n"
    )
    assert server.queries == []


async def test_tls_asks_those_that_it_can(trusted: Path) -> None:
    """A server that is refused does not keep the others from being asked."""
    async with (
        serving_tls(server_side("127.0.0.1")) as good,
        serving_tls(server_side("127.0.0.1", days=-1)) as bad,
    ):
        result = await query("--tls", bad.target("a"), good.target("b"), trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, "[127.0.0.1]\nHappy and well\n")
    assert "has expired" in result.stderr


async def test_tls_cut(trusted: Path) -> None:
    """An answer whose end the server did not say is not taken for one: anybody can cut."""
    async with serving_tls(server_side("127.0.0.1"), end=False) as server:
        result = await query("--tls", server.target("moshez"), trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: the connection broke\n"


@asynccontextmanager
async def serving_plainly(answer: Answer) -> AsyncIterator[Server]:
    """Run *answer* for each client that connects, whatever it says."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await answer(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield Server(listener.socket.getsockname()[1])
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("answer", [b"No such user\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_tls_with_a_plain_server(answer: bytes) -> None:
    """A server that answers in plain text is said not to speak TLS."""

    async def answer_plainly(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.send_eof()
        await stream.receive_some()

    async with serving_plainly(answer_plainly) as server:
        result = await query("--tls", server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: the server does not speak TLS\n"


async def test_tls_with_a_server_that_hangs_up() -> None:
    """A server that just closes may not speak TLS, which is said."""

    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with serving_plainly(hang_up) as server:
        result = await query("--tls", server.target("moshez"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"127.0.0.1 port {server.port}: the connection broke before TLS was set up; "
        "perhaps the server does not speak TLS\n"
    )


async def test_tls_with_a_server_that_waits() -> None:
    """T10: a server that waits for the end of a line is not waited for, and that is said."""

    async def wait(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving_plainly(wait) as server:
        result = await query("--tls", "--timeout", "200ms", server.target("moshez"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"127.0.0.1 port {server.port}: TLS was not set up in time; "
        "perhaps the server does not speak TLS\n"
    )


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\x00\x02\x02\x28", bytes(5000), b"\x16" * 5000])
async def test_tls_with_a_hostile_server(answer: bytes) -> None:
    """T10: whatever comes instead of a handshake is one line on standard error."""

    async def say(stream: trio.SocketStream) -> None:
        await stream.send_all(answer)

    async with serving_plainly(say) as server:
        result = await query("--tls", server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"127.0.0.1 port {server.port}: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.removesuffix("\n").isprintable()
