"""Reading the users file: without waiting for it, and without believing all of it."""

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import trio

from trio_finger.config import Fault
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import fold
from trio_finger.protocol.users_file import LineFault, parse_users
from trio_finger.protocol.users_toml import parse_users_toml
from trio_finger.usermap import Status

# A file of a million users has some 50 MB. Much more is something else by mistake.
MAX_FILE = 256 * 1024 * 1024  # bytes

# Between two checkpoints while parsing: about a millisecond's work.
_SLICE = 200  # lines
_TOML_SLICE = 20  # short tables, or as much of long ones

_T = TypeVar("_T")


class UsersFileError(Exception):
    """The users file cannot be read; ``str()`` of it says which, and why."""


@dataclass(frozen=True, slots=True)
class UsersFile:
    """What a users file says.

    Attributes:
      users: everybody whom it names, under their folded names.
      profiles: what else it says of some of them, under the same.
      faults: the lines that were skipped; of TOML, the tables.
      looks_cut: its last line has no end: somebody may still be writing it.
    """

    users: dict[str, Status]
    profiles: dict[str, Profile]
    faults: list[Fault]
    looks_cut: bool


async def read_users_file(path: Path) -> UsersFile:
    """Read and parse the users file at *path*; statuses are as old as the file is.

    It is TOML if its name ends in ``.toml``, and lines otherwise.

    Raises:
      UsersFileError: it is not there, not a file, empty, too large, or may not be read.
    """
    data, since = await _in_thread(_read, path)
    users: dict[str, Status] = {}
    profiles: dict[str, Profile] = {}
    faults: list[Fault] = []
    toml = path.suffix.lower() == ".toml"
    work = _TOML_SLICE if toml else _SLICE
    for count, item in enumerate(parse_users_toml(data) if toml else parse_users(data)):
        if count % work == 0:
            await trio.lowlevel.checkpoint()
        if isinstance(item, LineFault):
            faults.append(Fault(path, item.line, item.words))
        elif item is not None:
            key = fold(item.name)
            users[key] = Status(item.name, item.status, since)
            if item.profile is not None:
                profiles[key] = item.profile
    return UsersFile(users, profiles, faults, looks_cut=not data.endswith((b"\n", b"\r")))


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
