"""What is in a database of ours, and how to tell that a file is none."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from trio_finger.store._interface import StoreError
from trio_finger.store._sqlite_migrations import MIGRATIONS

# Stands in the header of every database of ours: "TrFg". `file` and others can tell.
APPLICATION_ID = 0x54724667

# How long another program may hold the database before we give up.
_BUSY_SECONDS = 2

# Small pages, since a status is small and all of a page is written for it: up to a quarter
# faster than with 4 KiB. It takes effect when a database is made.
_PAGE_BYTES = 1024

# The write-ahead log is emptied into the database when it has grown to this size.
_CHECKPOINT_PAGES = 16_000  # of `_PAGE_BYTES` each

# After something large was written at once, the log is cut back to this size.
_LOG_BYTES = 64 * 1024 * 1024


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Connect to the file at *path*, which must be there.

    Args:
      path: absolute.
      mode: ``ro`` to read it alone, ``rw`` to write it, too.

    Raises:
      sqlite3.Error: it cannot be opened. Much that is wrong shows only at its first use.
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,  # transactions begin and end where we say so
        check_same_thread=False,
    )
    # Before privileges are dropped and after, no folder for temporary files is needed.
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all that is done inside, for good, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def check(path: Path) -> None:
    """See that the file at *path* is a sound database of ours, or is yet to become one.

    It is only read: what we refuse stays as it is.

    Raises:
      StoreError: it is something else, is damaged, or was written by a newer version.
      sqlite3.Error: it cannot be read.
      OSError: the same.
    """
    # Opening the file to look would be simpler, but closing it again would take the locks
    # of every connection that this process has to it: see "How To Corrupt An SQLite
    # Database File", 2.2.
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"{path} is not a regular file; name another place for the store")
    if not status.st_size:
        return
    if status.st_size == 1:  # SQLite would take it for an empty one
        raise _no_database(path)
    try:
        _check(path, "ro")
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", None):
            case sqlite3.SQLITE_NOTADB:
                raise _no_database(path) from error
            case int(code) if code & 0xFF == sqlite3.SQLITE_CORRUPT:
                raise _damaged(path, str(error)) from error
            case sqlite3.SQLITE_READONLY_ROLLBACK:
                # A crash before there was a write-ahead log, so the first time ever. Nobody
                # can read such a file before what was begun is taken back.
                _check(path, "rw")
            case _:
                raise


def _check(path: Path, mode: str) -> None:
    with closing(connect(path, mode)) as connection:
        application = _number(connection, "PRAGMA application_id")
        version = _number(connection, "PRAGMA user_version")
        tables = _number(connection, "SELECT count(*) FROM sqlite_master")
        if application != APPLICATION_ID and (application or version or tables):
            raise StoreError(
                f"{path} is the database of another program; name another place for the store"
            )
        if not version and tables:
            raise _damaged(path, "it has no version")
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{path} was written by a newer trio-finger: its version is {version}, and the "
                f"newest known here is {len(MIGRATIONS)}; run that one, or name another place "
                "for the store"
            )
        # What is missing of the last page would be read as zeros. While there is a log, a
        # part of it may be all that a power cut let through, and the log has the whole.
        log = path.with_name(f"{path.name}-wal")
        rest = path.stat().st_size % _number(connection, "PRAGMA page_size")
        if rest and not (log.exists() and log.stat().st_size):
            raise _damaged(path, "its end is missing")
        (words,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if words != "ok":
            raise _damaged(path, str(words))


def _no_database(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not a database; move it away, or name another place for the store"
    )


def _damaged(path: Path, words: str) -> StoreError:
    words = " ".join(words.split())
    return StoreError(
        f"{path} is damaged ({words}); bring back a copy, or move it away to begin with none"
    )


def create(path: Path) -> None:
    """Make an empty file at *path* if there is none, for us alone: it will hold tokens.

    SQLite gives the files beside it the same permissions.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)


def prepare(connection: sqlite3.Connection, path: Path, *, sole: bool) -> None:
    """Make what *connection* is connected to a database of the newest version.

    Args:
      path: where it is.
      sole: nobody else uses it who might know only the version that is there.

    Raises:
      StoreError: it cannot become one.
      sqlite3.Error: the same.
    """
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA synchronous = FULL")  # what has returned survives a power cut
    version = _number(connection, "PRAGMA user_version")
    if 0 < version < len(MIGRATIONS) and not sole:
        raise StoreError(
            f"{path} was written by an older trio-finger; start the daemon of this version first"
        )
    migrate(connection, MIGRATIONS)
    if _log_ahead(connection) != "wal":
        raise StoreError(f"{path}: this file system cannot hold a write-ahead log; use a local one")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")


def _log_ahead(connection: sqlite3.Connection) -> str:
    """Turn the write-ahead log on, and return what kind of journal there is then."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:
            # Two that turn it on in a new database at once are in each other's way, and for
            # this SQLite does not wait by itself.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]]) -> None:
    """Do those of *migrations* that have not been done, all of them or none.

    Raises:
      sqlite3.Error: one of them failed, or the database cannot be written.
    """
    with transaction(connection):
        # Read in here, since another process may have been faster.
        version = _number(connection, "PRAGMA user_version")
        if version >= len(migrations):
            return
        for migration in migrations[version:]:
            for statement in migration:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _number(connection: sqlite3.Connection, query: str) -> int:
    (number,) = connection.execute(query).fetchone()
    return int(number)
