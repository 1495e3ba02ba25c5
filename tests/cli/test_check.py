"""``trio-finger check``: every fault by file, line and key, and nothing started."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.net.tls import certificate
from trio_finger.cli import main

SHIPPED = Path(__file__).parents[2] / "config.toml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is no configuration but the test's."""
    monkeypatch.chdir(tmp_path)


def check(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["check", *arguments])


def check_users(folder: Path, users: bytes) -> Result:
    """Run the command on a users file."""
    (folder / "users").write_bytes(users)
    (folder / "config.toml").write_text('[users]\nfile = "users"\n')
    return check()


def test_no_faults(tmp_path: Path) -> None:
    """Where all is well it says what it has read, and exits with 0."""
    result = check_users(tmp_path, b"moshez: Happy and well\n\n# comment\nshawn: Alive\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "config.toml: no faults; users: 2 users\n"


def test_shipped() -> None:
    """There is no fault in what we ship."""
    result = check("--config", str(SHIPPED))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{SHIPPED}: no faults; ")


def test_no_users_file(tmp_path: Path) -> None:
    """A configuration may do without a users file."""
    (tmp_path / "config.toml").write_text("[finger]\n")
    result = check()
    assert (result.exit_code, result.stdout) == (0, "config.toml: no faults\n")


def test_nothing_is_started(tmp_path: Path) -> None:
    """An address that nobody could listen on here is none of its business, nor is the store."""
    (tmp_path / "config.toml").write_text(
        '[finger]\nlisten = ["192.0.2.1:79"]\n[setter]\n[store]\nurl = "sqlite:a/b.db"\n'
    )
    assert check().exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_certificate(tmp_path: Path) -> None:
    """A certificate that cannot be used is a fault, which the daemon would have met."""
    text = '[finger]\ntls_listen = ["127.0.0.1:1"]\n[tls]\ncertificate = "c.pem"\nkey = "c.pem"\n'
    (tmp_path / "config.toml").write_text(text)
    result = check()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "config.toml:4: tls.certificate: cannot read c.pem: No such file or directory\n"
    )
    certificate().private_key_and_cert_chain_pem.write_to_path(tmp_path / "c.pem")
    assert check().stdout == "config.toml: no faults\n"


def test_what_sources_need(tmp_path: Path) -> None:
    """Programs, files and folders that are named and cannot be used are told."""
    (tmp_path / "config.toml").write_text("""
        [[source]]
        kind = "program"
        command = ["/nowhere/status", "{user}"]
        [[source]]
        kind = "plan"
        spool = "plans"
        [service.weather]
        command = ["./weather"]
        [service.motd]
        file = "motd"
        [service.pipe]
        file = "pipe"
    """)
    weather, motd, spool = tmp_path / "weather", tmp_path / "motd", tmp_path / "plans"
    weather.write_text("#!/bin/sh\n")
    os.mkfifo(tmp_path / "pipe")  # that nobody writes to, and for which nobody waits
    result = check()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.replace(str(tmp_path), "HERE").splitlines() == [
        "config.toml: source.command: cannot use /nowhere/status: No such file or directory",
        "config.toml: source.spool: cannot use plans: No such file or directory",
        "config.toml: service.weather.command: cannot use HERE/weather: Permission denied",
        "config.toml: service.motd.file: cannot use motd: No such file or directory",
        "config.toml: service.pipe.file: cannot use pipe: not a regular file",
    ]
    (tmp_path / "config.toml").write_text(
        "[[source]]\nkind = 'plan'\nspool = 'plans'\n"
        "[service.weather]\ncommand = ['./weather']\n[service.motd]\nfile = 'motd'\n"
    )
    weather.chmod(0o755)
    motd.touch()
    spool.mkdir()
    assert check().stdout == "config.toml: no faults\n"


def test_users_in_toml(tmp_path: Path) -> None:
    """A users file in TOML is checked as well, its profiles included."""
    (tmp_path / "config.toml").write_text('[users]\nfile = "users.toml"\n')
    users = tmp_path / "users.toml"
    users.write_text('[moshez]\nfull_name = "Moshe Zadka"\n\n[shawn]\nhidden = true\n')
    assert check().stdout == "config.toml: no faults; users.toml: 2 users\n"
    users.write_text('[moshez]\nfulname = "Moshe Zadka"\n\n["mo shez"]\n\n[shawn]\nhidden = 1\n')
    result = check()
    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert [line.split(" ")[0] for line in lines] == [
        "users.toml:2:",
        "users.toml:4:",
        "users.toml:7:",
    ]


def test_faults_of_the_users_file(tmp_path: Path) -> None:
    """Each bad line of the users file is named, on standard error, and the exit code is 1."""
    result = check_users(
        tmp_path, b"moshez: Happy\nnonsense\n: nobody\nMOSHEZ: Sad\nx: \xff\nshawn: Alive"
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'users:2: expected "name: status", found no colon\n'
        "users:3: the name is empty\n"
        "users:4: MOSHEZ is on line 1 already\n"
        "users:5: not UTF-8 text\n"
    )


def test_faults_without_end(tmp_path: Path) -> None:
    """Of a file that is none, ten thousand lines are named, and the rest counted."""
    result = check_users(tmp_path, b"nonsense\n" * 10_003)
    lines = result.stderr.splitlines()
    assert (result.exit_code, len(lines)) == (1, 10_001)
    assert lines[-1] == "users: and 3 more like these"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("none", "No such file or directory"),
        ("folder", "not a regular file"),
        ("fifo", "not a regular file"),
    ],
)
def test_unreadable_users_file(tmp_path: Path, kind: str, why: str) -> None:
    """A users file that cannot be read is named with the reason, at once."""
    (tmp_path / "config.toml").write_text('[users]\nfile = "sub/users"\n')
    (tmp_path / "sub").mkdir()
    users = tmp_path / "sub" / "users"
    match kind:
        case "folder":
            users.mkdir()
        case "fifo":
            os.mkfifo(users)
    result = check()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"sub/users: cannot be read: {why}\n"


def test_impossible_users_file(tmp_path: Path) -> None:
    """A name that no file can have is a fault of the configuration, not one of ours."""
    (tmp_path / "config.toml").write_text('[users]\nfile = "us\\u0000ers"\n')
    result = check()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("config.toml:2: users.file: ")


def test_relative_to_the_configuration(tmp_path: Path) -> None:
    """The users file is looked for beside the configuration, wherever that is."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "config.toml").write_text('[users]\nfile = "users"\n')
    (tmp_path / "etc" / "users").write_text("moshez: Happy\n")
    result = check("--config", "etc/config.toml")
    assert result.exit_code == 0
    assert result.stdout.startswith("etc/config.toml: no faults; etc/users: 1 user")


# The command as people have it, but that every moment is worth a word of progress.
PROGRESS = """
import sys
from trio_finger.sources import _progress
from trio_finger.cli import main

_progress._EVERY = 0.0
main(["check"])
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_progress(tmp_path: Path, form: str) -> None:
    """How far it has come in a large file is said on standard error, as the daemon's log for
    people says it; the answer alone is on standard output."""
    (tmp_path / "config.toml").write_text(f'[users]\nfile = "users"\n[log]\nformat = "{form}"\n')
    (tmp_path / "users").write_text("".join(f"user{n}: Here\n" for n in range(20_000)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRESS],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, "config.toml: no faults; users: 20000 users\n")
    lines = done.stderr.splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[0-9T:.-]+Z info    reading users file door=users file=users percent=\d+ lines=\d+",
            line,
        )


def test_progress_that_nobody_can_see(tmp_path: Path) -> None:
    """Without a standard error progress goes nowhere, least of all among the answer."""
    (tmp_path / "config.toml").write_text('[users]\nfile = "users"\n')
    (tmp_path / "users").write_text("".join(f"user{n}: Here\n" for n in range(20_000)))
    done = subprocess.run(
        ["sh", "-c", '"$0" "$@" 2>&-', sys.executable, "-W", "error", "-c", PROGRESS],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (0, "config.toml: no faults; users: 20000 users\n")
