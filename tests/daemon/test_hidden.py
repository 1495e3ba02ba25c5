"""A hidden user and one who does not exist are the same bytes at every door (T8)."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from xmlrpc.client import dumps

import pytest
import trio

from tests.ngircd import Ngircd, ask
from tests.peers import require_peer
from tests.running import CONFIG, PATIENCE, TRIO_FINGER, Running, run_daemon

# Two names that are nowhere but where these tests put them: one hidden, one unknown.
HIDDEN, UNKNOWN = "ghost", "absnt"

USERS = """
[moshez]
status = "Happy and well"

[ghost]
full_name = "G. Host"
status = "Haunting"
plan = "Walk through walls."
project = "The attic"
links = ["https://example.org/attic"]
hidden = true
"""
# What nobody may see of it, nor what is set for them below.
TRACES = (b"ghost", b"G. Host", b"Haunting", b"Walk", b"attic", b"Away", b"Rattle")

WITH_TOML = CONFIG.replace('file = "users"', 'file = "users.toml"').replace(
    '[setter]\nlisten = ["127.0.0.1:0"', '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"'
)


async def create_token(folder: Path, name: str) -> str:
    """Have the operator create a token."""
    command = [*TRIO_FINGER, "token", "create", name]
    done = await trio.run_process(command, cwd=folder, capture_stdout=True)
    return done.stdout.decode().strip()


async def http(daemon: Running, method: str, path: str, body: str = "", token: str = "") -> bytes:
    """Return the whole answer to a request, but for when it was given."""
    head = f"{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    answer = await daemon.exchange("web", f"{head}\r\n{body}".encode())
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", answer)


async def about(daemon: Running, name: str) -> dict[str, bytes]:
    """Return what is answered to everything that can be asked about *name*."""
    answers = {
        "finger": await daemon.finger(f"{name}\r\n".encode()),
        "finger, long": await daemon.finger(f"/W {name}\r\n".encode()),
        "finger, among others": await daemon.finger(f"/W moshez {name} nobody\r\n".encode()),
        "finger, another spelling": await daemon.finger(f"{name.title()}\r\n".encode()),
        "page": await http(daemon, "GET", f"/{name}"),
        "page, tilde": await http(daemon, "GET", f"/~{name}"),
        "page, another spelling": await http(daemon, "GET", f"/~%{ord(name[0]):X}{name[1:]}"),
        "page, head": await http(daemon, "HEAD", f"/{name}"),
        "online": await http(daemon, "GET", f"/~{name}/online"),
        "online, head": await http(daemon, "HEAD", f"/~{name}/online"),
        "status, options": await http(daemon, "OPTIONS", f"/~{name}/status"),
        "status, get": await http(daemon, "GET", f"/~{name}/status"),
    }
    for method in ("getUser", "getStatus", "getHistory"):
        answers[method] = await http(daemon, "POST", "/RPC2", dumps((name,), method))
    calls = [{"methodName": method, "params": [name]} for method in ("getUser", "getStatus")]
    answers["multicall"] = await http(daemon, "POST", "/RPC2", dumps((calls,), "system.multicall"))
    return answers


async def about_everybody(daemon: Running) -> dict[str, bytes]:
    """Return what is answered to everything that can be asked about all users."""
    return {
        "list": await daemon.finger(b"\r\n"),
        "list, long": await daemon.finger(b"/W\r\n"),
        "index": await http(daemon, "GET", "/"),
        "getUsers": await http(daemon, "POST", "/RPC2", dumps((), "getUsers")),
    }


async def trespass(daemon: Running, name: str, token: str) -> dict[str, bytes]:
    """Try to set *name* as somebody who may set moshez alone, and return the answers."""
    tries = {
        "put": ("PUT", f"/~{name}/status", "Not theirs", token),
        "put, without a token": ("PUT", f"/~{name}/status", "Not theirs"),
        "put, nonsense": ("PUT", f"/~{name}/status", "x" * 2000, token),
        "delete": ("DELETE", f"/~{name}/status", "", token),
        "setUser": ("POST", "/RPC2", dumps((name, "Not theirs"), "setUser"), token),
    }
    answers = {}
    for what, request in tries.items():
        answers[what] = await http(daemon, *request)
        # Whoever fails again and again waits longer and longer; whoever succeeds does not.
        assert b"\r\n\r\nok" in await http(daemon, "PUT", "/~moshez/status", "Theirs", token)
    return answers


def same(hidden: dict[str, bytes], unknown: dict[str, bytes]) -> None:
    """Check that two answers to each question differ by the name in the question alone."""
    assert hidden.keys() == unknown.keys()
    for what, answer in hidden.items():
        for spell in (str.lower, str.title):
            answer = answer.replace(spell(HIDDEN).encode(), spell(UNKNOWN).encode())
        assert answer == unknown[what], what
        assert not any(trace in answer for trace in TRACES), what


def show_nothing(answers: dict[str, bytes]) -> None:
    """Check that *answers* hold no trace of the hidden user."""
    for what, answer in answers.items():
        assert not any(trace in answer for trace in TRACES), what
        assert b"moshez" in answer, what


async def set_as_operator(daemon: Running, *lines: str) -> None:
    assert (await daemon.set_locally("\n".join([HIDDEN, *lines, ""]).encode())) == b"ok\r\n"


async def test_hidden_is_unknown_at_every_door(tmp_path: Path) -> None:
    """Asked about, set by others, in every list: hidden is unknown, also with a status set."""
    (tmp_path / "users.toml").write_text(USERS)
    async with run_daemon(tmp_path, config=WITH_TOML, users=None) as daemon:
        token = await create_token(tmp_path, "moshez")
        same(await about(daemon, HIDDEN), await about(daemon, UNKNOWN))
        show_nothing(await about_everybody(daemon))

        await set_as_operator(daemon, "Away", "Rattle the chains.")
        same(await about(daemon, HIDDEN), await about(daemon, UNKNOWN))
        show_nothing(await about_everybody(daemon))
        same(await trespass(daemon, HIDDEN, token), await trespass(daemon, UNKNOWN, token))

        # What the operator set is there all the same, as will show when it may be seen.
        (tmp_path / "users.toml").write_text(USERS.replace("true", "false"))
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"ghost\r\n") == b"Away\r\n"


async def test_alone_and_hidden(tmp_path: Path) -> None:
    """With no other user there is nobody at all."""
    (tmp_path / "users.toml").write_text(USERS.replace("[moshez]", "[ghost2]\nhidden = true"))
    async with run_daemon(tmp_path, config=WITH_TOML, users=None) as daemon:
        await set_as_operator(daemon, "Away")
        answers = await about_everybody(daemon)
        assert answers["list"] == answers["list, long"] == b"No users\r\n"
        assert b"Nobody is listed yet." in answers["index"]
        assert await daemon.call("getUsers") == []


async def test_setter_without_names(tmp_path: Path) -> None:
    """Where nobody new may be set, those who are nobody to the TCP setter are the same to it."""
    (tmp_path / "users.toml").write_text(USERS)
    config = WITH_TOML.replace("[users]", "[users]\ncreate = false")
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        for told in (False, True):
            if told:
                await set_as_operator(daemon, "Away", "Rattle the chains.")
            for request in ("Not theirs", "", "Not theirs\nPlan", "\nPlan"):
                answers = [
                    await daemon.exchange("setter", f"{name}\n{request}\n".encode())
                    for name in (HIDDEN, UNKNOWN)
                ]
                assert answers[0].startswith(b"error: ")
                assert answers[0].replace(HIDDEN.encode(), UNKNOWN.encode()) == answers[1]
        (tmp_path / "users.toml").write_text(USERS.replace("true", "false"))
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"ghost\r\n") == b"Away\r\n"


@pytest.fixture
def ngircd() -> Iterator[Ngircd]:
    program = require_peer("ngircd")
    with TemporaryDirectory(prefix="ngircd-") as folder:
        server = Ngircd(program, Path(folder))
        with server.running():
            yield server


async def test_hidden_on_irc(tmp_path: Path, ngircd: Ngircd) -> None:
    """The bot knows no hidden user, until they are one no more."""
    (tmp_path / "users.toml").write_text(USERS)
    config = f'{WITH_TOML}\n[irc]\nserver = "{ngircd.address}"\n'
    async with (
        ngircd.person("asker") as person,
        run_daemon(tmp_path, config=config, users=None) as daemon,
    ):
        await daemon.logged("connected")
        await set_as_operator(daemon, "Away")
        for name in (HIDDEN, HIDDEN.upper(), UNKNOWN):
            assert await ask(person, name) == f"asker :{name}: No such user"
        (tmp_path / "users.toml").write_text(USERS.replace("true", "false"))
        await daemon.logged("users file read", 2)
        assert await ask(person, HIDDEN) == "asker :ghost: Away"


async def test_hidden_in_the_log(tmp_path: Path) -> None:
    """From info upwards no record names them, whoever sets, asks and edits what, and where."""
    (tmp_path / "users.toml").write_text(USERS)
    config = WITH_TOML.replace('level = "debug"', 'level = "info"')
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        token = await create_token(tmp_path, HIDDEN)
        end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        brief = f'{{"name": "ghost", "status": "Away", "plan": "Rattle", "until": "{end}"}}\n'
        assert (await daemon.set_locally(brief.encode())).startswith(b"ok, until ")
        await set_as_operator(daemon, "")
        assert b"\r\n\r\nok" in await http(daemon, "PUT", "/~ghost/status", "Away", token)
        assert b"\r\n\r\nok" in await http(daemon, "DELETE", "/~ghost/status", "", token)
        assert await daemon.call("setUser", HIDDEN, "Away", user=f"{HIDDEN}:{token}") == "ok"
        assert await daemon.set(HIDDEN, "Away") == b"ok\r\n"
        await about(daemon, HIDDEN)

        (tmp_path / "users.toml").write_text(USERS.replace("Haunting", "Haunting elsewhere"))
        await daemon.logged("users file read", 2)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("users file read", 3)
        # That others are named shows that there was something to be seen.
        assert await daemon.set("moshez", "Theirs") == b"ok\r\n"
        assert (await daemon.logged("set"))["user"] == "moshez"
    text = str(daemon.log).encode()
    assert not any(trace in text for trace in TRACES)


async def test_hiding_takes_effect_without_a_restart(tmp_path: Path) -> None:
    """Editing ``hidden`` shows and hides a user at every door, as often as one likes."""
    file = tmp_path / "users.toml"
    file.write_text(USERS)

    async def edit(change: Callable[[str], str], count: int) -> None:
        new = tmp_path / "new"
        new.write_text(change(USERS))
        new.rename(file)
        with trio.fail_after(PATIENCE):
            await daemon.logged("users file read", count)

    async with run_daemon(tmp_path, config=WITH_TOML, users=None) as daemon:
        for count in (2, 4):
            await edit(lambda users: users.replace("hidden = true", "hidden = false"), count)
            for what, answer in (await about(daemon, HIDDEN)).items():
                if "status," not in what and "head" not in what and what != "getHistory":
                    assert b"Haunting" in answer, what
            assert (await http(daemon, "HEAD", "/ghost")).startswith(b"HTTP/1.1 200 ")
            assert await daemon.call("getHistory", HIDDEN) == []
            for what, answer in (await about_everybody(daemon)).items():
                assert b"ghost" in answer, what
            long = await daemon.finger(b"/W ghost\r\n")
            assert b"Name: G. Host\r\n" in long
            assert b"Walk through walls." in long
            page = await http(daemon, "GET", "/ghost")
            assert b"https://example.org/attic" in page

            await edit(str, count + 1)
            same(await about(daemon, HIDDEN), await about(daemon, UNKNOWN))
            show_nothing(await about_everybody(daemon))
