"""``trio-finger set``, at a control socket that is real."""

import os
import pwd
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.running import CONFIG, TRIO_FINGER, run_daemon
from trio_finger.cli import main
from trio_finger.client import SetError, send_request
from trio_finger.config import Setter
from trio_finger.counts import Counts
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_PLAN
from trio_finger.services.setter import serve_setter
from trio_finger.store import MemoryStore
from trio_finger.usermap import Status, UserMap

ETC = Path("/etc/trio-finger/config.toml")

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OWN_NAME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is no configuration but the test's."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore(), clock=lambda: NOW)
    await users.replace_file({"moshez": Status("moshez", "from the file", NOW)})
    return users


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Have a UNIX socket at *path* for the length of a ``with`` block; it leaves a file."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(path))
        server.listen()
        yield server


@asynccontextmanager
async def serving(users: UserMap, path: Path) -> AsyncIterator[None]:
    """Serve the setter at *path* for the length of an ``async with``."""
    with listening(path) as server, capture_logs():
        stop = trio.Event()
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(server))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(serve_setter, Setter(), users, [listener], stop=stop, counts=Counts())
            )
            yield
            stop.set()


async def run(*arguments: str, typed: str | bytes = "") -> Result:
    """Run the command beside the server, which needs this thread."""
    invoke = partial(CliRunner().invoke, main, ["set", *arguments], input=typed)
    result = await trio.to_thread.run_sync(invoke)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


async def say(users: UserMap, *arguments: str, typed: str | bytes = "") -> Result:
    """Run the command with *arguments* while a setter serves *users*."""
    async with serving(users, Path("s.sock")):
        return await run("--socket", "s.sock", *arguments, typed=typed)


def granted(result: Result) -> bool:
    """Whether just ok was said, where answers are."""
    return (result.exit_code, result.stdout, result.stderr) == (0, "ok\n", "")


def failed(result: Result, words: str) -> bool:
    """Whether it failed with *words*, on standard error alone."""
    return (result.exit_code, result.stdout, result.stderr) == (1, "", words + "\n")


def text_of(users: UserMap, name: str) -> str | None:
    status = users.get(name)
    return None if status is None else status.text


# What is set


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["Happy"], "Happy"),
        (["Giving", "a", "tutorial"], "Giving a tutorial"),
        (["Giving a tutorial, sorry!"], "Giving a tutorial, sorry!"),
        (["--", "--for", "ever"], "--for ever"),
        (["  à la ", " mode ☞ "], "à la   mode ☞"),
        (['{"name": "shawn"}'], '{"name": "shawn"}'),
    ],
)
async def test_status(users: UserMap, words: list[str], text: str) -> None:
    """The status is all the words, with or without quotes around them."""
    assert granted(await say(users, "--user", "moshez", *words))
    assert text_of(users, "moshez") == text


async def test_own_name(users: UserMap) -> None:
    """Without --user it is one's own: the user who is called as one is on this machine."""
    assert granted(await say(users, "Here"))
    assert text_of(users, OWN_NAME) == "Here"


async def test_no_name(users: UserMap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no name on this machine has to say whose status it is."""

    def getpwuid(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    assert failed(
        await say(users, "Here"),
        "you have no name on this machine; say whose status it is with --user",
    )
    assert granted(await say(users, "--user", "moshez", "Here"))


async def test_for(users: UserMap) -> None:
    """--for says for how long; until when that is comes back, with the time zone."""
    result = await say(users, "--user", "moshez", "--for", "90m", "Out")
    status = users.get("moshez")
    assert status is not None
    assert status.until == NOW + timedelta(minutes=90)
    end = f"{status.until.astimezone():%Y-%m-%d %H:%M %Z}"
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"ok, until {end}\n", "")


@pytest.mark.parametrize("until", ["2026-11-21 17:30+00:00", "2026-11-21T18:30+01:00"])
async def test_until(users: UserMap, until: str) -> None:
    """--until says when it ends."""
    result = await say(users, "--user", "moshez", "--until", until, "Out")
    assert re.fullmatch(r"ok, until 2026-11-2\d \d\d:\d\d \S+\n", result.stdout)
    status = users.get("moshez")
    assert status is not None
    assert status.until == datetime(2026, 11, 21, 17, 30, tzinfo=UTC)


async def test_clear(users: UserMap) -> None:
    """--clear goes back to what the users file says."""
    assert granted(await say(users, "--user", "moshez", "Here"))
    assert granted(await say(users, "--user", "moshez", "--clear"))
    assert text_of(users, "moshez") == "from the file"


async def test_plan(users: UserMap, tmp_path: Path) -> None:
    """--plan takes the plan from a file, or from standard input; the status stays."""
    (tmp_path / "plan").write_text("  1. Write ☞\n\n\t2. Mend\n")
    assert granted(await say(users, "--user", "moshez", "--plan", "plan"))
    assert users.profile("moshez").plan == "  1. Write ☞\n\n\t2. Mend"
    assert granted(await say(users, "--user", "moshez", "--plan", "-", typed="Rest\r\n well"))
    assert users.profile("moshez").plan == "Rest\n well"
    assert text_of(users, "moshez") == "from the file"
    (tmp_path / "plan").write_text("")
    assert granted(await say(users, "--user", "moshez", "--plan", "plan"))
    assert users.profile("moshez").plan == ""


async def test_plan_and_status(users: UserMap, tmp_path: Path) -> None:
    """A plan goes with a status, with an end of it, and with --clear."""
    (tmp_path / "plan").write_text("Rest")
    result = await say(users, "--user", "new", "--plan", "plan", "--for", "1h", "Out")
    assert result.stdout.startswith("ok, until ")
    assert (text_of(users, "new"), users.profile("new").plan) == ("Out", "Rest")
    assert granted(await say(users, "--user", "new", "--plan", "-", "--clear", typed="More"))
    assert (text_of(users, "new"), users.profile("new").plan) == ("", "More")


@pytest.mark.parametrize("character", ["x", '"', "é", "😀"])
async def test_longest_plan(users: UserMap, character: str) -> None:
    """A plan as long as plans may be is taken, and a longer one refused."""
    plan = character * (MAX_PLAN // len(character.encode()))
    assert granted(await say(users, "--user", "moshez", "--plan", "-", typed=plan))
    assert users.profile("moshez").plan == plan
    result = await say(users, "--user", "moshez", "--plan", "-", typed=plan + character)
    assert failed(result, "error: the plan is longer than 16384 bytes")
    result = await say(users, "--user", "moshez", "--plan", "-", typed=plan * 100)
    assert result.exit_code == 1
    assert "is longer than" in result.stderr


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--user", "nobody", "--clear"], "no such user"),
        (["\x1b"], "the status is empty"),
        (["x" * 1025], "the status is longer than 1024 bytes"),
        (["na\udcefve"], "not UTF-8 text"),
        (["--for", "soon", "x"], 'expected a duration such as "30s", "5m" or "1h", got "soon"'),
        (["--for", "4000d", "x"], "the end is more than ten years ahead; leave it out instead"),
        (
            ["--until", "\x1b]0;x\n", "x"],
            'expected a time such as "17:30" or "2026-11-21 17:30", got "\\x1b]0;x"',
        ),
    ],
)
async def test_refused(users: UserMap, arguments: list[str], words: str) -> None:
    """The daemon's reasons are shown as they are, and nothing in them harms a terminal."""
    before = list(users)
    assert failed(await say(users, *arguments), f"error: {words}")
    assert list(users) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what you are up to, or --clear, or --plan FILE"),
        (["", " "], "say what you are up to, or --clear, or --plan FILE"),
        (["--for", "1h"], "say what you are up to, or --clear, or --plan FILE"),
        (["--clear", "Here"], "either a status, or --clear"),
        (["--for", "1h", "--until", "17:30", "Here"], "either --for or --until"),
        (["--for", "1h", "--clear"], "--for and --until need a status that ends"),
        (["--until", "17:30", "--plan", "-"], "--for and --until need a status that ends"),
        (["--user", "mo shez", "Here"], "'--user': a name cannot hold white space"),
        (["--user", "", "Here"], "'--user': the name is empty"),
        (["--plan", "nowhere"], "'--plan': 'nowhere': No such file or directory"),
        (["--plan", "."], "'--plan': '.': Is a directory"),
        (["--socket", ".", "Here"], "'--socket': File '.' is a directory"),
        (["--config", ".", "Here"], "'--config': File '.' is a directory"),
        (["--nonsense", "Here"], "No such option"),
    ],
)
async def test_wrong_usage(users: UserMap, arguments: list[str], words: str) -> None:
    """What cannot be meant exits with 2 before the daemon hears of it."""
    before = list(users)
    result = await say(users, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert words in result.stderr.partition("\nError: ")[2]
    assert list(users) == before


async def test_plan_that_is_no_text(users: UserMap, tmp_path: Path) -> None:
    """A plan that is not UTF-8 is named, and nothing is set."""
    (tmp_path / "plan").write_bytes(b"na\xefve")
    assert failed(await say(users, "--plan", "plan", "Here"), "plan: not UTF-8 text")
    result = await say(users, "--plan", "-", "Here", typed=b"\xff")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(": not UTF-8 text\n")
    assert text_of(users, OWN_NAME) is None


# Nobody there, or somebody else


async def test_nobody_there(tmp_path: Path) -> None:
    """Where no daemon listens it fails with words that help, whatever is there instead."""
    (tmp_path / "file").write_text("")
    with listening(tmp_path / "stale"):
        pass
    for path in ("nowhere", "file", "stale"):
        result = await run("--socket", path, "Here")
        assert failed(result, f"{path}: nobody listens there; is the daemon running?")
    path = "s" * 120
    assert failed(await run("--socket", path, "Here"), f"{path}: AF_UNIX path too long")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"", "s.sock: the connection broke"),
        (b"o", "o"),
        (b"error: \x1b[2J\x07\xff\r\nok\r\n", "error: \\x1b[2J\\x07\ufffd\\r\\nok"),
        (b"\n" * 10_000_000, "s.sock: the connection broke"),
    ],
)
async def test_somebody_else(reply: bytes, words: str) -> None:
    """Whatever somebody else answers is no success, and does nothing to a terminal (T10)."""

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            try:
                await stream.send_all(reply)
            except trio.BrokenResourceError:
                assert len(reply) > 1_000_000

    with listening(Path("s.sock")) as server:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(server))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            assert failed(await run("--socket", "s.sock", "Here"), words)
            nursery.cancel_scope.cancel()


async def test_no_answer(autojump_clock: MockClock) -> None:
    """A daemon that does not answer is not waited for for ever."""
    path = Path("s.sock")
    with listening(path), pytest.raises(SetError, match=r"^s\.sock: no answer within 30 seconds$"):
        await send_request(path, SetRequest("moshez", "Here"), 30)


async def test_interrupt() -> None:
    """Ctrl-C ends the wait for an answer in few words, not in a traceback."""
    with listening(Path("s.sock")) as server, trio.fail_after(20):
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(server))
        command = [*TRIO_FINGER, "set", "--socket", "s.sock", "Here"]
        process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
        async with await listener.accept() as stream:
            assert await stream.receive_some()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            async with process.stderr:
                errors = b"".join([chunk async for chunk in process.stderr])
            assert await process.wait() == 1
    assert b"Traceback" not in errors


# Where the daemon is


async def found(users: UserMap, path: Path, *arguments: str) -> bool:
    """Whether the command finds the daemon at *path* by itself."""
    async with serving(users, path):
        result = await run(*arguments, "--user", "moshez", "Here")
    return granted(result) and text_of(users, "moshez") == "Here"


@pytest.mark.parametrize(
    ("setter", "path"),
    [
        ("", "run/setter.sock"),
        ('listen = ["127.0.0.1:1", "unix:a", "unix:b"]', "a"),
        ('listen = ["unix:run/x"]', "run/x"),
    ],
)
@pytest.mark.parametrize("folder", ["", "etc"])
async def test_found_by_the_configuration(
    users: UserMap, setter: str, path: str, folder: str, tmp_path: Path
) -> None:
    """The first UNIX socket of the configuration is asked, relative to where that is."""
    (tmp_path / "etc").mkdir()
    (tmp_path / folder / "config.toml").write_text(f"[setter]\n{setter}\n")
    arguments = ["--config", f"{folder}/config.toml"] if folder else []
    assert await found(users, tmp_path / folder / path, *arguments)


@pytest.mark.parametrize(
    "fault",
    [
        "[finger]\ntimeout = 1",
        "[fingr]",
        '[tls]\ncertificate = "none"\nkey = "none"',
        '[finger]\nlisten = ["127.0.0.1:1"]',
        '[web]\ntls_listen = ["127.0.0.1:2"]',
    ],
)
async def test_fault_elsewhere(users: UserMap, fault: str, tmp_path: Path) -> None:
    """A fault that is the daemon's business is no reason not to find it."""
    setter = '[setter]\nlisten = ["127.0.0.1:1", "unix:s"]\n'
    (tmp_path / "config.toml").write_text(f"{setter}\n{fault}\n")
    assert await found(users, tmp_path / "s")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("", 'config.toml: [setter] has no "unix:" address to listen on'),
        (
            '[setter]\nlisten = ["127.0.0.1:1"]',
            'config.toml: [setter] has no "unix:" address to listen on',
        ),
        ("[setter]\nopen = 1", "config.toml:2: setter.open: expected true or false, got 1"),
        ("\n[setter\n", "config.toml:2: not TOML: "),
    ],
)
async def test_no_socket(config: str, reason: str, tmp_path: Path) -> None:
    """Where the configuration names no socket it says why, and what would help."""
    (tmp_path / "config.toml").write_text(config)
    result = await run("Here")
    assert (result.exit_code, result.stdout) == (1, "")
    first, *_, last = result.stderr.splitlines()
    assert first.startswith(reason)
    assert last == "name the control socket with --socket"


async def test_named_configuration_only(tmp_path: Path) -> None:
    """A configuration that was named must be there; no other takes its place."""
    (tmp_path / "config.toml").write_text("[setter]")
    result = await run("--config", "other.toml", "Here")
    assert result.stderr.startswith("other.toml: cannot be read: No such file or directory\n")
    assert result.exit_code == 1


@pytest.mark.skipif(ETC.exists(), reason="this machine has a configuration of its own")
async def test_no_configuration() -> None:
    """Without any configuration it says where it looked."""
    assert failed(
        await run("Here"),
        "no config.toml or /etc/trio-finger/config.toml; name a configuration file with --config",
    )


# All of it


async def command(folder: Path, *words: str, wrapper: tuple[str, ...] = ()) -> tuple[int, bytes]:
    """Run the command as a person does; return its exit code and all that it said."""
    done = await trio.run_process(
        [*wrapper, *TRIO_FINGER, "set", *words],
        cwd=folder,
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout


async def test_daemon(tmp_path: Path) -> None:
    """What a person says on the machine is what others are answered from then on."""
    listen = '[setter]\nlisten = ["127.0.0.1:0"'
    config = CONFIG.replace(listen, listen + ', "unix:run/setter.sock"')
    # The daemon is another user's where root tests, and root may set anybody's.
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await command(tmp_path, "--user", "moshez", "Out", "for", "tea") == (0, b"ok\n")
        assert await daemon.finger(b"moshez\r\n") == b"Out for tea\r\n"
        assert await command(tmp_path, "Here") == (0, b"ok\n")
        assert await daemon.finger(f"{OWN_NAME}\r\n".encode()) == b"Here\r\n"
        assert await command(tmp_path, "--user", "moshez", "--clear") == (0, b"ok\n")
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
    code, words = await command(tmp_path, "Here")
    assert code == 1
    assert words == b"run/setter.sock: nobody listens there; is the daemon running?\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
async def test_somebody_else_of_this_machine(tmp_path: Path) -> None:
    """An ordinary person of the machine may set their own, and nobody else's (T28)."""
    person = pwd.getpwnam("daemon")
    wrapper = (
        "setpriv",
        f"--reuid={person.pw_uid}",
        f"--regid={person.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_override",  # to enter the folder of this test
        "--ambient-caps=+dac_override",
    )
    config = CONFIG.replace("[setter]\n", '[setter]\nlisten = ["unix:s"]\n#')
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await command(tmp_path, "Here", wrapper=wrapper) == (0, b"ok\n")
        assert await daemon.finger(b"daemon\r\n") == b"Here\r\n"
        denied = b"error: you may not set the status of moshez\n"
        assert await command(tmp_path, "--user", "moshez", "x", wrapper=wrapper) == (1, denied)
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        record = await daemon.logged("denied")
        assert (record["level"], record["peer"]) == ("warning", f"unix:uid={person.pw_uid}")
