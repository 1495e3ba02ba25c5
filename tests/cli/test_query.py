"""``trio-finger query``: what it takes, what it shows, and how it ends."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
import trio

from tests.client.servers import query, run_query, serving
from tests.running import PATIENCE, TRIO_FINGER


@pytest.fixture
def refusing() -> Iterator[str]:
    """A target where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"moshez@127.0.0.1:{bound.getsockname()[1]}"


async def test_f2_answer() -> None:
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
        (["--long"], "moshez", b"/W moshez\r\n"),
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
    """An answer without an end of line does not run into the prompt."""
    async with serving(b"Happy\r\nand well") as server:
        assert (await query(server.target())).stdout == "Happy\nand well\n"


async def test_several_targets() -> None:
    """Several answers come in the order in which they were asked for, each under its server."""
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
    assert result.stdout == (
        f"[127.0.0.1:{server.port}]\nfirst\n[127.0.0.1:{other.port}]\nsecond\n"
    )


FORGED = ["[other-host:79]", "[", "\ufe0f[other-host:79]", "\u0301\ufe0f[other-host:79]"]
OWN = ["Élan vital", " [a link]", "see [1]", "^[[H[other-host:79]", "<U+200B>[other-host:79]"]


async def test_forged_header() -> None:
    """T9: of several answers, none has a line that could be taken for the name of a server."""
    lines = [*FORGED, *OWN]
    sent = "\r\n".join(lines).replace("^[", "\x1b").replace("<U+200B>", "\u200b").encode()
    async with serving(sent) as server:
        several = await query(server.target(), server.target())
        one = await query(server.target())
        raw = await query("--raw", server.target(), server.target())
    header = f"[127.0.0.1:{server.port}]"
    shown = [header, *(f" {line}" for line in FORGED), *OWN]
    assert several.stdout.splitlines() == shown * 2
    assert one.stdout.splitlines() == lines
    assert raw.stdout_bytes == sent * 2


async def test_one_of_several_fails(refusing: str) -> None:
    """A host that cannot be asked does not keep the others from being, but counts."""
    async with serving(b"Alive\r\n") as server:
        result = await query(refusing, server.target("shawn"), refusing)
    assert result.exit_code == 1
    assert result.stdout == f"[127.0.0.1:{server.port}]\nAlive\n"
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
async def test_r29_harmless_answer(answer: bytes, shown: str) -> None:
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
        ["@"],
        ["moshez@h:x"],
        ["moshez@h:65536"],
        ["finger://"],
        ["finger://h/a%0d%0ab"],
        ["finger://h%0d%0a/a"],
        ["a\r\nb@h"],
        ["http://localhost/"],
        ["finger://h/%zz"],
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


async def test_no_host() -> None:
    """An "@" without a host is not taken for this machine, and it is said how that is asked."""
    result = await query("@")
    assert result.exit_code == 2
    assert "Error: Invalid value for '[USER][@HOST[:PORT]]...': '@' cannot be asked: " in (
        result.stderr
    )
    assert 'the host is missing; this machine is asked without "@", or as localhost' in (
        result.stderr
    )


async def test_other_scheme() -> None:
    """An address of another kind is not taken for a user of this machine."""
    result = await query("http://localhost/")
    assert result.exit_code == 2
    assert "finger:// addresses are understood, not http://" in result.stderr


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
    assert errors == b"interrupted\n"


# What is let through

LATIN = b"na\xefve \xc3\xa9 \x1b[1m\x9b1m\r\n"


@pytest.mark.parametrize(
    ("arguments", "setting", "shown"),
    [
        ([], "", b"na\xef\xbf\xbdve \xc3\xa9 ^[[1m\xef\xbf\xbd1m\n"),
        (["--8bit"], "", b"na\xefve \xc3\xa9 ^[[1m<U+009B>1m\n"),
        (["--control"], "", b"na\xef\xbf\xbdve \xc3\xa9 \x1b[1m\xef\xbf\xbd1m\n"),
        (["--8bit", "--control"], "", b"na\xefve \xc3\xa9 \x1b[1m\x9b1m\n"),
        ([], "1", b"na\xefve \xc3\xa9 ^[[1m<U+009B>1m\n"),
        ([], "0", b"na\xef\xbf\xbdve \xc3\xa9 ^[[1m\xef\xbf\xbd1m\n"),
        (["--no-8bit"], "1", b"na\xef\xbf\xbdve \xc3\xa9 ^[[1m\xef\xbf\xbd1m\n"),
        (["--raw"], "1", LATIN),
    ],
)
async def test_r30_r31_let_through(arguments: list[str], setting: str, shown: bytes) -> None:
    """Options let through what is not UTF-8, or controls; the environment can set the first."""
    async with serving(LATIN) as server:
        result = await query(*arguments, server.target(), TRIO_FINGER_8BIT=setting)
    assert (result.exit_code, result.stdout_bytes) == (0, shown)


async def test_r31_wrong_setting() -> None:
    """An environment variable that is neither yes nor no is wrong usage, and is named."""
    result = await query("@h", TRIO_FINGER_8BIT="maybe")
    assert result.exit_code == 2
    assert "'maybe' is not a valid boolean" in result.stderr
    assert "--8bit" in result.stderr


async def test_r30_r31_help() -> None:
    """The options and the variable are where people look for them."""
    words = (await query("--help")).stdout
    for word in ("--8bit", "TRIO_FINGER_8BIT", "--control", "--raw"):
        assert word in words


async def test_raw() -> None:
    """Programs get every byte as it came, of several servers one after the other."""
    everything = bytes(range(256))
    async with serving(everything) as server, serving(b"no end") as other:
        assert (await query("--raw", server.target())).stdout_bytes == everything
        result = await query("--raw", other.target(), server.target(), other.target())
    assert (result.exit_code, result.stdout_bytes) == (0, b"no end" + everything + b"no end")


# Standard output


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "Ûé\U0001f600\n".encode()),
        ("latin-1", "Ûé<U+1F600>\n".encode("latin-1")),
        ("ascii", b"<U+00DB><U+00E9><U+1F600>\n"),
    ],
)
async def test_r29_terminal_of_another_encoding(encoding: str, shown: bytes) -> None:
    """It gets characters that it has: of UTF-8, "Û" has a byte that is a control in Latin-1."""
    async with serving("Ûé\U0001f600\r\n".encode()) as server:
        done = await run_query(server.target(), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (0, shown)


@pytest.mark.parametrize("arguments", [[], ["--raw"]])
async def test_reader_that_has_enough(arguments: list[str]) -> None:
    """Of an answer that goes to ``head``, the rest is dropped without a word."""
    reader, writer = os.pipe()
    gone = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        await gone.wait()
        await stream.send_all(b"x" * (1 << 20))

    with trio.fail_after(PATIENCE):
        async with serving(answer) as server:
            command = [*TRIO_FINGER, "query", *arguments, server.target()]
            process = await trio.lowlevel.open_process(
                command, stdout=writer, stderr=subprocess.PIPE
            )
            os.close(writer)
            os.close(reader)
            gone.set()
            assert process.stderr is not None
            assert b"".join([chunk async for chunk in process.stderr]) == b""
            assert await process.wait() == 1
            await process.stderr.aclose()


@pytest.mark.parametrize("arguments", [[], ["--raw"]])
@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">/dev/full", b"No space left on device"), (">&-", b"closed")],
)
async def test_output_that_cannot_be_written(
    arguments: list[str], redirection: str, why: bytes
) -> None:
    """An answer that gets nowhere is a failure, not a traceback."""
    async with serving(b"Happy and well\r\n") as server:
        done = await trio.run_process(
            [
                "sh",
                "-c",
                f'"$0" "$@" {redirection}',
                *TRIO_FINGER,
                "query",
                *arguments,
                server.target(),
            ],
            capture_stderr=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"standard output: " + why + b"\n")
