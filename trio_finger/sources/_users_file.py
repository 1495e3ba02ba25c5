"""Reading the users file: without waiting for it, and without believing all of it."""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import trio

from trio_finger.config import Fault, Users
from trio_finger.protocol.users_file import LineFault
from trio_finger.protocol.users_toml import parse_users_toml
from trio_finger.sources._lines import Lines
from trio_finger.sources._progress import Progress
from trio_finger.usermap import Line, Listing

# A file of a million users has some 50 MB. Much more is something else by mistake.
MAX_FILE = 256 * 1024 * 1024  # bytes

_TOML_SLICE = 20  # short tables between two checkpoints, or as much of long ones

# Of a file that is nothing of the kind, every line may be wrong.
MAX_FAULTS = 10_000

_T = TypeVar("_T")


class UsersFileError(Exception):
    """The users file cannot be read; ``str()`` of it says which, and why."""


@dataclass(frozen=True, slots=True)
class UsersFile:
    """What a users file says.

    Attributes:
      users: everybody whom it names.
      faults: the lines that were skipped, or some `MAX_FAULTS` of them; of TOML, the tables.
      more_faults: how many there are besides.
      looks_cut: its last line has no end: somebody may still be writing it.
    """

    users: Listing
    faults: list[Fault]
    more_faults: int
    looks_cut: bool


class _Faults:
    """What is wrong with a users file: all of it is counted, a good deal of it named."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named: list[LineFault] = []
        self.more = 0

    def add(self, fault: LineFault) -> None:
        if len(self._named) < MAX_FAULTS:
            self._named.append(fault)
        else:
            self.more += 1

    def named(self) -> list[Fault]:
        """Return those that are named, in the order of their lines."""
        self._named.sort(key=attrgetter("line"))
        return [Fault(self._path, fault.line, fault.words) for fault in self._named]


async def read_users_file(path: Path) -> UsersFile:
    """Read and parse the users file at *path*; statuses are as old as the file is.

    Others go on meanwhile, and if it takes long the log says how far it has come.

    Raises:
      UsersFileError: it is not there, not a file, empty, too large, or may not be read.
    """
    data, since = await _in_thread(_read, path)
    faults = _Faults(path)
    progress = Progress("reading users file", path)
    read = _read_toml if Users(file=path).is_toml else _read_lines
    listing = await read(data, since, faults, progress)
    return UsersFile(
        listing, faults.named(), faults.more, looks_cut=not data.endswith((b"\n", b"\r"))
    )


async def _read_lines(data: bytes, since: datetime, faults: _Faults, progress: Progress) -> Listing:
    lines = Lines(data, since)
    await lines.find(faults.add, lambda place, line: progress(place, len(data), lines=line))
    return lines


async def _read_toml(data: bytes, since: datetime, faults: _Faults, progress: Progress) -> Listing:
    listing = Listing()
    for count, item in enumerate(parse_users_toml(data)):
        if count % _TOML_SLICE == 0:
            await trio.lowlevel.checkpoint()
        if isinstance(item, LineFault):
            faults.add(item)
        elif item is not None:
            listing.put(Line(item.name, item.status, since, item.profile))
    return listing


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one version of a file from another: where it is, its size and times."""

    device: int
    inode: int
    size: int
    modified: int  # nanoseconds since 1970
    changed: int  # nanoseconds since 1970


async def stamp_users_file(path: Path) -> Stamp:
    """Return the stamp of the users file at *path* as it is now.

    Raises:
      UsersFileError: it is not there, or may not be looked at.
    """
    status = await _in_thread(os.stat, path)
    return Stamp(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


def _read(path: Path) -> tuple[bytes, datetime]:
    """Return what is in the file at *path*, and when that was written."""
    # Non-blocking, because opening a FIFO waits for a writer, perhaps for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        if status.st_size > MAX_FILE:
            raise OSError(0, f"larger than {MAX_FILE >> 20} MiB")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE)
    finally:
        os.close(descriptor)
    if not data:
        # Whoever truncated it has not written it yet, or could not.
        raise OSError(0, "it is empty; if nobody shall be in it, put a comment there")
    # A file system may hold any time, a calendar not.
    return data, datetime.fromtimestamp(min(max(status.st_mtime, 0), time.time()), UTC)


async def _in_thread(function: Callable[[Path], _T], path: Path) -> _T:
    """Ask the disk, which may be slow, in a thread; its errors become ours."""
    try:
        return await trio.to_thread.run_sync(function, path)
    except OSError as error:
        raise UsersFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise UsersFileError(f"{path}: cannot be read: {error}") from error
