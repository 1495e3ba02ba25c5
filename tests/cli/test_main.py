"""The command itself: what it says, where, and with which exit code."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from socket import create_server

import pytest
from click.testing import CliRunner, Result

from trio_finger import __version__
from trio_finger.cli import main

SCRIPT = str(Path(sys.executable).with_name("trio-finger"))
MODULE = (sys.executable, "-W", "error", "-m", "trio_finger")

ETC = Path("/etc/trio-finger/config.toml")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where there is no configuration to be found."""
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, arguments)


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run *command* as people do."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.parametrize("command", [[SCRIPT], MODULE], ids=["script", "module"])
def test_help(command: Sequence[str]) -> None:
    """``trio-finger`` and ``python -m trio_finger`` are one command, which tells what it takes."""
    done = run([*command, "--help"])
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("--config", "--port", "--user", "--version", "SIGHUP"):
        assert word in done.stdout
    for command_word in ("check", "query", "set", "token", "watch"):
        assert re.search(rf"^  {command_word}  +[A-Z].*\.$", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "command",
    ["", "check", "query", "set", "token", "token create", "token list", "token revoke", "watch"],
)
def test_help_of_commands(command: str) -> None:
    """Every command explains itself, under either name of the option, in lines that fit."""
    result = invoke(*command.split(), "-h")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")
    assert all(len(line) <= 80 for line in result.stdout.splitlines())
    # Sentences are whole, in lists of commands, too.
    assert "..." not in re.sub(r"\]\.\.\.|ARGS\.\.\.", "", result.stdout)
    assert invoke(*command.split(), "--help").stdout == result.stdout


def test_help_names_every_option() -> None:
    """What the documents promise of `set` and `token` is there, and is explained."""
    for command, options in {
        "set": ["--for", "--until", "--clear", "--plan", "--user", "--socket", "--config"],
        "token create": ["--expires", "--config"],
        "token list": ["--config"],
        "token revoke": ["--config"],
    }.items():
        found = re.findall(r"^  (--[a-z]+) .*[A-Z]", invoke(*command.split(), "-h").stdout, re.M)
        assert found == options


def test_version() -> None:
    """The version comes with those of what it stands on."""
    done = run([SCRIPT, "--version"])
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"trio-finger {re.escape(__version__)} \(Python {re.escape(platform.python_version())}, "
        rf"Trio {re.escape(version('trio'))}, expat [0-9.]+\)\n",
        done.stdout,
    )
    assert version("trio-finger") == __version__


def test_help_is_quick() -> None:
    """To tell how it is used it imports neither Trio nor the web stack."""
    program = (
        "import sys\n"
        "import trio_finger.cli\n"
        "print(*sorted({'trio', 'quart', 'hypercorn', 'structlog'} & set(sys.modules)))\n"
    )
    assert run([sys.executable, "-c", program]).stdout == "\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "found", "other"),
    [
        ("che", "check", "query"),
        ("to", "token", "query"),
        ("set --un", "--until", "--user"),
        ("token rev", "revoke", "create"),
    ],
)
def test_completion(shell: str, words: str, found: str, other: str) -> None:
    """Shells complete the commands and their options."""
    *_, last = words.split()
    done = run(
        [SCRIPT],
        {
            "_TRIO_FINGER_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": f"trio-finger {words}",
            "COMP_CWORD": last if shell == "fish" else str(len(words.split())),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert found in done.stdout
    assert other not in done.stdout


@pytest.mark.skipif(ETC.exists(), reason="this machine has a configuration of its own")
@pytest.mark.parametrize("command", ["", "check"])
def test_no_configuration(command: str) -> None:
    """Without any configuration it says where it looked and what would help, and exits with 1."""
    done = run([*MODULE, *command.split()])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "no config.toml or /etc/trio-finger/config.toml; name a configuration file with --config\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["nonsense"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--port", "finger"],
        ["--config"],
        ["--config", "."],
        ["--user", "moshez"],
        ["--user", "moshez="],
        ["--user", "=Happy"],
        ["--user", "mo shez=Happy"],
        ["--user", "moshez@host=Happy"],
        ["--user", "moshez=" + "x" * 1025],
        ["check", "--nonsense"],
        ["check", "config.toml"],
        ["check", "--config", "."],
        ["query", "--nonsense"],
        ["set"],
        ["set", "--nonsense"],
        ["token", "nonsense"],
        ["token", "create"],
        # These are the daemon's.
        ["--config", "config.toml", "set", "Here"],
        ["--user", "moshez=Happy", "set", "Here"],
        ["--config", "config.toml", "token", "list"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """What is used wrongly exits with 2, and says on standard error what was wrong."""
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(r"^Error: .", result.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("moshez", "'moshez' has no equals sign"),
        ("mo\nshez=Happy", "'mo\\nshez=Happy': a name cannot hold white space"),
        ("moshez=\x1b", "'moshez=\\x1b': the status is empty"),
    ],
)
def test_wrong_user(user: str, why: str) -> None:
    """A user that cannot be one is shown, harmlessly, with the reason."""
    result = invoke("--user", user)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: Invalid value for '--user': {why}\n")


@pytest.mark.parametrize("command", [[], ["check"]])
def test_faults(command: list[str], tmp_path: Path) -> None:
    """Faults of the configuration go to standard error, a line each, and the exit code is 1."""
    path = tmp_path / "wrong.toml"
    path.write_text("[finger]\ntimeout = 10\n[wbe]\n")
    result = invoke(*command, "--config", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{path}:2: finger.timeout: expected a duration such as "
        f'"30s", "5m" or "1h", got 10\n'
        f'{path}:3: wbe: unknown section; did you mean "web"?\n'
    )


@pytest.mark.parametrize("command", [[], ["check"]])
def test_missing_file(command: list[str], tmp_path: Path) -> None:
    """A configuration that was named must be there; no other takes its place."""
    (tmp_path / "config.toml").write_text("")
    result = invoke(*command, "--config", "other.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "other.toml: cannot be read: No such file or directory\n"


def test_found_in_this_folder(tmp_path: Path) -> None:
    """``config.toml`` of this folder is found without being named."""
    (tmp_path / "config.toml").write_text("[finger]\nlisten = 1\n")
    result = invoke()
    assert result.exit_code == 1
    assert result.stderr.startswith("config.toml:2: finger.listen: ")


@pytest.mark.parametrize(
    ("arguments", "where"), [(["--port", "{}"], "with --port"), ([], "in listen")]
)
def test_port_is_taken(arguments: list[str], where: str, tmp_path: Path) -> None:
    """A port that is taken is named in the last line, without a traceback, and where another is
    chosen: where this one was. The exit code is 1."""
    with create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "config.toml").write_text(
            f'[daemon]\nuser = "nobody"\n[finger]\nlisten = ["127.0.0.1:{port}"]\n'
        )
        done = run([*MODULE, *(word.format(port) for word in arguments)])
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"cannot listen on 127.0.0.1:{port}: the port is taken; "
        f"stop what listens there, or choose another {where}"
    )
