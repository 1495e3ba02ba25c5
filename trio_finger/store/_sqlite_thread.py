"""A connection to SQLite, used from a thread, and errors in words."""

import errno
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from trio_finger.store._interface import StoreError

_T = TypeVar("_T")

# The kernel makes it some 0.07 ms, by the slack of its timers.
_WAY_SECONDS = 0.00002


class GiveWay(trio.abc.Instrument):
    """Lets our threads have the interpreter while the loop has no pause.

    A thread needs the interpreter's lock after every statement. It waits for the loop to
    let go of it, and a loop under load does so often, but for microseconds: it has taken
    the lock again before the thread is awake. (The interpreter forces it to hand over
    only when it has held the lock for 5 ms on end.) Measured: without this, 64 statuses
    took 50 to 700 ms to keep while queries came without a pause, and minutes when the loop
    only computed; with it, 3 ms.
    """

    def __init__(self) -> None:
        self.threads = 0

    def before_io_wait(self, timeout: float) -> None:
        if self.threads and timeout <= 0:
            time.sleep(_WAY_SECONDS)


class Connection:
    """A connection that one thread at a time uses.

    Args:
      connection: may be used from any thread.
      path: its database.
      way: is told when a thread is at work.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, way: GiveWay) -> None:
        self._connection = connection
        self._path = path
        self._way = way
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, purpose: str, function: Callable[[sqlite3.Connection], _T]) -> _T:
        """Call *function* with the connection, in a thread, and return what it returns.

        When this is cancelled, the function is done to its end or is never begun.

        Args:
          purpose: for the words of an error: ``kept``, or ``read``.

        Raises:
          StoreError: *function* raised an error of SQLite or of the system.
        """
        async with self._limiter:
            self._way.threads += 1
            try:
                return await trio.to_thread.run_sync(function, self._connection)
            except (sqlite3.Error, OSError) as error:
                raise StoreError(f"cannot be {purpose}: {words(error, self._path)}") from error
            finally:
                self._way.threads -= 1


def words(error: Exception, path: Path) -> str:
    """Say what *error*, of SQLite or of the system, means for the database at *path*."""
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return "the disk is full"
        return error.strerror or str(error)
    code: int = getattr(error, "sqlite_errorcode", 0)
    match code & 0xFF:  # beyond that is what led to it
        case sqlite3.SQLITE_FULL:
            return "the disk is full"
        case sqlite3.SQLITE_READONLY:
            return f"{path} is read-only"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"another program has locked {path}"
        case sqlite3.SQLITE_CANTOPEN:
            return f"our user may not read and write {path} and the folder that it is in"
        case _:
            return str(error)
