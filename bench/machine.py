"""What it was measured on."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import trio

from bench.building import find_compiler
from bench.peers.running import find_python

OURS = ("trio-finger", "trio", "hypercorn", "quart")
THEIRS = ("twisted", "uvloop")

_ASK = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"


async def describe() -> list[str]:
    """Return what there is to know of this machine and its programs, in Markdown."""
    asked = await trio.run_process([find_python(), "-c", _ASK, *THEIRS], capture_stdout=True)
    theirs = zip(THEIRS, asked.stdout.decode().split(), strict=True)
    compiler = await trio.run_process([find_compiler(), "--version"], capture_stdout=True)
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "busy": f"{os.getloadavg()[0]:.1f} processes were running before, on average",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "ours": ", ".join(f"{name} {version(name)}" for name in OURS),
        "peers": ", ".join(f"{name} {number}" for name, number in theirs),
        "C": compiler.stdout.decode().partition("\n")[0],
    }
    return [f"- {what}: {words}" for what, words in facts.items()]


def _first(path: str, key: str) -> str:
    """Return what the first line in *path* says that begins with *key*."""
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"
