"""Signals: SIGTERM and SIGINT drain within the grace, SIGHUP reads again."""

import signal
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM

import pytest
import trio

from tests.running import CONFIG, DAEMON, PATIENCE, Running, run_daemon


async def open_stream(daemon: Running, door: str, stack: AsyncExitStack) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", daemon.port(door))
    return await stack.enter_async_context(stream)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_idle_daemon_stops_at_once(tmp_path: Path, number: signal.Signals) -> None:
    """With nobody there it exits with 0, long before the grace is over."""
    async with run_daemon(tmp_path) as daemon:
        started = trio.current_time()
        assert await daemon.stop(number) == 0
        assert trio.current_time() - started < 3
        assert daemon.log[-1]["event"] == "stopped", daemon.log


async def test_query_under_way_is_answered(tmp_path: Path) -> None:
    """Half a query before SIGTERM and half after it get a whole answer; then it is over."""
    async with run_daemon(tmp_path) as daemon, AsyncExitStack() as stack:
        finger = await open_stream(daemon, "finger", stack)
        await finger.send_all(b"mosh")
        setter = await open_stream(daemon, "setter", stack)
        await setter.send_all(b"shawn\nBu")
        # An answer from both doors shows that the two connections have been accepted.
        await daemon.finger(b"moshez\r\n")
        await daemon.set("moshez", "Waiting")

        daemon.process.terminate()
        await daemon.logged("stopping")
        await finger.send_all(b"ez\r\n")
        await setter.send_all(b"sy\n")
        await setter.send_eof()
        with trio.fail_after(PATIENCE):
            assert b"".join([chunk async for chunk in finger]) == b"Waiting\r\n"
            assert b"".join([chunk async for chunk in setter]) == b"ok\r\n"
            assert await daemon.process.wait() == 0


async def test_stubborn_clients_do_not_outlast_the_grace(tmp_path: Path) -> None:
    """Idle, unfinished and not reading: none of them keeps it from stopping in time."""
    grace = 5  # as in CONFIG
    async with run_daemon(tmp_path) as daemon, AsyncExitStack() as stack:
        browser = await open_stream(daemon, "web", stack)
        await browser.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await browser.receive_some()).startswith(b"HTTP/1.1 200")
        unfinished = await open_stream(daemon, "finger", stack)
        await unfinished.send_all(b"mosh")
        asking = await open_stream(daemon, "web", stack)
        await asking.send_all(b"GET / HTTP/1.1\r\nHost:")
        for door, request in (
            ("web", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("finger", b"\r\n" * 8),
        ):
            deaf = await open_stream(daemon, door, stack)
            with trio.move_on_after(1):  # by then it is stuck in sending to us
                await deaf.send_all(request * 10_000)

        started = trio.current_time()
        assert await daemon.stop() == 0
        assert trio.current_time() - started < grace


async def test_hup_reads_users_and_configuration(tmp_path: Path) -> None:
    """SIGHUP takes over what changed; a socket that did not change stays open."""
    async with run_daemon(tmp_path) as daemon, AsyncExitStack() as stack:
        waiting = await open_stream(daemon, "finger", stack)
        await waiting.send_all(b"mosh")
        (tmp_path / "config.toml").write_text(
            CONFIG.replace("[finger]", "[finger]\nlist = false").replace(
                '[web]\nlisten = ["127.0.0.1:0"]', ""
            )
        )
        assert (await daemon.finger(b"\r\n")).startswith(b"Login")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again")
        await daemon.logged("users file read", 2)

        # The same port, another setting, and the client of before is served to the end.
        assert await daemon.finger(b"\r\n") == b"Finger online user list denied\r\n"
        await waiting.send_all(b"ez\r\n")
        with trio.fail_after(PATIENCE):
            assert b"".join([chunk async for chunk in waiting]) == b"Happy and well\r\n"
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", daemon.port("web"))


async def test_hup_keeps_the_old_configuration_when_the_new_one_is_wrong(tmp_path: Path) -> None:
    """A faulty configuration is reported, line by line, and everything goes on as before."""
    async with run_daemon(tmp_path) as daemon:
        await daemon.set("moshez", "Still here")
        wrong = CONFIG.replace("[finger]", "[finger]\nlst = true").replace('"5s"', '"5 parsecs"')
        (tmp_path / "config.toml").write_text(wrong)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration not taken over", 2)
        reasons = [record.get("reason", "") for record in daemon.log]
        assert any("config.toml:3: daemon.grace: expected a duration" in it for it in reasons)
        assert any('unknown key; did you mean "list"?' in it for it in reasons)
        assert await daemon.finger(b"moshez\r\n") == b"Still here\r\n"


async def test_hup_reads_users_whatever_the_configuration(tmp_path: Path) -> None:
    """With a faulty configuration SIGHUP still reads the users file of the one before."""
    async with run_daemon(tmp_path) as daemon:
        wrong = CONFIG.replace("[finger]", "[finger]\nlst = true").replace('"users"', '"others"')
        (tmp_path / "config.toml").write_text(wrong)
        (tmp_path / "others").write_text("moshez: Elsewhere\n")
        before = sum(record["event"] == "users file read" for record in daemon.log)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration not taken over")
        record = await daemon.logged("users file read", before + 1)
        assert record["users"] == 2
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"


async def test_hup_keeps_the_old_configuration_when_a_port_is_taken(tmp_path: Path) -> None:
    """A new address that cannot be had changes nothing, and says what would help."""
    async with run_daemon(tmp_path) as daemon:
        [taken] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with taken:
            port = taken.socket.getsockname()[1]
            wanted = f'[setter]\nlisten = ["127.0.0.1:{port}"]'
            config = CONFIG.replace('[setter]\nlisten = ["127.0.0.1:0"]', wanted)
            (tmp_path / "config.toml").write_text(config)
            daemon.process.send_signal(signal.SIGHUP)
            record = await daemon.logged("configuration not taken over")
            assert f"127.0.0.1:{port}: the port is taken" in record["reason"]
        assert await daemon.set("moshez", "Undisturbed") == b"ok\r\n"


async def test_set_status_survives_hup(tmp_path: Path) -> None:
    """Reading a users file that did not change changes nothing."""
    async with run_daemon(tmp_path) as daemon:
        await daemon.set("moshez", "Set by hand")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"moshez\r\n") == b"Set by hand\r\n"


async def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``READY=1`` when every door is open, ``STOPPING=1`` when they close."""
    path = tmp_path / "notify"
    with trio.socket.socket(AF_UNIX, SOCK_DGRAM) as notified:
        await notified.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        async with run_daemon(tmp_path) as daemon:
            with trio.fail_after(PATIENCE):
                assert await notified.recv(100) == b"READY=1"
                await daemon.stop()
                assert await notified.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_another_signal_while_draining(tmp_path: Path, second: signal.Signals) -> None:
    """SIGTERM or SIGINT again ends the waiting, SIGHUP changes nothing; it exits with 0."""
    config = CONFIG.replace('grace = "5s"', 'grace = "3s"')
    async with run_daemon(tmp_path, config=config) as daemon, AsyncExitStack() as stack:
        unfinished = await open_stream(daemon, "finger", stack)
        await unfinished.send_all(b"mosh")
        await daemon.finger(b"moshez\r\n")
        daemon.process.terminate()
        await daemon.logged("stopping")
        started = trio.current_time()
        assert await daemon.stop(second) == 0
        waited = trio.current_time() - started
        assert waited > 2 if second == signal.SIGHUP else waited < 2
    assert daemon.log[-1]["event"] == "stopped", daemon.log


async def test_stops_while_it_starts(tmp_path: Path) -> None:
    """SIGTERM need not wait until a large users file has been read."""
    (tmp_path / "users").write_text("".join(f"user{n}: Here\n" for n in range(300_000)))
    (tmp_path / "config.toml").write_text(CONFIG)
    process = await trio.lowlevel.open_process(DAEMON, cwd=tmp_path, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with trio.fail_after(PATIENCE):
        log = b""
        while b'"starting"' not in log:
            log += await process.stderr.receive_some()
        process.terminate()
        log += b"".join([chunk async for chunk in process.stderr])
        assert await process.wait() == 0
    assert b'"stopped"' in log
    assert b'"ready"' not in log
