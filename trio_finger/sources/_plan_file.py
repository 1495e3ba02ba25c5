"""Reading one file of somebody who may mean harm: at most so much of it, and never waiting.

Nothing is looked at by its name and opened afterwards: it could be another file by then.
It is opened in a way that does no harm whatever it is, and what is open is looked at.
"""

import codecs
import errno
import os
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trio_finger.protocol.text import clean, shorten

# A link is not followed. Opening a FIFO does not wait for a writer, nor a terminal for a
# call, and no terminal becomes ours.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# What these say is true until somebody changes it: there is no file here for us. All the
# others (the disk is broken, we have no descriptors left) say nothing of the file.
_NOT_THERE: Final = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,  # a symbolic link, too, since none is followed
        errno.ENAMETOOLONG,
        errno.ENXIO,  # a socket, or a device that nobody drives
        errno.ENODEV,
    }
)


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What was read.

    Attributes:
      text: clean lines, LF between them, none empty at the end.
      since: when they were written (UTC); ``None`` if there is no file.
    """

    text: str = ""
    since: datetime | None = None

    @property
    def first_line(self) -> str:
        """The first line that is not empty, without blanks around it."""
        return self.text.lstrip().partition("\n")[0].rstrip()


def is_there(path: Path) -> bool:
    """Whether anything is at *path*, be it a link to nowhere, as far as we may look.

    Raises:
      OSError: the disk cannot say.
    """
    try:
        path.lstat()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise
    return True


def read_plan_file(path: Path, owner: int, size: int) -> PlanFile | None:
    """Read the file at *path*; ``None`` if there is none, or none that may be shown.

    The disk may be slow: this belongs in a thread, and so does the cleaning of a long text.

    Args:
      owner: the number of the user whose it has to be, if it is not root's.
      size: how much is read, and returned, in bytes. What is longer ends with a whole line,
        or, if it has only one, with a whole character.

    Raises:
      OSError: the disk cannot say.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        if not _may_be_shown(status, owner):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(size + 1)
    finally:
        os.close(descriptor)
    # A file system may hold any time, a calendar not.
    since = datetime.fromtimestamp(min(max(status.st_mtime, 0), time.time()), UTC)
    return PlanFile(_clean_lines(data, size), since)


def _may_be_shown(status: os.stat_result, owner: int) -> bool:
    """Whether what is open is a plain file that is its user's to show."""
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (owner, 0):
        return False
    # Anybody may give another's file a second name, in their own home. (One that has been
    # replaced since it was opened has no name left.)
    return status.st_uid == owner or status.st_nlink <= 1


def _clean_lines(data: bytes, size: int) -> str:
    is_whole = len(data) <= size
    # Of a character that is cut in two nothing is left; what is no UTF-8 is replaced.
    text, _ = codecs.utf_8_decode(data[:size], "replace", is_whole)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not is_whole:
        text = _whole_lines(text)
    text = "\n".join(clean(line).rstrip() for line in text.split("\n"))
    # One byte that is no UTF-8 has become three that are.
    if len(text.encode()) > size:
        text = _whole_lines(shorten(text, size))
    return text.rstrip()


def _whole_lines(text: str) -> str:
    """Return *text* without the last line, which has no end, unless that is all there is."""
    return text[: text.rfind("\n") + 1] or text
