"""From the address in the configuration to an open store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from trio_finger.store._interface import Store, StoreError
from trio_finger.store._memory import MemoryStore
from trio_finger.store._sqlite import open_sqlite, sqlite_files

DEFAULT_HISTORY = 100  # statuses a user


@asynccontextmanager
async def open_store(
    url: str, *, history: int = DEFAULT_HISTORY, sole: bool = True
) -> AsyncIterator[Store]:
    """Open the store at *url* (``KIND:REST``) for the length of an ``async with``.

    Args:
      url: ``memory:``, or ``sqlite:PATH``.
      history: how many statuses of each user are remembered.
      sole: this is the daemon's own use of the store, and there may be only one such.
        A command that looks after tokens beside a daemon says ``False``.

    Raises:
      StoreError: it cannot be opened.
    """
    kind, _, rest = url.partition(":")
    match kind:
        case "memory":
            yield MemoryStore(history)
        case "sqlite":
            if not rest:
                raise StoreError("sqlite: names no file; say sqlite:PATH")
            async with open_sqlite(Path(rest), history=history, sole=sole) as store:
                yield store
        case _:
            raise StoreError(f"there is no store of the kind {kind!r}")


def store_files(url: str) -> list[Path]:
    """Return the files of the store at *url*, the chief one first; some may not be there."""
    kind, _, rest = url.partition(":")
    return sqlite_files(Path(rest)) if kind == "sqlite" else []
