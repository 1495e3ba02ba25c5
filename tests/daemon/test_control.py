"""The control socket and the operator's tokens: who may set what, and where the socket goes."""

import os
import pwd
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from tests.peers import require_peer
from tests.running import (
    AS_USER,
    CONFIG,
    PATIENCE,
    TRIO_FINGER,
    Running,
    run_daemon,
    run_in_vain,
)

WITH_CONTROL = CONFIG.replace(
    '[setter]\nlisten = ["127.0.0.1:0"', '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"'
)

# Two who are on every machine, and are neither root nor the daemon's own user.
ONE, OTHER = "bin", "mail"
NO_NAME = 64_123  # a number that is no user's

OK = (0, "ok\n", "")

as_others = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become other users")


def become(user: str | int) -> list[str]:
    """Return a command that runs another as *user*, who may reach our files as the daemon may."""
    uid = user if isinstance(user, int) else pwd.getpwnam(user).pw_uid
    own = f"--reuid={pwd.getpwnam('nobody').pw_uid}"
    return [f"--reuid={uid}" if word == own else word for word in AS_USER]


async def run(*command: str, folder: Path, typed: str = "") -> tuple[int, str, str]:
    """Run a command in *folder*; return its exit code, what it prints, and its complaints."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [*command],
            cwd=folder,
            stdin=typed.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def set_as(
    daemon: Running, user: str | int, *arguments: str, typed: str = ""
) -> tuple[int, str, str]:
    """Run ``trio-finger set`` as *user*, or as whoever tests (``""``), where the daemon runs."""
    who = become(user) if user else []
    return await run(*who, *TRIO_FINGER, "set", *arguments, folder=daemon.folder, typed=typed)


async def long_answer(daemon: Running, name: str) -> str:
    return (await daemon.finger(f"/W {name}\r\n".encode())).decode()


@as_others
async def test_one_sets_ones_own_status(tmp_path: Path) -> None:
    """The kernel says who one is, so one's name need not be said, and may be."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert await set_as(daemon, ONE, "Giving", "a tutorial") == OK
        assert await daemon.finger(b"bin\r\n") == b"Giving a tutorial\r\n"
        assert await set_as(daemon, OTHER, "--user", OTHER.upper(), "Delivering") == OK
        assert await daemon.finger(b"mail\r\n") == b"Delivering\r\n"
        record = await daemon.logged("set", 2)
        assert record["peer"] == f"unix:uid={pwd.getpwnam(OTHER).pw_uid}"


@as_others
async def test_anothers_status_is_refused(tmp_path: Path) -> None:
    """It is refused in words, logged with who it was, and nothing has changed (T28)."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert await set_as(daemon, OTHER, "My own") == OK
        refused = (1, "", f"error: you may not set the status of {OTHER}\n")
        assert await set_as(daemon, ONE, "--user", OTHER, "Not mine") == refused
        assert await set_as(daemon, ONE, "--user", OTHER, "--clear") == refused
        assert await set_as(daemon, ONE, "--user", OTHER, "--plan", "-", typed="Mine") == refused
        for count in (1, 2, 3):
            record = await daemon.logged("denied", count)
            assert record["level"] == "warning"
            assert record["peer"] == f"unix:uid={pwd.getpwnam(ONE).pw_uid}"
            assert record["reason"] == f"you may not set the status of {OTHER}"
        assert "Status: My own\r\n" in await long_answer(daemon, OTHER)
        assert "No Plan." in await long_answer(daemon, OTHER)
        code, _, words = await set_as(daemon, ONE, "--user", "moshez", "Not mine")
        assert (code, words) == (1, "error: you may not set the status of moshez\n")
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"


@as_others
async def test_who_has_no_name_here(tmp_path: Path) -> None:
    """A number without a name may set nobody's status, whatever name it gives."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        code, _, words = await set_as(daemon, NO_NAME, "Anonymous")
        assert code == 1
        assert "you have no name on this machine; say whose status it is with --user" in words
        refused = (1, "", "error: you have no name on this machine\n")
        assert await set_as(daemon, NO_NAME, "--user", "moshez", "Anonymous") == refused
        await daemon.logged("denied")
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"


@as_others
@pytest.mark.parametrize("user", ["", "nobody"], ids=["root", "the daemon's own"])
async def test_operators_set_anybodys_status(tmp_path: Path, user: str) -> None:
    """Root and the daemon's own user may set everybody, known or not."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        for name in ("moshez", OTHER, "itamar"):
            assert await set_as(daemon, user, "--user", name, "By the operator") == OK
            assert await daemon.finger(f"{name}\r\n".encode()) == b"By the operator\r\n"
        own = user or "root"
        assert await set_as(daemon, user, "My own") == OK
        assert await daemon.finger(f"{own}\r\n".encode()) == b"My own\r\n"


@pytest.fixture
def nc() -> str:
    return require_peer("nc")


@as_others
async def test_needs_no_privileges(nc: str) -> None:
    """Whoever may enter the folder may connect, without capabilities or a group."""
    with folder_for_all() as folder:
        async with run_daemon(folder, config=WITH_CONTROL) as daemon:
            number = str(pwd.getpwnam(ONE).pw_uid)
            command = ("setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", nc)
            done = await run(
                *command, "-N", "-U", str(daemon.control), folder=folder, typed="bin\nHere\n"
            )
            assert done == (0, "ok\r\n", "")
            assert await daemon.finger(b"bin\r\n") == b"Here\r\n"


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """Have a folder that everybody may enter; those of pytest are for its user alone."""
    with TemporaryDirectory(prefix="control-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


async def test_an_end(tmp_path: Path) -> None:
    """``--for`` and ``--until`` are answered with the end, and every reader is told of it."""
    end = datetime.now(UTC) + timedelta(hours=3)
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        code, words, _ = await set_as(daemon, "", "--user", "moshez", "--for", "30m", "Brief")
        assert code == 0
        assert re.fullmatch(r"ok, until \d{4}-\d\d-\d\d \d\d:\d\d \S+\n", words)
        status = await daemon.call("getStatus", "moshez")
        assert status["until"] - status["since"] == timedelta(minutes=30)

        until = ("--until", end.isoformat(timespec="minutes"))
        code, words, _ = await set_as(daemon, "", "--user", "shawn", *until, "Away")
        assert (code, words[:10]) == (0, "ok, until ")
        assert f"Until: {end:%Y-%m-%d %H:%M} UTC\r\n" in await long_answer(daemon, "shawn")

        for wrong in (("--for", "a while"), ("--until", "2001-01-01 00:00")):
            code, _, words = await set_as(daemon, "", "--user", "shawn", *wrong, "Wrong")
            assert code == 1
            assert words.startswith("error: ")
        assert await daemon.finger(b"shawn\r\n") == b"Away\r\n"


async def test_clearing(tmp_path: Path) -> None:
    """``--clear`` goes back to what the users file says."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        await set_as(daemon, "", "--user", "moshez", "Busy")
        assert await daemon.finger(b"moshez\r\n") == b"Busy\r\n"
        assert await set_as(daemon, "", "--user", "moshez", "--clear") == OK
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        code, _, words = await set_as(daemon, "", "--user", "itamar", "--clear")
        assert (code, words) == (1, "error: no such user\n")


async def test_a_plan_from_a_file(tmp_path: Path) -> None:
    """``--plan`` takes a file or standard input, beside a status or alone; empty clears it."""
    plan = tmp_path / "plan"
    plan.write_text("Finish the tutorial.\n\nThen rest. \N{BEAMED EIGHTH NOTES}\n")
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        whose = ("--user", "moshez")
        assert await set_as(daemon, "", *whose, "--plan", str(plan)) == OK
        answer = await long_answer(daemon, "moshez")
        assert "Status: Happy and well\r\n" in answer
        assert answer.endswith(
            "Plan:\r\nFinish the tutorial.\r\n\r\nThen rest. \N{BEAMED EIGHTH NOTES}\r\n"
        )
        assert await set_as(daemon, "", *whose, "--plan", "-", "Busy", typed="Another") == OK
        answer = await long_answer(daemon, "moshez")
        assert "Status: Busy\r\n" in answer
        assert answer.endswith("Plan:\r\nAnother\r\n")
        assert await set_as(daemon, "", *whose, "--plan", os.devnull) == OK
        assert (await long_answer(daemon, "moshez")).endswith("No Plan.\r\n")
        assert await daemon.finger(b"moshez\r\n") == b"Busy\r\n"

        plan.write_text("x" * 20_000)
        code, _, words = await set_as(daemon, "", *whose, "--plan", str(plan))
        assert code == 1
        assert words.startswith("error: ")
        assert (await long_answer(daemon, "moshez")).endswith("No Plan.\r\n")


async def test_the_socket_comes_and_goes(tmp_path: Path) -> None:
    """Everybody may write to it; it is gone when the daemon is, and ``set`` says so."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert daemon.control.is_socket()
        assert daemon.control.stat().st_mode & 0o777 == 0o666
        assert daemon.control.parent.stat().st_mode & 0o777 == 0o755
        ready = await daemon.logged("ready")
        assert ready["setter"][1] == f"unix:{daemon.control.relative_to(tmp_path)}"
        assert await daemon.stop() == 0
        assert not daemon.control.exists()
        code, _, words = await set_as(daemon, "", "--user", "moshez", "Anybody?")
        assert code == 1
        assert "nobody listens there; is the daemon running?" in words


async def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    """What a kill has left there is no obstacle to the next start."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        await daemon.kill()
        assert daemon.control.is_socket()
        code, _, words = await set_as(daemon, "", "--user", "moshez", "Anybody?")
        assert code == 1
        assert "nobody listens there; is the daemon running?" in words
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert await set_as(daemon, "", "--user", "moshez", "Here again") == OK
    assert not daemon.control.exists()


async def test_living_daemons_socket_is_not_stolen(tmp_path: Path) -> None:
    """A second daemon that wants the same socket does not start, and leaves it as it is."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        second = tmp_path / "second"
        second.mkdir()
        config = WITH_CONTROL.replace("unix:run/", f"unix:{tmp_path}/run/")
        (second / "config.toml").write_text(config)
        (second / "users").write_text("moshez: Elsewhere\n")
        before = daemon.control.stat()
        reason = await run_in_vain(second)
        assert f"another program listens on unix:{daemon.control}; stop it, or choose" in reason
        assert daemon.control.stat().st_ino == before.st_ino
        assert await set_as(daemon, "", "--user", "moshez", "Still here") == OK
        assert await daemon.finger(b"moshez\r\n") == b"Still here\r\n"


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """A file that somebody keeps at that path is named, and kept."""
    (tmp_path / "config.toml").write_text(WITH_CONTROL)
    (tmp_path / "users").write_text("moshez: Here\n")
    file = tmp_path / "run/setter.sock"
    file.parent.mkdir()
    file.write_text("precious")
    reason = await run_in_vain(tmp_path)
    assert "setter.sock: there is something else than a socket; remove it" in reason
    assert file.read_text() == "precious"


async def test_hup_keeps_the_socket(tmp_path: Path) -> None:
    """It is the same one after SIGHUP, goes with its line in the configuration, and comes back."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        before = daemon.control.stat()
        changes = [
            WITH_CONTROL,
            WITH_CONTROL.replace("[finger]", "[finger]\nlist = false"),
            # The setter itself is another one after this.
            WITH_CONTROL.replace("[setter]", '[setter]\nallow = ["127.0.0.1"]'),
        ]
        for count, config in enumerate(changes, 1):
            await reload(daemon, config, count)
            assert await set_as(daemon, "", "--user", "moshez", f"After {count}") == OK
            assert await daemon.finger(b"moshez\r\n") == f"After {count}\r\n".encode()
            assert daemon.control.stat().st_ino == before.st_ino

        await reload(daemon, CONFIG, 4)
        assert not daemon.control.exists()
        await reload(daemon, WITH_CONTROL, 5)
        assert await set_as(daemon, "", "--user", "moshez", "Back") == OK
        assert await daemon.finger(b"moshez\r\n") == b"Back\r\n"


async def reload(daemon: Running, config: str, count: int) -> None:
    """Have the daemon take *config* over, the *count*-th time."""
    (daemon.folder / "config.toml").write_text(config)
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.logged("configuration read again", count)


@pytest.fixture
def curl() -> str:
    return require_peer("curl")


class Curl:
    """Sets a status over HTTP with the client that everybody has."""

    def __init__(self, program: str, daemon: Running) -> None:
        self._program = program
        self._daemon = daemon

    async def put(self, name: str, token: str, status: str) -> tuple[str, str]:
        """Return the HTTP status and the body of the answer to a PUT."""
        return await self._run(name, token, "-X", "PUT", "--data-binary", status)

    async def delete(self, name: str, token: str) -> tuple[str, str]:
        """Return the same for a DELETE."""
        return await self._run(name, token, "-X", "DELETE")

    async def _run(self, name: str, token: str, *options: str) -> tuple[str, str]:
        code, printed, _ = await run(
            self._program,
            "-s",
            *("-w", "%{http_code}"),
            *("-H", f"Authorization: Bearer {token}"),
            *("-H", "Content-Type: text/plain"),
            *options,
            f"{self._daemon.url}/~{name}/status",
            folder=self._daemon.folder,
        )
        assert code == 0
        return printed[-3:], printed[:-3]


async def tokens(daemon: Running, *arguments: str) -> str:
    """Run ``trio-finger token`` beside *daemon*, and return what it prints."""
    code, printed, words = await run(*TRIO_FINGER, "token", *arguments, folder=daemon.folder)
    assert (code, words) == (0, "")
    return printed


def everything_in(folder: Path) -> bytes:
    """Return what is in all files of *folder*."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


INVALID = ("401", "error: this token is not, or no longer, valid\r\n")


async def test_tokens_beside_a_running_daemon(tmp_path: Path, curl: str) -> None:
    """A token works as soon as it is there, for its user alone, and no longer than it is there."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        web = Curl(curl, daemon)
        assert (await tokens(daemon, "list")).split() == ["ID", "USER", "CREATED", "EXPIRES"]
        assert await web.put("moshez", "0123456789ab.guessed", "Guessed") == INVALID

        token = (await tokens(daemon, "create", "Moshez")).strip()
        assert await web.put("moshez", token, "By curl") == ("200", "ok\r\n")
        assert await daemon.finger(b"moshez\r\n") == b"By curl\r\n"
        assert await web.delete("MOSHEZ", token) == ("200", "ok\r\n")
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        refused = ("403", "error: you may not set the status of shawn\r\n")
        assert await web.put("shawn", token, "Not mine") == refused
        assert await web.delete("shawn", token) == refused
        assert (await daemon.logged("denied", 3))["level"] == "warning"
        assert await daemon.finger(b"shawn\r\n") == b"Alive\r\n"

        brief = (await tokens(daemon, "create", "--expires", "90d", "shawn")).strip()
        assert await web.put("shawn", brief, "By curl, too") == ("200", "ok\r\n")
        listed = await tokens(daemon, "list")
        [_, *rows] = listed.splitlines()
        assert [row.split()[:2] for row in rows] == [
            [token.partition(".")[0], "Moshez"],
            [brief.partition(".")[0], "shawn"],
        ]
        assert rows[0].endswith("never")
        for secret in (token.partition(".")[2], brief.partition(".")[2]):
            assert secret not in listed
            assert not any(secret in str(record) for record in daemon.log)
            assert secret.encode() not in everything_in(tmp_path)

        assert await tokens(daemon, "revoke", token.partition(".")[0]) == ""
        assert await web.put("moshez", token, "Revoked") == INVALID
        assert await web.delete("moshez", token) == INVALID
        assert await web.put("shawn", brief, "Not revoked") == ("200", "ok\r\n")
        code, _, words = await run(*TRIO_FINGER, "token", "revoke", "x", folder=tmp_path)
        assert (code, words) == (1, "there is no token with the id 'x'\n")

    # It is kept, as everything is that was told.
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        web = Curl(curl, daemon)
        assert await web.put("shawn", brief, "After a restart") == ("200", "ok\r\n")
        assert await web.put("moshez", token, "Revoked") == INVALID


async def test_token_that_has_expired(tmp_path: Path, curl: str) -> None:
    """After its time it is one like no other, and is listed as what it is."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        token = (await tokens(daemon, "create", "--expires", "1ms", "moshez")).strip()
        assert await Curl(curl, daemon).put("moshez", token, "Too late") == INVALID
        assert (await tokens(daemon, "list")).rstrip().endswith("(expired)")
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
