"""``trio-finger token``: who may set a status from elsewhere, and for how long."""

import os
import pwd
import re
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio
from click.testing import CliRunner, Result

from tests.running import run_daemon
from trio_finger.cli import main
from trio_finger.store import open_store
from trio_finger.usermap import Caller, UserMap

ETC = Path("/etc/trio-finger/config.toml")

TOKEN = re.compile(r"([0-9a-f]{12})\.([A-Za-z0-9_-]{43})")
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is a configuration that says nothing, and so a store beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("")


def token(*arguments: str) -> Result:
    """Run the command."""
    result = CliRunner().invoke(main, ["token", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def create(*arguments: str) -> str:
    """Make a token, and return it."""
    result = token("create", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith("\n")
    text = result.stdout.removesuffix("\n")
    assert TOKEN.fullmatch(text)
    return text


def rows() -> list[list[str]]:
    """Return the cells of what `list` shows, its head first."""
    result = token("list")
    assert (result.exit_code, result.stderr) == (0, "")
    return [re.split(r" {2,}", line) for line in result.stdout.splitlines()]


def bearer(text: str, url: str = "sqlite:trio-finger.db") -> Caller | None:
    """Return whom a daemon would take the bearer of *text* for."""

    async def identify() -> Caller | None:
        async with open_store(url, sole=False) as store:
            return await UserMap(store).identify(text)

    return trio.run(identify)


def failed(result: Result, words: str) -> bool:
    """Whether it failed with *words*, on standard error alone."""
    return (result.exit_code, result.stdout, result.stderr) == (1, "", words + "\n")


# Making tokens


def test_create() -> None:
    """What is printed is the token and nothing else; its bearer is the user, and only that."""
    text = create("Zoë")
    assert bearer(text) == Caller("Zoë")
    assert bearer(text[:-1]) is None
    assert create("Zoë") != text


def test_only_a_hash_is_kept(tmp_path: Path) -> None:
    """Whoever reads the store, or the list, finds no token there."""
    secret = create("moshez").partition(".")[2]
    assert secret not in str(rows())
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"moshez" in kept
    assert secret.encode() not in kept


def test_only_its_owner_reads_the_store(tmp_path: Path) -> None:
    """A store that the command makes is nobody else's to read."""
    create("moshez")
    assert (tmp_path / "trio-finger.db").stat().st_mode & 0o777 == 0o600


def test_expires() -> None:
    """With --expires it stops working after that time, which the list shows."""
    before = datetime.now(UTC)
    text = create("--expires", "90d", "moshez")
    assert bearer(text) == Caller("moshez")
    end = rows()[1][3]
    assert re.fullmatch(TIME, end)
    days = datetime.strptime(end, "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC) - before
    assert abs(days - timedelta(days=90)) < timedelta(minutes=2)


def test_expired() -> None:
    """One that has stopped working is shown as that, and works no more."""
    text = create("moshez", "--expires", "1ms")
    assert bearer(text) is None
    assert re.fullmatch(TIME + r" \(expired\)", rows()[1][3])


def test_store_of_the_configuration(tmp_path: Path) -> None:
    """--config names another configuration, and so another store, relative to it."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "config.toml").write_text('[store]\nurl = "sqlite:state/x.db"\n')
    text = create("--config", "etc/config.toml", "moshez")
    assert bearer(text, "sqlite:etc/state/x.db") == Caller("moshez")
    assert len(rows()) == 1
    assert bearer(text) is None


# Listing and revoking them


def test_list() -> None:
    """The list has the id, the user and the times of each, the oldest first, in columns."""
    assert rows() == [["ID", "USER", "CREATED", "EXPIRES"]]
    ids = [create(name).partition(".")[0] for name in ("shawn", "n" * 64, "moshez")]
    head, *found = rows()
    assert head == ["ID", "USER", "CREATED", "EXPIRES"]
    assert [row[0] for row in found] == ids
    assert [row[1] for row in found] == ["shawn", "n" * 64, "moshez"]
    assert all(re.fullmatch(TIME, row[2]) for row in found)
    assert [row[3] for row in found] == ["never"] * 3
    lines = token("list").stdout.splitlines()
    assert {line.index(cell) for line, cell in zip(lines, ["CREATED", *["20"] * 3], strict=True)}


def test_revoke() -> None:
    """What is revoked works no more and is not listed; the others are untouched."""
    first, second = create("moshez"), create("moshez")
    token_id = first.partition(".")[0]
    result = token("revoke", token_id)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert bearer(first) is None
    assert bearer(second) == Caller("moshez")
    assert [row[0] for row in rows()[1:]] == [second.partition(".")[0]]
    assert failed(token("revoke", token_id), f"there is no token with the id '{token_id}'")


@pytest.mark.parametrize("token_id", ["", "*", "%", "moshez", "\x1b", "' OR 1=1 --"])
def test_revoke_unknown(token_id: str) -> None:
    """An id that no token has is named, harmlessly, and nothing is revoked."""
    text = create("moshez")
    assert failed(token("revoke", "--", token_id), f"there is no token with the id {token_id!r}")
    assert bearer(text) == Caller("moshez")


def test_revoke_by_the_token() -> None:
    """The token itself is not its id, so it need not be typed where others may see it."""
    text = create("moshez")
    assert token("revoke", text).exit_code == 1
    assert bearer(text) == Caller("moshez")


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create"], "Missing argument 'NAME'"),
        (["create", "mo shez"], "'NAME': a name cannot hold white space"),
        (["create", ""], "'NAME': the name is empty"),
        (["create", "mo/shez"], "'NAME': a name cannot hold '/'"),
        (["create", "n" * 65], "'NAME': the name is longer than 64 characters"),
        (["create", "na\udcefve"], "'NAME': a name cannot hold control or invisible characters"),
        (["create", "moshez", "shawn"], "unexpected extra argument (shawn)"),
        (["create", "moshez", "--expires", "90"], "'--expires': expected a duration such as"),
        (["create", "moshez", "--expires", "0d"], "'--expires': expected a duration such as"),
        (["create", "moshez", "--expires", "-1d"], "'--expires': expected a duration such as"),
        (["create", "moshez", "--config", "."], "'--config': File '.' is a directory"),
        (["list", "moshez"], "unexpected extra argument (moshez)"),
        (["revoke"], "Missing argument 'ID'"),
        (["steal"], "No such command 'steal'"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, tmp_path: Path) -> None:
    """What cannot be meant exits with 2, and no store is made for it."""
    result = token(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr.partition("\nError: ")[2]
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("expires", ["3000000d", "999999999.999999999d"])
def test_too_long(expires: str) -> None:
    """An end that no calendar has is refused."""
    assert failed(
        token("create", "moshez", "--expires", expires),
        "that is too long; leave --expires out",
    )


@pytest.mark.parametrize("arguments", [["create", "moshez"], ["list"], ["revoke", "x"]])
def test_memory(arguments: list[str], tmp_path: Path) -> None:
    """A store that is the daemon's memory alone cannot be reached, so it is refused."""
    (tmp_path / "config.toml").write_text('[store]\nurl = "memory:"\n')
    assert failed(token(*arguments), '[store] url = "memory:" keeps no tokens; use "sqlite:PATH"')


@pytest.mark.parametrize("arguments", [["create", "moshez"], ["list"], ["revoke", "x"]])
def test_faults(arguments: list[str], tmp_path: Path) -> None:
    """What is wrong with the configuration or the store is said, and nothing is made."""
    (tmp_path / "config.toml").write_text('[store]\nurl = "x"\n[wbe]\n')
    assert failed(
        token(*arguments),
        'config.toml:2: store.url: expected "sqlite:PATH" or "memory:", got "x"\n'
        'config.toml:3: wbe: unknown section; did you mean "web"?',
    )
    (tmp_path / "config.toml").write_text('[store]\nurl = "sqlite:config.toml"\n')
    result = token(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "config.toml is not a database; " in result.stderr
    assert (tmp_path / "config.toml").read_text() == '[store]\nurl = "sqlite:config.toml"\n'


@pytest.mark.skipif(ETC.exists(), reason="this machine has a configuration of its own")
@pytest.mark.parametrize("arguments", [["create", "moshez"], ["list"], ["revoke", "x"]])
def test_no_configuration(arguments: list[str], tmp_path: Path) -> None:
    """Without any configuration it says where it looked."""
    (tmp_path / "config.toml").unlink()
    assert failed(
        token(*arguments),
        "no config.toml or /etc/trio-finger/config.toml; name a configuration file with --config",
    )


# As root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_the_store_to_the_daemon(tmp_path: Path) -> None:
    """A store that root makes is the daemon's; one that is there already is left as it is."""
    create("moshez")
    database = tmp_path / "trio-finger.db"
    assert database.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    os.chown(database, 0, 0)
    create("moshez")
    assert database.stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_nobody_to_leave_it_to(tmp_path: Path) -> None:
    """Where the daemon's user is not on this machine, that is said, and there is no token."""
    (tmp_path / "config.toml").write_text('[daemon]\nuser = "no-such-user"\n')
    assert failed(
        token("create", "moshez"),
        "daemon.user: there is no user 'no-such-user' on this machine",
    )
    assert len(rows()) == 1


# Beside a daemon


async def put(url: str, text: str) -> int:
    """Set moshez's status with the token *text*; return the HTTP status."""

    def request() -> int:
        connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
        headers = {"Authorization": f"Bearer {text}"}
        connection.request("PUT", "/~moshez/status", b"By token", headers)
        status = connection.getresponse().status
        connection.close()
        return status

    return await trio.to_thread.run_sync(request)


async def test_running_daemon(tmp_path: Path) -> None:
    """In a daemon that runs a token works from when it is made to when it is revoked."""
    async with run_daemon(tmp_path) as daemon:
        text = await trio.to_thread.run_sync(create, "moshez")
        others = await trio.to_thread.run_sync(create, "shawn")
        assert await put(daemon.url, text) == 200
        assert await daemon.finger(b"moshez\r\n") == b"By token\r\n"
        assert await put(daemon.url, others) == 403
        result = await trio.to_thread.run_sync(token, "revoke", text.partition(".")[0])
        assert result.exit_code == 0
        assert await put(daemon.url, text) == 401
