"""What ``make`` says on a machine where something is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

NO_VENV = """#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
"""
TOO_OLD = """#!/bin/sh
exit 1
"""


@pytest.mark.parametrize(
    ("python", "advice"),
    [
        (TOO_OLD, "needs Python 3.11 or newer"),
        (NO_VENV, "apt install python3-venv"),
    ],
)
def test_missing_parts_are_named_with_what_to_do(tmp_path: Path, python: str, advice: str) -> None:
    """Too old a Python and a missing venv module are each told in words, with the cure."""
    fake = tmp_path / "python3"
    fake.write_text(python)
    fake.chmod(0o755)
    shell = shutil.which("sh")
    assert shell is not None
    done = subprocess.run(
        [shell, str(ROOT / "scripts" / "make-venv"), str(tmp_path / "venv")],
        env={"PATH": str(tmp_path), "PYTHON": str(fake)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert advice in done.stderr
    assert not (tmp_path / "venv").exists()
