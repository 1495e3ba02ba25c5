"""The tutorial's own examples, through every door, byte for byte."""

import re
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from xmlrpc.client import ServerProxy

import pytest
import trio

from tests.irc_lines import Lines
from tests.ngircd import Ngircd, ask
from tests.peers import require_peer
from tests.running import CONFIG, DAEMON, PATIENCE, TRIO_FINGER, Running, run_daemon

PAGE = "Accept: text/html"


async def run(*command: str, typed: bytes = b"") -> bytes:
    """Run a real client and return what it prints."""
    done = await trio.run_process(
        list(command), stdin=typed, capture_stdout=True, capture_stderr=True
    )
    return done.stdout


def get_user(daemon: Running, name: str) -> object:
    with ServerProxy(f"{daemon.url}/RPC2") as server:
        return server.getUser(name)


async def through_every_door(daemon: Running, person: Lines, name: str) -> dict[str, bytes]:
    """Ask for *name* at every door, on IRC as *person*."""
    nc, curl = require_peer("nc"), require_peer("curl")
    answer = await trio.to_thread.run_sync(get_user, daemon, name)
    return {
        "finger": await run(
            nc, "-N", "127.0.0.1", str(daemon.port("finger")), typed=f"{name}\r\n".encode()
        ),
        "page": await run(curl, "-s", "-H", PAGE, f"{daemon.url}/{name}"),
        "page, tilde": await run(curl, "-s", "-H", PAGE, f"{daemon.url}/~{name}"),
        "text": await run(curl, "-s", f"{daemon.url}/{name}"),
        "online": await run(curl, "-s", f"{daemon.url}/~{name}/online"),
        "xmlrpc": str(answer).encode(),
        "irc": (await ask(person, name)).encode(),
    }


def expect(answers: dict[str, bytes], name: str, status: str) -> None:
    page = f"<h1>{name}</h1><p>{status}</p>".encode()
    assert answers["finger"] == f"{status}\r\n".encode()
    assert page in answers["page"]
    assert page in answers["page, tilde"]
    text = f"{name}: {status}" if status != "No such user" else status
    assert answers["text"].decode().splitlines()[0] == text
    assert answers["online"] == f"{status}\n".encode()
    assert answers["xmlrpc"] == status.encode()
    assert answers["irc"] == f"asker :{name}: {status}".encode()


async def test_every_door_gives_the_tutorials_answers(tmp_path: Path) -> None:
    """A status from the file, one that was set, and no status are the same everywhere."""
    nc = require_peer("nc")
    with TemporaryDirectory(prefix="ngircd-") as folder:
        ngircd = Ngircd(require_peer("ngircd"), Path(folder))
        config = f'{CONFIG}\n[irc]\nserver = "{ngircd.address}"\n'
        with ngircd.running():
            async with ngircd.person("asker") as person, run_daemon(tmp_path, config=config) as it:
                await it.logged("connected")
                answers = await through_every_door(it, person, "moshez")
                expect(answers, "moshez", "Happy and well")
                answers = await through_every_door(it, person, "nobody")
                expect(answers, "nobody", "No such user")

                session = b"moshez\nGiving a tutorial now, sorry!\n"
                setter = str(it.port("setter"))
                assert await run(nc, "-N", "127.0.0.1", setter, typed=session) == b"ok\r\n"
                answers = await through_every_door(it, person, "moshez")
                expect(answers, "moshez", "Giving a tutorial now, sorry!")


async def test_finger_client_of_the_system(tmp_path: Path) -> None:
    """The finger client that people have gets the answer, on finger's own port."""
    finger = require_peer("finger")
    try:
        (await trio.open_tcp_listeners(79, host="127.0.0.1"))[0].socket.close()
    except OSError as error:
        pytest.skip(f"port 79 cannot be bound here: {error.strerror}")
    config = re.sub(r"(?s)(\[finger\]\nlisten = )\S+", r'\1["127.0.0.1:79"]', CONFIG)
    async with run_daemon(tmp_path, config=config):
        answer = await run(finger, "moshez@127.0.0.1")
        assert answer.endswith(b"Happy and well\n")
        long = await run(finger, "-l", "moshez@127.0.0.1")
        assert b"Login: moshez\n" in long
        assert b"Status: Happy and well\n" in long
        assert b"shawn" in await run(finger, "@127.0.0.1")


async def test_finger_client_of_our_own(tmp_path: Path) -> None:
    """``trio-finger query`` gets the answer on any port."""
    async with run_daemon(tmp_path) as daemon:
        target = f"moshez@127.0.0.1:{daemon.port('finger')}"
        assert await run(*TRIO_FINGER, "query", target) == b"Happy and well\n"


async def test_setter_session_with_crlf_and_without(tmp_path: Path) -> None:
    """The setter takes LF and CRLF, with or without one at the very end."""
    async with run_daemon(tmp_path) as daemon:
        for count, end in enumerate(["\n", "\r\n"]):
            for last in ("", end):
                request = f"moshez{end}Status {count}{last}".encode()
                assert await daemon.exchange("setter", request) == b"ok\r\n"
                assert await daemon.finger(b"moshez\r\n") == f"Status {count}\r\n".encode()


async def test_setter_refuses_with_a_reason(tmp_path: Path) -> None:
    """What cannot be set is refused in words, and changes nothing."""
    refused = {
        b"": b"nothing was sent",
        b"moshez\n": b"second line",
        b"a b\nstatus\n": b"white space",
        b"a@b\nstatus\n": b"'@'",
        b"x" * 65 + b"\nstatus\n": b"64 characters",
        b"moshez\n\xff\n": b"UTF-8",
        b"moshez\n" + b"x" * 1025 + b"\n": b"1024 bytes",
        b"moshez\n" + b"x" * 1_000_000 + b"\n": b"longer than",
        b"nobody\n\n": b"no such user",
    }
    async with run_daemon(tmp_path) as daemon:
        before = await daemon.finger(b"\r\n")
        for request, why in refused.items():
            answer = await daemon.exchange("setter", request)
            assert answer.startswith(b"error: "), request[:20]
            assert answer.endswith(b"\r\n"), request[:20]
            assert why in answer, request[:20]
        assert await daemon.finger(b"\r\n") == before


async def test_clearing_goes_back_to_the_file(tmp_path: Path) -> None:
    """An empty second line ends what was set; who is only there by it is gone."""
    async with run_daemon(tmp_path) as daemon:
        await daemon.set("moshez", "Busy")
        await daemon.set("itamar", "Passing through")
        assert await daemon.set("moshez", "") == b"ok\r\n"
        assert await daemon.set("itamar", "") == b"ok\r\n"
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        assert await daemon.finger(b"itamar\r\n") == b"No such user\r\n"


async def test_names_may_be_limited_to_the_file(tmp_path: Path) -> None:
    """With ``create = false`` nobody new can be set, and everybody known still can."""
    config = CONFIG.replace("[users]", "[users]\ncreate = false")
    async with run_daemon(tmp_path, config=config) as daemon:
        assert (await daemon.set("itamar", "Hello")).startswith(b"error: only users whom")
        assert await daemon.finger(b"itamar\r\n") == b"No such user\r\n"
        assert await daemon.set("Moshez", "Busy") == b"ok\r\n"
        assert await daemon.finger(b"MOSHEZ\r\n") == b"Busy\r\n"


async def test_plugin_options_need_no_file(tmp_path: Path) -> None:
    """``--port`` and ``--user`` serve finger without any configuration."""
    options = ("--port", "0", "--user", "moshez=Happy and well", "--user", "shawn=Alive")
    process = await trio.lowlevel.open_process(
        [*DAEMON, *options], cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    with trio.fail_after(PATIENCE):
        log = b""
        while b" ready " not in log:
            log += await process.stderr.receive_some()
        match = re.search(rb"finger=127\.0\.0\.1:([0-9]+)", log)
        assert match is not None
        target = f"@127.0.0.1:{int(match[1])}"
        assert await run(*TRIO_FINGER, "query", f"moshez{target}") == b"Happy and well\n"
        assert b"shawn" in await run(*TRIO_FINGER, "query", target)
        process.terminate()
        assert await process.wait() == 0


async def test_plugin_options_go_over_the_configuration(tmp_path: Path) -> None:
    """With a configuration, ``--user`` adds to its users, also after they are read again."""
    async with run_daemon(tmp_path, arguments=["--user", "moshez=Here instead"]) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"Here instead\r\n"
        assert await daemon.finger(b"shawn\r\n") == b"Alive\r\n"
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"moshez\r\n") == b"Here instead\r\n"
