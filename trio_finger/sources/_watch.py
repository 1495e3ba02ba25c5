"""Following the users file: every change is noticed, and none before it is whole."""

import os
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path

import trio
from watchfiles import awatch

from trio_finger.config import Users
from trio_finger.log import get_log
from trio_finger.sources._progress import Progress
from trio_finger.sources._users_file import (
    Stamp,
    UsersFile,
    UsersFileError,
    read_users_file,
    stamp_users_file,
)
from trio_finger.store import StoreError
from trio_finger.usermap import Line, Listing, UserMap

# A file counts as written when it has not changed for so long (in seconds). That is
# far more than the grain of a file's times, so a later change always shows in them.
_STILL = 0.2

# One that looks cut gets longer: its writer may have paused in the middle.
_STILL_IF_CUT = 2.0

_TRIES = 50  # at a file that never stands still, before giving up until the next look

_WATCH_AGAIN = 10  # seconds until a folder that could not be watched is tried again

_FAULTS_SHOWN = 20  # in the log, of one reading of the file; the rest is counted

# How soon watchfiles notices that it was cancelled (its own choice is 5 s).
_WATCH_TIMEOUT = 200  # milliseconds

_NOT_TAKEN_OVER = "users file not taken over, what it said still holds"

log = get_log("users")


async def watch_users(
    config: Users | None,
    given: Sequence[tuple[str, str]],
    users: UserMap,
    *,
    hurry: bool = False,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep *users* up to date with the users file; cancel this to stop.

    Whatever is wrong with the file is logged, and *users* keeps what it has.

    Args:
      config: the section ``[users]``; ``None`` if there is no file.
      given: users named on the command line, as ``(name, status)``: they are listed
        too, and win over the file.
      users: is told what is listed.
      hurry: take the file as it stands at first, even if it is being written: at
        start, there is nothing better.
      task_status: started once the file has been read, or cannot be.
    """
    if config is None:
        await users.take_over(_put_over(Listing(), given))
        task_status.started()
        return
    follower = _Follower(config.file, given, users)
    await follower.look(hurry=hurry)
    task_status.started()
    async with trio.open_nursery() as nursery:
        # Of size 1: it holds "look again", and saying that twice adds nothing.
        wake, woken = trio.open_memory_channel[None](1)
        nursery.start_soon(_notice_changes, config.file, wake)
        while True:
            with trio.move_on_after(config.refresh):
                await woken.receive()
            await follower.look()


class _Follower:
    """Reads one users file again when it has changed, and says once what is wrong."""

    def __init__(self, path: Path, given: Sequence[tuple[str, str]], users: UserMap) -> None:
        self._path = path
        self._given = given
        self._users = users
        self._seen: Stamp | None = None
        self._complaint = ""

    async def look(self, *, hurry: bool = False) -> None:
        """Read the file if it is not the version that was read last."""
        try:
            stamp = await stamp_users_file(self._path)
            if stamp == self._seen:
                return
            if hurry:
                file = await read_users_file(self._path)
            else:
                file, stamp = await self._read_when_still()
            count = len(file.users)
            changed = await self._take_over(file)
        except (UsersFileError, StoreError) as error:
            # What comes after this is read, even if it is the version seen last.
            self._seen = None
            if str(error) != self._complaint:
                log.error(_NOT_TAKEN_OVER, reason=str(error))  # noqa: TRY400
            self._complaint = str(error)
            return
        self._seen = stamp
        self._complaint = ""
        self._report(file, count, changed)

    async def _read_when_still(self) -> tuple[UsersFile, Stamp]:
        """Read the file once nobody is writing it any more."""
        patience = _STILL
        for _ in range(_TRIES):
            stamp = await stamp_users_file(self._path)
            await trio.sleep(patience)
            file = await read_users_file(self._path)
            if stamp != await stamp_users_file(self._path):
                patience = _STILL
            elif file.looks_cut and patience < _STILL_IF_CUT:
                patience = _STILL_IF_CUT
            else:
                return file, stamp
        raise UsersFileError(f"{self._path}: is being written all the time")

    async def _take_over(self, file: UsersFile) -> int | None:
        """Go by *file*, and return how many users changed; ``None`` if it is not believed.

        Where every line is wrong it is in another encoding, or another file by mistake:
        no reason to think that everybody is gone.
        """
        if file.faults and not len(file.users):
            return None
        return await self._users.take_over(
            _put_over(file.users, self._given),
            partial=bool(file.faults),
            report=Progress("taking over users file", self._path),
        )

    def _report(self, file: UsersFile, users: int, changed: int | None) -> None:
        for fault in file.faults[:_FAULTS_SHOWN]:
            log.warning("users file line skipped", reason=str(fault))
        if more := max(len(file.faults) - _FAULTS_SHOWN, 0) + file.more_faults:
            log.warning("more lines skipped", count=more)
        if changed is None:
            log.error(_NOT_TAKEN_OVER, reason=f"{self._path}: no line of it is right")
        else:
            log.info("users file read", users=users, changed=changed)


def _put_over(listing: Listing, given: Sequence[tuple[str, str]]) -> Listing:
    """Return *listing* with those who were named on the command line over its own."""
    now = datetime.now(UTC)
    for name, status in given:
        listing.put(Line(name, status, now))
    return listing


async def _notice_changes(path: Path, wake: trio.MemorySendChannel[None]) -> None:
    """Say *wake* whenever something happens where *path* is, or where it leads to.

    Its folder is watched, not the file: a watch on the file goes with the file when an
    editor puts a new one in its place.
    """
    while True:
        folders = await _folders(path)
        try:
            async with aclosing(
                awatch(*folders, recursive=False, watch_filter=None, rust_timeout=_WATCH_TIMEOUT)
            ) as changes:
                # For what happened until now: the watch begins before anybody else runs.
                _say(wake)
                async for _ in changes:
                    _say(wake)
                    if await _folders(path) != folders:
                        break  # a link leads elsewhere now, or a folder is another
        except (OSError, RuntimeError) as error:  # the latter: watchfiles got no inotify
            # The folder is not there, say. The look at every refresh goes on meanwhile.
            log.warning("changes are not noticed at once", reason=str(error))
            await trio.sleep(_WATCH_AGAIN)


def _say(wake: trio.MemorySendChannel[None]) -> None:
    with suppress(trio.WouldBlock):
        wake.send_nowait(None)


async def _folders(path: Path) -> dict[str, tuple[int, int] | None]:
    """Return the folder that *path* is in, and the one of the file that it links to.

    With each is what tells it from another of the same name.
    """
    return await trio.to_thread.run_sync(_folders_now, path)


def _folders_now(path: Path) -> dict[str, tuple[int, int] | None]:
    folders: dict[str, tuple[int, int] | None] = {}
    for folder in (path.parent, Path(os.path.realpath(path)).parent):
        try:
            status = folder.stat()
        except OSError:
            folders[str(folder)] = None
        else:
            folders[str(folder)] = (status.st_dev, status.st_ino)
    return folders
