"""What strangers send a running daemon: the next client is served, and memory stays flat."""

import json
import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from random import Random
from socket import SO_LINGER, SOL_SOCKET
from tempfile import TemporaryDirectory

import pytest
import trio

from tests.running import CONFIG, DAEMON, PATIENCE, USERS, Running, run_daemon

DOORS = ("finger", "setter", "web")
MEBIBYTE = 1024 * 1024


async def is_well(daemon: Running) -> None:
    """Check that every door still answers, and that nothing of ours failed."""
    assert await daemon.finger(b"shawn\r\n") == b"Alive\r\n"
    assert await daemon.set("moshez", "Unharmed") == b"ok\r\n"
    page = await daemon.exchange("web", b"GET /~moshez/online HTTP/1.0\r\n\r\n")
    assert page.endswith(b"\r\n\r\nUnharmed\n")
    strays = [record for record in daemon.log if record["event"] == "stray"]
    assert not strays


async def send(daemon: Running, door: str, data: bytes, *, reset: bool = False) -> bytes:
    """Send as much of *data* as *door* takes; return what comes back before it closes."""
    received = b""
    async with await trio.open_tcp_stream("127.0.0.1", daemon.port(door)) as stream:
        try:
            await stream.send_all(data)
            if reset:
                stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                return b""
            with trio.move_on_after(0.5):
                while chunk := await stream.receive_some():
                    received += chunk
        except trio.BrokenResourceError:
            pass  # it had enough of us
    return received


def memory(daemon: Running) -> int:
    """Return the daemon's resident memory in bytes."""
    statm = Path(f"/proc/{daemon.process.pid}/statm").read_text()
    return int(statm.split()[1]) * 4096


async def test_a_megabyte_without_an_end_of_line(tmp_path: Path) -> None:
    """An endless line is refused at the limit and costs no memory (T1)."""
    async with run_daemon(tmp_path) as daemon:
        await is_well(daemon)
        before = memory(daemon)
        for _ in range(20):
            with trio.fail_after(PATIENCE):
                assert b"too long" in await send(daemon, "finger", b"x" * MEBIBYTE)
        assert memory(daemon) - before < 4 * MEBIBYTE
        await is_well(daemon)


@pytest.mark.parametrize("door", DOORS)
async def test_nothing_half_a_line_resets_and_noise(tmp_path: Path, door: str) -> None:
    """Silence, an unfinished request, a reset in the middle and random bytes harm nobody."""
    noise = Random(1288)
    async with run_daemon(tmp_path) as daemon:
        async with trio.open_nursery() as nursery:
            silent = await trio.open_tcp_stream("127.0.0.1", daemon.port(door))
            unfinished = await trio.open_tcp_stream("127.0.0.1", daemon.port(door))
            await unfinished.send_all(b"GET /mosh")
            for size in (0, 3, 5000, MEBIBYTE):
                nursery.start_soon(send_reset, daemon, door, noise.randbytes(size))
                nursery.start_soon(send, daemon, door, noise.randbytes(size))
            await is_well(daemon)
            await silent.aclose()
            await unfinished.aclose()
        await is_well(daemon)

    # Nobody was left when it stopped: each of them was let go when they went.
    assert [record["event"] for record in daemon.log[-2:]] == ["stopping", "stopped"]


async def send_reset(daemon: Running, door: str, data: bytes) -> None:
    await send(daemon, door, data, reset=True)


async def test_gone_in_the_middle_of_many_answers(tmp_path: Path) -> None:
    """A client that asks a lot at once, reads none of it and resets is let go of."""
    async with run_daemon(tmp_path) as daemon:
        stream = await trio.open_tcp_stream("127.0.0.1", daemon.port("web"))
        with trio.move_on_after(1):  # by then the daemon is stuck in sending to us
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000)
        stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()
        await is_well(daemon)
    assert [record["event"] for record in daemon.log[-2:]] == ["stopping", "stopped"]


async def test_what_ends_stock_hypercorn(tmp_path: Path) -> None:
    """Upgrades that make the server's protocols fail end their own connection alone."""
    upgrade = (
        b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    h2c = (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n"
    )
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    async with run_daemon(tmp_path) as daemon:
        for data in (upgrade + b"x", upgrade + bytes(100), h2c, h2c + b"x", preface):
            await send(daemon, "web", data)
            await is_well(daemon)


async def test_many_connections_at_once(tmp_path: Path) -> None:
    """Hundreds of idle clients keep nobody waiting, even where few descriptors are usual."""
    few = ("sh", "-c", 'ulimit -Sn 100 && exec "$@"', "sh")
    async with run_daemon(tmp_path, wrapper=few) as daemon, AsyncExitStack() as stack:
        for _ in range(600):
            stream = await trio.open_tcp_stream("127.0.0.1", daemon.port("finger"))
            await stack.enter_async_context(stream)
            await stream.send_all(b"x")  # or the kernel would keep it for a while
        with trio.fail_after(PATIENCE):
            await is_well(daemon)


async def test_no_descriptor_left(tmp_path: Path) -> None:
    """With every descriptor in use it goes on, takes no new configuration, and recovers (T25)."""
    few = ("sh", "-c", 'ulimit -n 64 && exec "$@"', "sh")
    async with run_daemon(tmp_path, wrapper=few) as daemon:
        async with AsyncExitStack() as stack:
            for _ in range(100):
                stream = await trio.open_tcp_stream("127.0.0.1", daemon.port("finger"))
                await stack.enter_async_context(stream)
                await stream.send_all(b"x")  # or the kernel would keep it for a while
            # Until it has accepted so many, there are some left to read files with.
            await daemon.logged("cannot accept")
            (tmp_path / "config.toml").write_text(
                CONFIG.replace("[finger]", "[finger]\nlist = false")
            )
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.logged("configuration not taken over")
        await is_well(daemon)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again")
        with trio.fail_after(PATIENCE):
            # The server of before may still take the connection that comes first.
            while await daemon.finger(b"\r\n") != b"Finger online user list denied\r\n":
                pass


async def test_log_without_a_reader(tmp_path: Path) -> None:
    """That nobody reads the log any more is no reason to stop serving."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "users").write_text(USERS)
    process = await trio.lowlevel.open_process(DAEMON, cwd=tmp_path, stderr=subprocess.PIPE)
    assert process.stderr is not None
    log = b""
    with trio.fail_after(PATIENCE):
        while b"ready" not in log:
            log += await process.stderr.receive_some()
        await process.stderr.aclose()
        ready = json.loads(log.splitlines()[-1])
        daemon = Running(tmp_path, process, [ready])
        await is_well(daemon)
        assert await daemon.stop() == 0


async def test_internal_names_show_nowhere(tmp_path: Path) -> None:
    """Templates and format strings in a status stay what they are, on every door (T12)."""
    async with run_daemon(tmp_path) as daemon:
        for status in ("{{7*7}}", "{user.__class__}", "%s%n", "<b>bold</b>&amp;"):
            assert await daemon.set("moshez", status) == b"ok\r\n"
            assert await daemon.finger(b"moshez\r\n") == f"{status}\r\n".encode()
            page = await daemon.exchange("web", b"GET /~moshez/online HTTP/1.0\r\n\r\n")
            assert page.endswith(f"\r\n\r\n{status}\n".encode())


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may enter, as nobody else may `tmp_path`."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_t25_a_crowd_of_nobody(public_folder: Path) -> None:
    """T25: who is at the other end of a UNIX socket is known when no descriptor is left, too."""
    listen = 'listen = ["127.0.0.1:0"]\n[web]'
    config = CONFIG.replace(listen, 'listen = ["127.0.0.1:0", "unix:run/s"]\n[web]')
    limited = ("prlimit", "--nofile=60")
    with ExitStack() as clients:
        async with run_daemon(public_folder, config=config, wrapper=limited) as daemon:
            os.seteuid(65534)
            try:
                for _ in range(80):
                    client = clients.enter_context(socket.socket(socket.AF_UNIX))
                    client.setblocking(False)
                    client.connect(str(public_folder / "run" / "s"))
                    client.send(b"x")
            finally:
                os.seteuid(0)
            await daemon.logged("cannot accept")
            clients.close()
            assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
