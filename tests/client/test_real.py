"""The command against real servers: our daemon, and the one that Unix systems have."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.client.servers import run_query
from tests.daemon.certificates import CONFIG_TLS, GOOD, install_leaf
from tests.peers import require_peer
from tests.running import CONFIG, run_daemon

FINGER = '[finger]\nlisten = ["127.0.0.1:0"]'


async def test_f2_our_daemon(tmp_path: Path) -> None:
    """Every form of a question is answered, on a port of any number."""
    async with run_daemon(tmp_path) as daemon:
        place = f"127.0.0.1:{daemon.port('finger')}"
        for target in (f"moshez@{place}", f"finger://{place}/moshez", f"finger://moshez@{place}"):
            done = await run_query(target)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"Happy and well\n", b"")
        long = (await run_query("--long", f"moshez@{place}")).stdout
        assert long.startswith(b"Login: moshez")
        assert b"\nStatus: Happy and well\n" in long
        everybody = (await run_query("--raw", f"@{place}")).stdout
        assert b"\r\nmoshez " in everybody
        assert everybody.count(b"\r\n") == everybody.count(b"\n") == 3
        both = await run_query(f"moshez@{place}", f"shawn@{place}")
        assert both.stdout.decode() == f"[{place}]\nHappy and well\n[{place}]\nAlive\n"
        relayed = await run_query(f"moshez@far@{place}")
        assert relayed.stdout == b"Finger forwarding service denied\n"


async def test_f2_over_ipv6(tmp_path: Path) -> None:
    """An IPv6 address is in brackets."""
    config = CONFIG.replace(FINGER, FINGER.replace("127.0.0.1", "[::1]"))
    try:
        (await trio.open_tcp_listeners(0, host="::1"))[0].socket.close()
    except OSError as error:
        pytest.skip(f"there is no IPv6 here: {error.strerror}")
    async with run_daemon(tmp_path, config=config) as daemon:
        place = f"[::1]:{daemon.port('finger')}"
        for target in (f"moshez@{place}", f"finger://{place}/moshez"):
            done = await run_query(target)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"Happy and well\n", b"")
        both = await run_query(f"moshez@{place}", f"shawn@{place}")
        assert both.stdout.decode() == f"[{place}]\nHappy and well\n[{place}]\nAlive\n"


async def test_f2_over_tls(tmp_path: Path) -> None:
    """With --tls it is the same, and without it is a failure."""
    install_leaf(tmp_path, GOOD)
    async with run_daemon(tmp_path, config=CONFIG_TLS) as daemon:
        place = f"localhost:{daemon.port('finger_tls')}"
        for target in (f"moshez@{place}", f"finger://{place}/moshez"):
            done = await run_query("--tls", target, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
            assert (done.returncode, done.stdout, done.stderr) == (0, b"Happy and well\n", b"")
        # Asked in plain text, that door hangs up, which is no answer.
        done = await run_query(f"moshez@{place}")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(f"localhost port {daemon.port('finger_tls')}: ".encode())


async def test_f1_this_machines_port_79(tmp_path: Path) -> None:
    """Without a host it is this machine, and without a port it is 79."""
    config = CONFIG.replace(FINGER, FINGER.replace(":0", ":79"))
    try:
        (await trio.open_tcp_listeners(79, host="127.0.0.1"))[0].socket.close()
    except OSError as error:
        pytest.skip(f"port 79 cannot be bound here: {error.strerror}")
    async with run_daemon(tmp_path, config=config):
        for target in ("moshez", "moshez@127.0.0.1", "finger://127.0.0.1/moshez"):
            assert (await run_query(target)).stdout == b"Happy and well\n"
        both = await run_query("moshez", "shawn@127.0.0.1")
        assert both.stdout == b"[localhost]\nHappy and well\n[127.0.0.1]\nAlive\n"
        assert b"\nshawn " in (await run_query()).stdout


@asynccontextmanager
async def serving_program(program: str) -> AsyncIterator[int]:
    """Run *program* for each client, its input and output the connection, as inetd does."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            end = stream.socket.fileno()
            os.set_blocking(end, True)
            await trio.run_process([program], stdin=end, stdout=end, stderr=end, check=False)

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def test_f2_fingerd() -> None:
    """Another's server, which every Unix had, understands what is asked."""
    fingerd = require_peer("in.fingerd")
    require_peer("finger")  # which it runs
    async with serving_program(fingerd) as port:
        done = await run_query(f"root@127.0.0.1:{port}")
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"Login: root" in done.stdout
        nobody = await run_query("-l", f"no-such-user@127.0.0.1:{port}")
        assert b"no such user" in nobody.stdout.lower()
        everybody = await run_query(f"@127.0.0.1:{port}")
        assert everybody.returncode == 0
