"""``trio-finger watch``, as people have it: a process, its output, and how it ends."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner
from trio_websocket import WebSocketRequest

from tests.client.live_door import (
    START,
    gone,
    hello,
    live_door,
    rejecting,
    saying,
    status,
    until_closed,
)
from tests.net.tls import authority, server_side
from tests.running import PATIENCE, TRIO_FINGER
from trio_finger.cli import main

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {
    "TZ": "Asia/Kolkata",
    "PYTHONIOENCODING": "utf-8",
}

WHEN = "2025-11-21 19:53:20"  # that is START, in Kolkata


@asynccontextmanager
async def watching(
    *arguments: str, stdout: int = subprocess.PIPE, folder: Path | None = None, **env: str
) -> AsyncIterator[trio.Process]:
    """Run the command for the length of an ``async with``; end it if it is still up."""
    process = await trio.lowlevel.open_process(
        [*TRIO_FINGER, "watch", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | env,
        cwd=folder,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                await trio.aclose_forcefully(stream)


async def read_lines(stream: trio.abc.ReceiveStream | None, count: int) -> list[str]:
    """Read until there are so many lines; return them."""
    assert stream is not None
    data = b""
    with trio.fail_after(PATIENCE):
        while data.count(b"\n") < count:
            more = await stream.receive_some()
            assert more, data
            data += more
    return data.decode().splitlines()


async def read_rest(stream: trio.abc.ReceiveStream | None) -> str:
    """Read to the end."""
    assert stream is not None
    with trio.fail_after(PATIENCE):
        return b"".join([chunk async for chunk in stream]).decode()


async def end(process: trio.Process, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    """Send a signal; return the exit code, and what was said on standard error."""
    process.send_signal(number)
    words = await read_rest(process.stderr)
    return await process.wait(), words


async def test_lines() -> None:
    """A change is a line at once: local time, who and what; without colour where it is piped."""
    door = saying(hello(), status(1), gone(2_000_000), status(3_000_000, "Élan"))
    async with live_door(door) as served, watching(served.url, "moshez", "shawn") as process:
        lines = await read_lines(process.stdout, 3)
        assert await end(process) == (0, "")
    assert lines == [
        f"{WHEN}  moshez  Happy",
        f"{WHEN[:-2]}22  moshez  gone",
        f"{WHEN[:-2]}23  moshez  Élan",
    ]
    assert served.requests == ["/live?user=moshez&user=shawn"]


async def test_t9_harmless() -> None:
    """T9: a stranger's status does nothing to a terminal, and is one line."""
    text = "\x1b[2J\x9b31m\u202e\r\n2025-11-21 19:53:20  moshez  forged"
    async with (
        live_door(saying(hello(), status(1, text))) as served,
        watching(served.url) as process,
    ):
        assert await read_lines(process.stdout, 1) == [
            f"{WHEN}  moshez  ^[[2J<U+009B>31m<U+202E>^J{WHEN}  moshez  forged"
        ]
        await end(process)


async def test_terminal_of_another_encoding() -> None:
    """It gets the characters that it has, and numbers for the others."""
    door = saying(hello(), status(1, "é\U0001f600\ud800"))
    async with (
        live_door(door) as served,
        watching(served.url, PYTHONIOENCODING="latin-1") as process,
    ):
        assert process.stdout is not None
        assert (await process.stdout.receive_some()).endswith(b"  \xe9<U+1F600>?\n")
        await end(process)


async def test_json() -> None:
    """Programs get the objects as they came, one a line, and nothing else."""
    sent = [status(1, "\u202e\x1b[2J\n", new=[1, {}]), gone(2)]
    door = saying(hello(), *sent)
    async with live_door(door) as served, watching("--json", served.url) as process:
        lines = await read_lines(process.stdout, 2)
        assert await end(process) == (0, "")
    assert list(map(json.loads, lines)) == list(map(json.loads, sent))
    assert all(line.isascii() and line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("no_color", "arguments", "coloured"),
    [("", [], True), ("1", [], False), ("", ["--json"], False)],
)
async def test_colour(no_color: str, arguments: list[str], coloured: bool) -> None:
    """Colour is for terminals, unless NO_COLOR is set, and never in JSON."""
    ours, theirs = pty.openpty()
    door = saying(hello(), status(1))
    try:
        async with (
            live_door(door) as served,
            watching(*arguments, served.url, stdout=theirs, NO_COLOR=no_color) as process,
        ):
            shown = await trio.to_thread.run_sync(os.read, ours, 4096, abandon_on_cancel=True)
            assert (await end(process))[0] == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert (b"\x1b[" in shown) == coloured
    assert b"Happy" in shown


# How it ends


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted(number: signal.Signals) -> None:
    """A signal ends it with 0 and without a word, and the server is told (1000)."""
    codes = []
    closed = trio.Event()

    async def listen(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message(hello())
        await connection.send_message(status(1))
        codes.append(await until_closed(connection))
        closed.set()

    async with live_door(listen) as served, watching(served.url) as process:
        await read_lines(process.stdout, 1)
        assert await end(process, number) == (0, "")
        await closed.wait()
    assert codes == [1000]


async def test_interrupted_while_waiting() -> None:
    """A signal ends it as well while there is no connection."""
    async with live_door(rejecting(503)) as served, watching(served.url) as process:
        await read_lines(process.stderr, 1)
        assert (await end(process))[0] == 0


async def test_head() -> None:
    """``watch | head -1`` ends when head does, though nothing more is to be written."""
    script = '"$@" | head -1; exit ${PIPESTATUS[0]}'
    async with live_door(saying(hello(), status(1))) as served:
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(
                ["bash", "-c", script, "-", *TRIO_FINGER, "watch", served.url],
                env=ENVIRONMENT,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
    assert done.stdout.decode() == f"{WHEN}  moshez  Happy\n"
    assert (done.returncode, done.stderr) == (0, b"")


async def test_reader_that_does_not_read() -> None:
    """T24: a pipe that is full keeps nobody from interrupting it."""
    sent = trio.Event()

    async def send(request: WebSocketRequest) -> None:
        connection = await request.accept()
        for message in (hello(), status(1), status(2), status(3)):
            await connection.send_message(message)
        sent.set()
        await until_closed(connection)

    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, b"x" * 4096)
    os.set_blocking(theirs, True)
    try:
        async with live_door(send) as served, watching(served.url, stdout=theirs) as process:
            await sent.wait()
            assert await end(process) == (0, "")
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">/dev/full", b"No space left on device"), (">&-", b"closed")],
)
async def test_output_that_cannot_be_written(redirection: str, why: bytes) -> None:
    """Changes that get nowhere are a failure, not a traceback."""
    async with live_door(saying(hello(), status(1))) as served:
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(
                ["sh", "-c", f'"$0" "$@" {redirection}', *TRIO_FINGER, "watch", served.url],
                capture_stderr=True,
                check=False,
            )
    assert (done.returncode, done.stderr) == (1, b"standard output: " + why + b"\n")


# What becomes of the connection


async def test_connected_again() -> None:
    """It is said on standard error, and changes meanwhile are on standard output."""
    doors = (
        rejecting(503),
        saying(hello(), status(1), then=1013),
        saying(hello(9, missed=True), status(2_000_000)),
    )
    async with live_door(*doors) as served, watching(served.url) as process:
        lines = await read_lines(process.stdout, 2)
        code, words = await end(process)
    assert (code, len(lines)) == (0, 2)
    assert served.requests[2] == f"/live?since={START + 1}"
    # Delays are partly left to chance.
    assert re.sub("[12] s$", "a while", words, flags=re.MULTILINE).splitlines() == [
        f"cannot follow {served.url}/live: the server answered 503; trying again in a while",
        f"connected to {served.url}/live",
        "connection lost: the server is too busy, or we are too slow for it (1013); "
        "trying again in a while",
        "connected again",
        "some changes may be missing: the server does not remember all of them",
    ]


async def test_refused() -> None:
    """Where there is no live door the exit code is 1, and it is said why."""
    async with live_door(rejecting(404)) as served, watching(served.url) as process:
        assert await read_rest(process.stderr) == (
            f"cannot follow {served.url}/live: "
            "there is no live door there (the server answered 404)\n"
        )
        assert await process.wait() == 1


async def test_t22_ca(tmp_path: Path) -> None:
    """An authority that the machine does not know is trusted if it is named."""
    ca = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(ca)
    door = saying(hello(), status(1))
    async with live_door(door, tls=server_side("localhost")) as served:
        url = f"https://localhost:{served.port}"
        async with watching("--ca", str(ca), url) as process:
            await read_lines(process.stdout, 1)
            assert await end(process) == (0, "")
        async with watching(url) as process:
            assert "the server's certificate is not good" in await read_rest(process.stderr)
            assert await process.wait() == 1


# What it is called with


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://h"],
        ["http://"],
        ["http://h/?user=moshez"],
        ["localhost:8000"],
        ["moshez", "http://localhost:8000"],
        ["http://h", "mos hez"],
        ["http://h\x1b[2J"],
        ["\x1b[2J"],
        [""],
        ["--ca", "/does/not/exist", "https://h"],
        ["--nonsense"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """What cannot be followed exits with 2 before anybody is asked."""
    result = CliRunner().invoke(main, ["watch", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "\x1b" not in result.stderr


def test_ca_that_is_none(tmp_path: Path) -> None:
    """A file without a certificate is said to be that."""
    ca = tmp_path / "ca.pem"
    ca.write_text("x")
    result = CliRunner().invoke(main, ["watch", "--ca", str(ca), "https://h"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"--ca: {ca}: holds no certificate (it should be PEM text)\n"


@pytest.mark.parametrize("extra", ["", "[finger]\nnonsense = 1\n"])
@pytest.mark.parametrize("listen", ['["127.0.0.1:{}"]', '["unix:x.sock", "0.0.0.0:{}"]'])
async def test_configuration(tmp_path: Path, listen: str, extra: str) -> None:
    """Without a URL, the daemon of the configuration that a daemon would find is followed."""
    async with live_door(saying(hello(), status(1))) as served:
        web = f"[web]\nlisten = {listen.format(served.port)}\n"
        (tmp_path / "config.toml").write_text(web + extra)
        async with watching("moshez", folder=tmp_path) as process:
            await read_lines(process.stdout, 1)
            await end(process)
        (tmp_path / "config.toml").rename(tmp_path / "other.toml")
        async with watching("--config", "other.toml", folder=tmp_path) as process:
            await read_lines(process.stdout, 1)
            await end(process)
    assert served.requests == ["/live?user=moshez", "/live"]


@pytest.mark.parametrize("config", ["", '[web]\nlisten = ["unix:x", "[::1]:0"]\n'])
def test_configuration_without_web(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    """A daemon that has no web to follow is said to have none."""
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(config)
    result = CliRunner().invoke(main, ["watch"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "config.toml: [web] has no address that could be followed\nname a URL\n"
    )


def test_configuration_that_is_not_there(tmp_path: Path) -> None:
    """A configuration that is named has to be there."""
    result = CliRunner().invoke(main, ["watch", "--config", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
