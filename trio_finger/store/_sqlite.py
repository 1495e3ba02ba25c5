"""Opening an SQLite database as a store: ``sqlite:PATH``."""

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import trio

from trio_finger.store._interface import Store, StoreError
from trio_finger.store._sqlite_schema import check, connect, create, prepare
from trio_finger.store._sqlite_store import SqliteStore, prune
from trio_finger.store._sqlite_thread import Connection, GiveWay, words

# What closing may take at most: emptying the write-ahead log into the database. When that
# is not done in time, it is done at the next opening.
_CLOSE_SECONDS = 5


def sqlite_files(path: Path) -> list[Path]:
    """Return the files that a store at *path* may have: the database, and those beside it.

    Symbolic links are followed, as SQLite does, so these are where the links lead.
    """
    path = Path(os.path.realpath(path))
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm", ".lock")]


@asynccontextmanager
async def open_sqlite(path: Path, *, history: int, sole: bool) -> AsyncIterator[Store]:
    """Open the store in the database at *path* for the length of an ``async with``.

    When it is open, every file is, and none is opened later: privileges may be dropped.

    Args:
      path: where the database is, or shall be.
      history: how many statuses of each user are remembered.
      sole: whether to refuse when another does so, too.

    Raises:
      StoreError: it cannot be opened; ``str()`` of it says what to do.
    """
    resources, writer, reader = await trio.to_thread.run_sync(_open, path, history, sole)
    way = GiveWay()
    trio.lowlevel.add_instrument(way)
    try:
        yield SqliteStore(Connection(writer, path, way), Connection(reader, path, way), history)
    finally:
        trio.lowlevel.remove_instrument(way)
        # A thread cannot be stopped, only be left to itself.
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            await trio.to_thread.run_sync(resources.close, abandon_on_cancel=True)


def _open(
    path: Path, history: int, sole: bool
) -> tuple[ExitStack, sqlite3.Connection, sqlite3.Connection]:
    """Open the database at *path*.

    Returns:
      What closes it, a connection for writing, and one for reading.
    """
    with ExitStack() as stack:
        try:
            path, log, index, lock = sqlite_files(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if sole:
                stack.enter_context(_sole(path, lock))
            for file in path, log, index:
                _see_that_we_may_write(file)
            check(path)
            create(path)
            writer = stack.enter_context(closing(connect(path, "rw")))
            prepare(writer, path, sole=sole)
            if sole:
                prune(writer, history)
                stack.callback(_empty_log, writer)
            reader = stack.enter_context(closing(connect(path, "rw")))
            reader.execute("PRAGMA query_only = ON")
            for connection in writer, reader:
                # A connection opens the write-ahead log and its index when it first reads.
                connection.execute("SELECT 1 FROM told LIMIT 1").fetchall()
            _sync_folder(path.parent)
        except (sqlite3.Error, OSError, ValueError) as error:  # a NUL in the path
            raise StoreError(f"{path} cannot be opened: {words(error, path)}") from error
        return stack.pop_all(), writer, reader


@contextmanager
def _sole(path: Path, lock: Path) -> Iterator[None]:
    """Hold the file *lock*, which says that *path* has its daemon.

    It is a file of its own because closing the database's would take SQLite's locks away,
    and it stays, because whoever holds one that was removed holds nothing.
    """
    # Not through a link: whoever may write in the folder could point it anywhere, and we
    # may be root.
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            # The kernel lets go of it when this process ends, in whatever way.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            who = f"another daemon (pid {pid})" if pid.isdecimal() else "another daemon"
            raise StoreError(
                f"{who} uses {path}; stop it, or name another place for the store"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(descriptor)


def _see_that_we_may_write(file: Path) -> None:
    # SQLite goes on with a file that it may only read, makes those beside it unwritable,
    # too, and complains of none by name.
    if file.exists() and not os.access(file, os.R_OK | os.W_OK, effective_ids=True):
        raise StoreError(
            f"{file} is read-only, or is another user's; let our user read and write it"
        )


def _sync_folder(folder: Path) -> None:
    """Keep it for good that there are new files in *folder*."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty_log(connection: sqlite3.Connection) -> None:
    # What cannot be done now is done at the next opening; nothing is lost.
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
