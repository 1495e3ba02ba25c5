"""A status from elsewhere, as a user sees it at every door of the running daemon."""

import os
import pwd
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xmlrpc.client import Fault

import pytest
import trio

from tests.ngircd import Ngircd, ask
from tests.peers import require_peer
from tests.running import CONFIG, Running, run_daemon

TRY_LATER = b"Server error -- try later\r\n"
UNKNOWN = b"No such user\r\n"


def source(kind: str, **keys: str) -> str:
    """Return the table of a source; *keys* as TOML writes them."""
    lines = [f'kind = "{kind}"', *(f"{key} = {value}" for key, value in keys.items())]
    return "\n[[source]]\n" + "\n".join(lines) + "\n"


def web_source(daemon: Running, **keys: str) -> str:
    """Return the table of a source that is another daemon's web door."""
    return source("web", url=f'"{daemon.url}/~{{user}}/online"', **keys)


def program(folder: Path, text: str) -> Path:
    """Write a program in the shell's language, and return its path."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders, for two daemons."""
    made = [tmp_path / "near", tmp_path / "far"]
    for folder in made:
        folder.mkdir()
    return made


@pytest.fixture
def ngircd() -> Iterator[Ngircd]:
    """A real IRC server that is up."""
    server = require_peer("ngircd")
    with TemporaryDirectory(prefix="ngircd-") as folder:
        ngircd = Ngircd(server, Path(folder))
        with ngircd.running():
            yield ngircd


async def get(daemon: Running, path: str, *headers: str) -> tuple[int, bytes]:
    """Return the status code and the body of a page."""
    request = "\r\n".join([f"GET {path} HTTP/1.0", "Host: localhost", *headers, "", ""])
    head, _, body = (await daemon.exchange("web", request.encode())).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


async def test_every_door_alike(folders: list[Path], ngircd: Ngircd) -> None:
    """What only another site knows is told at finger, on pages, by XML-RPC and on IRC."""
    near, far = folders
    async with run_daemon(far, users="elsewhere: Far away & well\n") as other:
        irc = f'\n[irc]\nserver = "{ngircd.address}"\n'
        async with (
            ngircd.person("asker") as person,
            run_daemon(near, config=CONFIG + web_source(other) + irc) as daemon,
        ):
            assert await daemon.finger(b"elsewhere\r\n") == b"Far away & well\r\n"
            assert await daemon.finger(b"moshez elsewhere nobody\r\n") == (
                b"Happy and well\r\nFar away & well\r\nNo such user\r\n"
            )
            assert b"Status: Far away & well\r\n" in await daemon.finger(b"/W elsewhere\r\n")
            code, page = await get(daemon, "/elsewhere")
            assert code == 200
            assert b"<h1>elsewhere</h1><p>Far away &amp; well</p>" in page
            assert await get(daemon, "/~elsewhere/online") == (200, b"Far away & well\n")
            assert await daemon.call("getUser", "elsewhere") == "Far away & well"
            assert (await daemon.call("getStatus", "elsewhere"))["status"] == "Far away & well"
            assert await ask(person, "elsewhere") == "asker :elsewhere: Far away & well"
            assert await ask(person, "nobody") == "asker :nobody: No such user"
            assert (await get(daemon, "/~nobody/online"))[0] == 404


async def test_set_here_wins(folders: list[Path]) -> None:
    """What a person sets here is what holds here, until it is taken back."""
    near, far = folders
    async with (
        run_daemon(far, users="elsewhere: Far away\n") as other,
        run_daemon(near, config=CONFIG + web_source(other)) as daemon,
    ):
        assert await daemon.finger(b"elsewhere\r\n") == b"Far away\r\n"
        assert await daemon.set("elsewhere", "Right here") == b"ok\r\n"
        assert await daemon.finger(b"elsewhere\r\n") == b"Right here\r\n"
        assert await daemon.set("elsewhere", "") == b"ok\r\n"
        assert await daemon.finger(b"elsewhere\r\n") == b"Far away\r\n"


@asynccontextmanager
async def run_pair(
    folders: list[Path], source_of: Callable[[Running], str]
) -> AsyncIterator[tuple[Running, Running]]:
    """Run two daemons, each a source of the other, of which one knows who is elsewhere."""
    near, far = folders
    async with (
        run_daemon(far, users="elsewhere: Far away\n") as other,
        run_daemon(near, config=CONFIG + source_of(other)) as daemon,
    ):
        (far / "config.toml").write_text(CONFIG + source_of(daemon))
        other.process.send_signal(signal.SIGHUP)
        await other.logged("configuration read again")
        yield daemon, other


async def expect_the_same(*daemons: Running) -> None:
    """See that each knows whom only the other was told of, and that neither knows nobody."""
    for one in daemons:
        assert await one.finger(b"elsewhere\r\n") == b"Far away\r\n"
        assert await one.finger(b"moshez\r\n") == b"Happy and well\r\n"
        assert await one.finger(b"nobody\r\n") == UNKNOWN


async def test_two_that_feed_each_other(folders: list[Path]) -> None:
    """T2: two daemons, each a source of the other, answer all the same, and at once."""
    async with run_pair(folders, web_source) as (daemon, other):
        await expect_the_same(daemon, other)
        # Many at a time, whose questions cross on the way.
        async with trio.open_nursery() as crowd:
            for number in range(20):
                for one in (daemon, other):
                    query = b"stranger%d\r\n" % number
                    crowd.start_soon(_expect, one, query, UNKNOWN)
        assert not [record for record in daemon.log if record["event"] == "source failed"]


async def _expect(daemon: Running, query: bytes, answer: bytes) -> None:
    assert await daemon.finger(query) == answer


async def test_two_that_finger_each_other(folders: list[Path]) -> None:
    """T2: so do two that ask each other by finger."""

    def finger_source(daemon: Running) -> str:
        return source("finger", host=f'"127.0.0.1:{daemon.port("finger")}"', timeout='"1s"')

    async with run_pair(folders, finger_source) as pair:
        await expect_the_same(*pair)


async def test_down(tmp_path: Path) -> None:
    """A source that is down is an entry in the log, a metric, and an answer that says so."""
    config = CONFIG + source("web", url='"http://127.0.0.1:9/{user}"')
    config += '[metrics]\nlisten = ["127.0.0.1:0"]\n'
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await daemon.finger(b"someone\r\n") == TRY_LATER
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        assert await daemon.finger(b"moshez someone\r\n") == b"Happy and well\r\n" + TRY_LATER
        assert b"try later" in await daemon.finger(b"/W someone\r\n")
        code, page = await get(daemon, "/someone")
        assert code == 503
        assert b"Server error -- try later" in page
        assert await get(daemon, "/~someone/online") == (503, b"Server error -- try later\n")
        with pytest.raises(Fault, match="try later") as fault:
            await daemon.call("getUser", "someone")
        assert fault.value.faultCode == 503
        record = await daemon.logged("source failed")
        assert (record["source"], "someone" in str(record)) == ("web", False)
        metrics = await daemon.exchange("metrics", b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b'trio_finger_source_answers_total{result="failed",source="web"} 1.0' in metrics


async def test_hung_program(tmp_path: Path) -> None:
    """T7: a program that never ends holds nobody up, and the daemon can be stopped."""
    path = program(tmp_path, "trap '' TERM; sleep 1000")
    config = CONFIG + source("program", command=f'["{path}", "{{user}}"]', timeout='"1s"')
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        assert await daemon.finger(b"someone\r\n") == TRY_LATER
        record = await daemon.logged("source failed")
        assert record["reason"] == "no answer within 1 s"


async def test_stopped_while_a_source_hangs(tmp_path: Path) -> None:
    """Who waits for a source does not keep the daemon from ending within its grace."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    config = CONFIG.replace('grace = "5s"', 'grace = "500ms"')
    config += source("web", url=f'"http://127.0.0.1:{port}/{{user}}"', timeout='"1h"')
    async with listener, run_daemon(tmp_path, config=config) as daemon:
        client = await trio.open_tcp_stream("127.0.0.1", daemon.port("finger"))
        async with client:
            await client.send_all(b"someone\r\n")
            async with await listener.accept() as asked:
                assert await asked.receive_some()
                assert await daemon.stop() == 0
            assert await client.receive_some() == b""
        await daemon.logged("connections cut that were still open")


async def test_r12_r27_program(tmp_path: Path) -> None:
    """T6: a program is run with the name as one argument, and never for what is no plain name."""
    path = program(tmp_path, 'echo "$# $1"; echo more')
    config = CONFIG + source("program", command=f'["{path}", "{{user}}"]')
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await daemon.finger(b"some.one\r\n") == b"1 some.one\r\n"
        assert (await daemon.finger(b"/W some.one\r\n")).endswith(
            b"Plan:\r\n1 some.one\r\nmore\r\n"
        )
        for name in (b"--help", b"-rf", b"$(id)", b";id", b"`id`", b"../x", b"%2e"):
            assert await daemon.finger(name + b"\r\n") == UNKNOWN


async def test_r17_r18_services(tmp_path: Path) -> None:
    """R17, R18: a service is listed, answers in detail, and takes what stands after a colon."""
    path = program(tmp_path, 'printf "Weather of %s\\nSunny\\n" "${1:-here}"')
    (tmp_path / "motd").write_text("Back at nine.\nAsk Moshe.\n")
    config = CONFIG + (
        f'[service.weather]\ncommand = ["{path}", "{{argument}}"]\ntitle = "The weather"\n'
        '[service.motd]\nfile = "motd"\n'
    )
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await daemon.finger(b"weather:oslo\r\n") == b"Weather of oslo\r\nSunny\r\n"
        assert await daemon.finger(b"weather\r\n") == b"Weather of here\r\nSunny\r\n"
        assert await daemon.finger(b"motd\r\n") == b"Back at nine.\r\nAsk Moshe.\r\n"
        listed = await daemon.finger(b"\r\n")
        assert [line.split()[0] for line in listed.splitlines()[1:]] == [
            b"moshez",
            b"motd",
            b"shawn",
            b"weather",
        ]
        assert b"The weather" in listed
        assert await get(daemon, "/~weather:oslo/online") == (200, b"Weather of oslo\n")
        assert b"The weather" in (await get(daemon, "/"))[1]
        assert await daemon.call("getUsers") == ["moshez", "motd", "shawn", "weather"]


async def test_plan(tmp_path: Path) -> None:
    """A person with an account here tells in ~/.plan what they are up to."""
    # The daemon of these tests may be anybody's, so only in a folder of all plans is one that
    # it can read and believe.
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    spool = tmp_path / "plans"
    spool.mkdir()
    (spool / account.pw_name).write_text("On holiday\nBack in May\n")
    keys = {"uid_min": "1", "shells": f'["{account.pw_shell}"]', "spool": f'"{spool}"'}
    async with run_daemon(tmp_path, config=CONFIG + source("plan", **keys)) as daemon:
        name = account.pw_name.encode()
        assert await daemon.finger(name + b"\r\n") == b"On holiday\r\n"
        long = await daemon.finger(b"/W " + name + b"\r\n")
        assert long.endswith(b"Plan:\r\nOn holiday\r\nBack in May\r\n")
        assert await daemon.finger(b"root\r\n") == UNKNOWN


async def test_reload(tmp_path: Path) -> None:
    """Sources come and go on SIGHUP."""
    (tmp_path / "motd").write_text("Hello\n")
    async with run_daemon(tmp_path) as daemon:
        assert await daemon.finger(b"motd\r\n") == UNKNOWN
        (tmp_path / "config.toml").write_text(CONFIG + '[service.motd]\nfile = "motd"\n')
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again")
        assert await daemon.finger(b"motd\r\n") == b"Hello\r\n"
        (tmp_path / "config.toml").write_text(CONFIG)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again", 2)
        assert await daemon.finger(b"motd\r\n") == UNKNOWN


async def test_r3_r4_relay(folders: list[Path]) -> None:
    """R3, R4, R22: a query goes through one daemon to another, if the operator says so."""
    near, far = folders
    async with run_daemon(far, users="elsewhere: Far away\n") as other:
        place = f"127.0.0.1:{other.port('finger')}"
        config = CONFIG.replace('rate = "off"', f'rate = "off"\nrelay = ["{place}"]')
        async with run_daemon(near, config=config) as daemon:
            query = f"elsewhere@{place}\r\n".encode()
            assert await daemon.finger(query) == b"Far away\r\n"
            assert b"Login: elsewhere" in await daemon.finger(b"/W " + query)
            assert b"elsewhere" in await daemon.finger(f"@{place}\r\n".encode())
            for host in ("127.0.0.1", "localhost", "example.org", f"a@b@c@d@{place}"):
                denied = b"Finger forwarding service denied\r\n"
                assert await daemon.finger(f"elsewhere@{host}\r\n".encode()) == denied
        async with run_daemon(near, config=CONFIG) as daemon:
            assert await daemon.finger(query) == b"Finger forwarding service denied\r\n"


async def test_r3_relay_to_nobody(tmp_path: Path) -> None:
    """R3: never silence: a host that cannot be reached is named, with the reason."""
    config = CONFIG.replace('rate = "off"', 'rate = "off"\nrelay = ["127.0.0.1:9"]')
    async with run_daemon(tmp_path, config=config) as daemon:
        answer = await daemon.finger(b"moshez@127.0.0.1:9\r\n")
        assert answer == b"127.0.0.1: refuses the connection\r\n"


async def test_t3_one_address_does_not_take_all_relaying(tmp_path: Path) -> None:
    """T3: of one address some queries are forwarded at once; others are still served."""
    (far,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    place = f"127.0.0.1:{far.socket.getsockname()[1]}"
    config = CONFIG.replace('rate = "off"', f'rate = "off"\nrelay = ["{place}"]')
    query = f"moshez@{place}\r\n".encode()
    async with far, run_daemon(tmp_path, config=config) as daemon, AsyncExitStack() as clients:
        for _ in range(8):
            client = await trio.open_tcp_stream("127.0.0.1", daemon.port("finger"))
            await clients.enter_async_context(client)
            await client.send_all(query)
            await clients.enter_async_context(await far.accept())
        assert await daemon.finger(query) == TRY_LATER
        other = await trio.open_tcp_stream(
            "127.0.0.1", daemon.port("finger"), local_address="127.0.0.2"
        )
        async with other:
            await other.send_all(query)
            async with await far.accept() as asked:
                await asked.send_all(b"Well\n")
            assert await other.receive_some() == b"Well\r\n"
