"""A daemon that root starts: it binds and opens what only root may, and is nobody from then on."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from xmlrpc.client import DateTime, Fault

import pytest
import trio

from tests.daemon.certificates import GOOD as CERTIFICATE
from tests.daemon.certificates import TLS, install_leaf
from tests.irc_lines import Lines
from tests.net.tls import connect_tls
from tests.peers import require_peer
from tests.running import CONFIG, PATIENCE, TRIO_FINGER, USERS, Running, run_daemon
from trio_finger.daemon import PrivilegeError, _privileges

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can start a daemon that has privileges to drop; CI does"
)

NOBODY = pwd.getpwnam("nobody")

# An address of this machine on which nobody else's test listens, and a port for root alone.
LOW = "127.0.0.79:79"

FILE = '[users]\nfile = "users"\n'

CONFIG_ROOT = (
    CONFIG.replace("[daemon]", '[daemon]\nuser = "nobody"')
    .replace('["127.0.0.1:0"]', f'["127.0.0.1:0", "{LOW}"]', 1)
    .replace(
        '[setter]\nlisten = ["127.0.0.1:0"',
        '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"',
    )
)

# The daemon, to which nothing can be imported any more once it is nobody's, as it is where
# Python is out of nobody's reach; and there is a user whom no door can look up.
WITHOUT_PYTHON = """
import os
import sys
from trio_finger.cli import main
from trio_finger.usermap import UserMap

def refuse(event, arguments):
    if event == "import" and os.geteuid():
        os.write(2, b'{"event": "imported late", "module": "%s"}\\n' % arguments[0].encode())
        raise ImportError(arguments[0])

def get(self, name, get=UserMap.get):
    if name == "boom":
        raise RuntimeError("boom")
    return get(self, name)

UserMap.get = get
sys.addaudithook(refuse)
main()
"""

run_as_root = partial(run_daemon, as_user=())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root's in which everybody may read, unlike in pytest's."""
    with TemporaryDirectory(prefix="trio-finger-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def statuses(daemon: Running) -> list[dict[str, list[str]]]:
    """Return what the kernel says of the process, and of each of its threads."""
    process = Path(f"/proc/{daemon.process.pid}")
    found = []
    for path in (process / "status", *process.glob("task/*/status")):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            lines = (line.partition(":") for line in path.read_text().splitlines())
            found.append({name: values.split() for name, _, values in lines})
    return found


def is_nobody(daemon: Running) -> None:
    """Check that nothing of root's is left to any thread."""
    found = statuses(daemon)
    assert len(found) > 2  # there are threads
    for status in found:
        assert status["Uid"] == [str(NOBODY.pw_uid)] * 4
        assert status["Gid"] == [str(NOBODY.pw_gid)] * 4
        groups = os.getgrouplist("nobody", NOBODY.pw_gid)
        assert sorted(status["Groups"]) == sorted(map(str, groups))
        for name in ("CapPrm", "CapEff", "CapAmb"):
            assert int(status[name][0], 16) == 0
        assert status["NoNewPrivs"] == ["1"]


async def hang_up(daemon: Running, config: str, event: str = "configuration read again") -> None:
    """Have the daemon read *config*, and wait until it has logged one more *event*."""
    (daemon.folder / "config.toml").write_text(config)
    count = sum(record["event"] == event for record in daemon.log)
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.logged(event, count + 1)


async def ask_low(query: bytes) -> bytes:
    """Ask the finger door on its low port."""
    host, _, port = LOW.partition(":")
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(query)
            return b"".join([chunk async for chunk in stream])


async def get(
    daemon: Running, path: str, *, method: str = "GET", head: str = "", body: str = ""
) -> bytes:
    """Return what the web door answers to a request."""
    head += f"Content-Length: {len(body)}\r\n"
    return await daemon.exchange("web", f"{method} {path} HTTP/1.0\r\n{head}\r\n{body}".encode())


async def make_token(folder: Path, name: str) -> str:
    """Have root, who administers the machine, make a token."""
    command = [*TRIO_FINGER, "token", "create", name]
    done = await trio.run_process(command, cwd=folder, capture_stdout=True)
    return done.stdout.decode().strip()


async def start_in_vain(
    folder: Path, config: str = CONFIG_ROOT, *, command: tuple[str, ...] = TRIO_FINGER
) -> str:
    """Run a daemon that refuses to serve: exit code 1, no client served; return the reason."""
    (folder / "config.toml").write_text(config)
    (folder / "users").write_text(USERS)
    over = trio.Event()

    async def knock() -> None:
        while not over.is_set():
            # What is bound queues clients; all that they get is the end.
            with suppress(OSError, trio.BrokenResourceError):
                assert await ask_low(b"moshez\r\n") == b""
            await trio.sleep(0.01)

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(knock)
            done = await trio.run_process(command, cwd=folder, capture_stderr=True, check=False)
            over.set()
    with pytest.raises(OSError, match="connect"):
        await ask_low(b"moshez\r\n")
    assert not (folder / "run/setter.sock").exists()
    assert done.returncode == 1
    assert b'"ready"' not in done.stderr
    return done.stderr.decode().splitlines()[-1]


# Dropping them


@as_root
async def test_nothing_is_left(folder: Path) -> None:
    """T32: once it is ready, and after whatever it did since, it is nobody, in every thread."""
    more_groups = ("setpriv", "--groups=0,1,2")
    async with run_daemon(folder, config=CONFIG_ROOT, as_user=more_groups) as daemon:
        is_nobody(daemon)
        await daemon.logged("privileges dropped")
        assert await ask_low(b"moshez\r\n") == b"Happy and well\r\n"
        assert await daemon.set_locally(b"moshez\nBusy\n") == b"ok\r\n"
        assert (await get(daemon, "/moshez")).startswith(b"HTTP/1.1 200")
        await hang_up(daemon, CONFIG_ROOT.replace("[finger]", "[finger]\nlist = false"))
        assert await ask_low(b"moshez\r\n") == b"Busy\r\n"
        is_nobody(daemon)
        assert await daemon.stop() == 0
    assert daemon.log[-1]["event"] == "stopped"


@as_root
async def test_every_door_without_python(folder: Path) -> None:
    """Whatever a door needs has been read before: it works where Python is root's alone."""
    install_leaf(folder, CERTIFICATE)
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    later = f'[irc]\nserver = "localhost:{listener.socket.getsockname()[1]}"\n' + FILE
    secret = f'listen = ["{LOW}"]\ntls_listen = ["127.0.0.1:0"]'
    config = CONFIG_ROOT.replace(f'listen = ["127.0.0.1:0", "{LOW}"]', secret) + TLS
    config = config.replace(FILE, "")
    program = (sys.executable, "-W", "error", "-c", WITHOUT_PYTHON)
    async with listener, run_as_root(folder, config=config, program=program) as daemon:
        await hang_up(daemon, config + later)
        await daemon.logged("users file read")
        with trio.fail_after(PATIENCE):
            async with await listener.accept() as stream:
                await is_on_irc(Lines(stream))
        # A name for which there is more to read before anybody is asked for its address.
        await hang_up(daemon, config + later.replace("localhost", "b\u00fccher.invalid"))
        await is_at_finger(daemon)
        await is_at_setter(daemon)
        await is_on_the_web(daemon)
        await is_at_xmlrpc(daemon)
        (folder / "users").write_text("moshez: Edited\nno colon\n")
        await daemon.logged("users file line skipped")
        await hang_up(daemon, "nonsense", "configuration not taken over")
    assert not [record for record in daemon.log if record["event"] in ("imported late", "stray")]
    faults = [record["door"] for record in daemon.log if record["level"] == "error"]
    assert {"finger", "xmlrpc"} < set(faults), faults  # what boom was for


async def is_on_irc(lines: Lines) -> None:
    await lines.hear_until("USER ")
    await lines.say(":irc.example 001 fingerbot :Hello", ":me!u@h PRIVMSG fingerbot :moshez")
    assert await lines.hear_until("PRIVMSG") == "PRIVMSG me :moshez: Happy and well"


async def is_at_finger(daemon: Running) -> None:
    assert await ask_low(b"moshez\r\n") == b"Happy and well\r\n"
    assert b"Login: moshez" in await ask_low(b"/W moshez\r\n")
    assert b"shawn" in await ask_low(b"\r\n")
    assert await ask_low(b"boom\r\n") == b"Internal error in server\r\n"
    async with await connect_tls(daemon.port("finger_tls")) as client:
        await client.send_all(b"moshez\r\n")
        assert await client.receive_some() == b"Happy and well\r\n"


async def is_at_setter(daemon: Running) -> None:
    request = b'{"name": "moshez", "status": "Busy", "until": "23:59"}\n'
    assert (await daemon.exchange("setter", request)).startswith(b"ok")
    assert (await daemon.set_locally(b"\xff\n")).startswith(b"error: ")
    # Somebody else than root or the daemon: the kernel says who, and others what they are called.
    nc, name = require_peer("nc"), pwd.getpwuid(1).pw_name
    done = await trio.run_process(
        ["setpriv", "--reuid=1", "--clear-groups", nc, "-NU", str(daemon.control)],
        stdin=f"{name}\nHere\n".encode(),
        capture_stdout=True,
    )
    assert done.stdout == b"ok\r\n"


async def is_on_the_web(daemon: Running) -> None:
    token = await make_token(daemon.folder, "moshez")
    bearer = f"Authorization: Bearer {token}\r\n"
    json = f"{bearer}Content-Type: application/json\r\n"
    for code, method, path, head, body in (
        (200, "GET", "/", "", ""),
        (200, "GET", "/moshez", "", ""),
        (404, "GET", "/nobody", "", ""),
        (200, "GET", "/~moshez/online", "", ""),
        (200, "GET", "/static/style.css", "", ""),
        (404, "GET", "/static/nothing", "", ""),
        (404, "GET", "/a/b/c", "", ""),
        (405, "DELETE", "/moshez", "", ""),
        (405, "GET", "/RPC2", "", ""),
        (413, "POST", "/RPC2", "", "x" * 200_000),
        (500, "GET", "/boom", "", ""),
        (401, "PUT", "/~moshez/status", "", "There"),
        (401, "PUT", "/~moshez/status", "Authorization: Basic bm86bm8=\r\n", "There"),
        (200, "PUT", "/~moshez/status", bearer, "There"),
        (400, "PUT", "/~moshez/status", json, "{"),
        (200, "PUT", "/~moshez/status", json, '{"status": "There", "for": "1h"}'),
        (200, "DELETE", "/~moshez/status", bearer, ""),
    ):
        answer = await get(daemon, path, method=method, head=head, body=body)
        assert answer.startswith(b"HTTP/1.1 %d " % code), (path, method, answer)
        if path in ("/a/b/c", "/boom"):
            assert b"<title>" in answer, answer


async def is_at_xmlrpc(daemon: Running) -> None:
    assert await daemon.call("getUser", "moshez") == "Happy and well"
    assert "getUser" in await daemon.call("system.listMethods")
    assert await daemon.call("system.methodHelp", "getUser")
    for method, argument in (
        ("getStatus", "nobody"),
        ("getUser", DateTime("20261121T12:00:00")),
        ("getUser", b"moshez"),
        ("getUser", "boom"),
        ("setUser", "moshez"),
        ("nothing", 1.5),
    ):
        with pytest.raises(Fault):
            await daemon.call(method, argument)
    broken = await get(daemon, "/RPC2", method="POST", body="<nope")
    assert b"<fault>" in broken


def owners(folder: Path) -> set[tuple[int, int]]:
    """Return whose the files of the store are."""
    files = [file.stat() for file in folder.glob("trio-finger.db*")]
    assert len(files) == 4
    return {(file.st_uid, file.st_gid) for file in files}


@as_root
async def test_what_was_set_is_kept(folder: Path) -> None:
    """The store is nobody's when root's privileges are gone; a restart as root finds all of it."""
    config = CONFIG_ROOT
    for number in range(3):
        async with run_as_root(folder, config=config) as daemon:
            if number:
                assert await ask_low(b"moshez\r\n") == b"Set %d, late\r\n" % (number - 1)
            assert await daemon.set_locally(b"moshez\nSet %d\n" % number) == b"ok\r\n"
            assert await ask_low(b"moshez\r\n") == b"Set %d\r\n" % number
            config = config.replace(
                "[finger]", "[finger]\n" if number else "[finger]\nlist = false"
            )
            await hang_up(daemon, config)
            assert await daemon.set_locally(b"moshez\nSet %d, late\n" % number) == b"ok\r\n"
            assert owners(folder) == {(NOBODY.pw_uid, NOBODY.pw_gid)}
            assert await daemon.stop() == 0


@as_root
async def test_control_socket_of_before(folder: Path) -> None:
    """In a folder of root's the socket outlives the daemon; the next one puts its own there."""
    (folder / "run").mkdir(mode=0o755)
    identities = set()
    for _ in range(2):
        async with run_as_root(folder, config=CONFIG_ROOT) as daemon:
            assert await daemon.set_locally(b"moshez\nBusy\n") == b"ok\r\n"
            identities.add(daemon.control.stat().st_ino)
            # Another socket meanwhile, so that the kernel cannot use that number again.
            (folder / f"link{len(identities)}").hardlink_to(daemon.control)
            assert await daemon.stop() == 0
        assert daemon.control.is_socket()
    assert len(identities) == 2


@as_root
async def test_low_port_that_comes_later(folder: Path) -> None:
    """It is too late for that: the old configuration stays, and the log says what is missing."""
    async with run_as_root(folder, config=CONFIG_ROOT) as daemon:
        config = CONFIG_ROOT.replace(LOW, "127.0.0.79:81").replace(
            "[finger]", "[finger]\nlist=false"
        )
        await hang_up(daemon, config, "configuration not taken over")
        record = await daemon.logged("configuration not taken over")
        assert (
            "cannot listen on 127.0.0.79:81: ports below 1024 need privileges" in record["reason"]
        )
        assert (await ask_low(b"\r\n")).startswith(b"Login")
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.79", 81)
        # And one that it has goes on through other changes.
        await hang_up(daemon, CONFIG_ROOT.replace("[finger]", "[finger]\nlist=false"))
        with trio.fail_after(PATIENCE):
            # The server of before may still take the connection that comes first.
            while await ask_low(b"\r\n") != b"Finger online user list denied\r\n":
                pass


@pytest.mark.parametrize("user", ["root", "no-such-user"])
async def test_ordinary_user(tmp_path: Path, user: str) -> None:
    """Who is not root is who they are, whatever ``daemon.user`` says."""
    config = CONFIG.replace("[daemon]", f'[daemon]\nuser = "{user}"')
    async with run_daemon(tmp_path, config=config) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        for status in statuses(daemon):
            assert status["Uid"] == [str(os.getuid() or NOBODY.pw_uid)] * 4
    assert "privileges dropped" not in [record["event"] for record in daemon.log]


# Refusing to serve with them

# Another name for root, as some systems have.
TOOR = """
import pwd
from trio_finger.cli import main
real = pwd.getpwnam
pwd.getpwnam = lambda name: real("root" if name == "toor" else name)
main()
"""


@as_root
@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("root", "daemon.user: 'root' is root, who does not serve; name another"),
        ("toor", "daemon.user: 'toor' is root, who does not serve; name another"),
        ("no-such-user", "daemon.user: there is no user 'no-such-user' on this machine"),
    ],
)
async def test_user_who_may_not_serve(folder: Path, user: str, words: str) -> None:
    """T32: root does not serve, under no name, nor when nobody is there to serve instead."""
    config = CONFIG_ROOT.replace('"nobody"', f'"{user}"')
    command = (sys.executable, "-W", "error", "-c", TOOR)
    assert (await start_in_vain(folder, config, command=command)).startswith(words)


@as_root
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--bounding-set=-setuid", "cannot become nobody: Operation not permitted"),
        ("--bounding-set=-setgid", "cannot become nobody: Operation not permitted"),
        ("--bounding-set=-chown", "cannot become nobody: Operation not permitted"),
        ("--securebits=+no_setuid_fixup", "some of root's privileges are left"),
    ],
)
async def test_privileges_that_cannot_be_dropped(folder: Path, option: str, words: str) -> None:
    """T32: where the kernel does not let it become nobody, or not wholly, it does not serve."""
    reason = await start_in_vain(folder, command=("setpriv", option, *TRIO_FINGER))
    assert words in reason


def refuse(_: int) -> None:
    raise PermissionError


ALL_WELL: Mapping[str, Callable[..., object]] = {
    "getresuid": lambda: (7, 7, 7),
    "getresgid": lambda: (8, 8, 8),
    "getgroups": lambda: [9, 8],
    "setuid": refuse,
}


@pytest.mark.parametrize(
    ("what", "function"),
    [
        ("getresuid", lambda: (7, 7, 0)),
        ("getresuid", lambda: (7, 0, 7)),
        ("getresuid", lambda: (0, 7, 7)),
        ("getresgid", lambda: (8, 8, 0)),
        ("getgroups", lambda: [8, 9, 0]),
        ("getgroups", lambda: [8]),
        ("setuid", lambda _: None),
    ],
)
def test_what_is_made_sure_of(
    monkeypatch: pytest.MonkeyPatch, what: str, function: Callable[..., object]
) -> None:
    """Whatever was to be given up and is still there, or can be had back, is found."""
    for name, fake in ALL_WELL.items():
        monkeypatch.setattr(os, name, fake)
    monkeypatch.setattr(_privileges, "_capabilities", lambda: [0, 0, 0])
    _privileges._make_sure("somebody", 7, 8, [8, 9])
    monkeypatch.setattr(os, what, function)
    with pytest.raises(PrivilegeError, match="cannot become somebody: "):
        _privileges._make_sure("somebody", 7, 8, [8, 9])


# Takes the capabilities of one thread away, while there is another.
TWO_THREADS = """
import ctypes, threading
from trio_finger.daemon._privileges import _capabilities
threading.Thread(target=threading.Event().wait, daemon=True).start()
head, none = (ctypes.c_uint32 * 2)(0x20080522), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(head, none) == 0
assert "CapPrm:\\t0000000000000000" in open("/proc/thread-self/status").read()
print(any(_capabilities()))
"""


@as_root
def test_capabilities_of_another_thread() -> None:
    """A capability is found whichever thread has it: each has its own."""
    command = [sys.executable, "-c", TWO_THREADS]
    done = subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
    assert done.stdout == b"True\n"
