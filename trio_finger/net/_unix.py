"""The file of a UNIX socket: made where there is none, replaced when stale, and removed."""

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from trio_finger.protocol.address import UnixAddress

_BACKLOG = 1024  # connections that wait to be accepted; the kernel has a limit of its own


class UnixSocketError(Exception):
    """A path on which no socket can be made; ``str()`` of it says why, and what to do."""


@dataclass(frozen=True, slots=True)
class SocketFile:
    """The file that stands for a socket of ours.

    Attributes:
      path: where it was made.
      identity: what tells it from one that somebody else has put there since.
    """

    path: Path
    identity: tuple[int, int]

    def remove(self) -> None:
        """Remove it if it is still ours, and if that is possible."""
        with suppress(OSError):
            if _identity(self.path.lstat()) == self.identity:
                self.path.unlink()


def bind_unix(address: UnixAddress) -> tuple[trio.SocketListener, SocketFile]:
    """Listen on a UNIX socket, to which everybody may connect who may enter its folder.

    The folder is made if it is missing. What a crash has left there is replaced.

    Raises:
      UnixSocketError: somebody listens there, or something else is in the way.
      OSError: the system refuses.
    """
    path = Path(address.path)
    _make_folder(path.parent)
    _remove_stale(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        server.setblocking(False)
        # Who asks is what the kernel says, so everybody may. Changing the file afterwards
        # could change another that has been put in its place.
        umask = os.umask(0o111)
        try:
            server.bind(address.path)
        finally:
            os.umask(umask)
        file = SocketFile(path, _identity(path.lstat()))
        try:
            server.listen(_BACKLOG)
            return trio.SocketListener(trio.socket.from_stdlib_socket(server)), file
        except BaseException:
            file.remove()
            raise
    except BaseException:
        server.close()
        raise


def _make_folder(folder: Path) -> None:
    """Make *folder* and those above it that are missing; others may enter, not write."""
    for parent in reversed((folder, *folder.parents)):
        if not parent.exists():
            parent.mkdir(mode=0o755, exist_ok=True)


def _remove_stale(path: Path) -> None:
    """Remove the socket that is at *path*, provided that nobody listens on it."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise UnixSocketError(
            "there is something else than a socket; remove it, or choose another path in listen"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        refused = client.connect_ex(os.fspath(path))
    if refused == errno.ECONNREFUSED:
        path.unlink()
    elif refused in (errno.EACCES, errno.EPERM):
        raise UnixSocketError(
            "there is a socket of another user; remove it, or choose another path in listen"
        )
    elif refused != errno.ENOENT:  # or it has just gone
        # A queue that is full, or of another kind, is somebody's, too.
        raise UnixSocketError(
            f"another program listens on unix:{path}; stop it, or choose another path in listen"
        )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
