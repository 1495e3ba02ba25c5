"""What the kernel has counted for a process: time, memory, descriptors, threads."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
_PROC = Path("/proc")

# Fields of /proc/PID/stat, counted from after the name, which may hold anything.
_PARENT = 1
_TIMES = slice(11, 15)  # user and system, its own, and of children that have ended


def cpu_seconds(pid: int) -> float:
    """Return the time that *pid* took so far: all its threads, and all whom it started."""
    return sum(sum(map(int, _stat(process)[_TIMES])) for process in _family(pid)) * _TICK


def rss(pid: int) -> int:
    """Return how much of *pid*'s memory is there, in bytes, shared or not."""
    return _kilobytes(_PROC / str(pid) / "status", "VmRSS") * 1024


def highest_rss(pid: int) -> int:
    """Return the most that ever was."""
    return _kilobytes(_PROC / str(pid) / "status", "VmHWM") * 1024


def pss(pid: int) -> int:
    """Return the same, with what is shared divided among those who share it."""
    return _kilobytes(_PROC / str(pid) / "smaps_rollup", "Pss") * 1024


def descriptors(pid: int) -> int:
    """Return how many files and sockets *pid* has open."""
    return len(list((_PROC / str(pid) / "fd").iterdir()))


def threads(pid: int) -> int:
    """Return how many threads *pid* has."""
    return len(list((_PROC / str(pid) / "task").iterdir()))


def _stat(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * _TIMES.stop  # gone meanwhile; its parent has its time


def _family(pid: int) -> Iterator[int]:
    """Yield *pid* and its descendants that are there."""
    children: dict[int, list[int]] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit():
            children.setdefault(int(_stat(int(path.name))[_PARENT]), []).append(int(path.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return iter(found)


def _kilobytes(path: Path, key: str) -> int:
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines[key].split()[0])
