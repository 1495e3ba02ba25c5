"""From the address in the configuration to an open store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trio_finger.store._interface import Store, StoreError
from trio_finger.store._memory import MemoryStore


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open the store at *url* (``KIND:REST``) for the length of an ``async with``.

    Raises:
      StoreError: it cannot be opened.
    """
    kind, _, _ = url.partition(":")
    match kind:
        case "memory":
            yield MemoryStore()
        case _:
            raise StoreError(f"there is no store of the kind {kind!r}")
