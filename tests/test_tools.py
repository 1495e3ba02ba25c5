"""The programs beside trio-finger, which measure and try it, say how they are used."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("bench", ["PARTS", "--rounds"]),
        ("bench.soak", ["SECONDS", "Full load for an hour", "default: 3600"]),
        ("fuzz", ["TARGET", "Fuzz each target for a while, and say", "default: 600", "xmlrpc"]),
    ],
)
def test_help(module: str, words: list[str]) -> None:
    """``--help`` explains a program in plain words, and does nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.lower().startswith("usage: ")
    assert "`" not in done.stdout
    for word in words:
        assert word in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "arguments"), [("bench.soak", ["an hour"]), ("fuzz", ["nonsense"])]
)
def test_wrong_usage(module: str, arguments: list[str]) -> None:
    """What is used wrongly exits with 2, and says in words what was wrong."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert ": error: " in done.stderr
    assert "Traceback" not in done.stderr
