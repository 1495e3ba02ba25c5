"""Having kept, in one go, what many ask for.

The map's lock gathers: whoever gets it has the store keep everything that was asked for
while the one before had it. A disk takes as long for one status as for a hundred, so a
crowd of setters does not wait in line for it.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import trio

from trio_finger.store import Dropped, Store, StoreError, Told
from trio_finger.usermap._asking import Ask, RefusedError, decide
from trio_finger.usermap._current import Current
from trio_finger.usermap._keeper import keep


class Gathering:
    """Everybody who waits for something to be kept.

    Args:
      store: keeps it.
      current: goes by it then.
      lock: is held by whoever changes *current*.
      clock: tells the time (UTC).
      create: whether a status may be set for a name that the users file lacks.
    """

    def __init__(
        self,
        store: Store,
        current: Current,
        lock: trio.Lock,
        clock: Callable[[], datetime],
        *,
        create: bool,
    ) -> None:
        self.create = create
        self._store = store
        self._current = current
        self._lock = lock
        self._clock = clock
        self._asks: list[Ask] = []  # no more than there are connections

    async def settle(self, ask: Ask) -> None:
        """Return once what *ask* asks for is kept, and holds.

        Raises:
          RefusedError: what there is does not allow it.
          StoreError: it could not be kept.
        """
        self._asks.append(ask)
        try:
            async with self._lock:
                while not ask.settled:
                    await self._settle()
        finally:
            with suppress(ValueError):
                self._asks.remove(ask)  # still there if this was cancelled
        if ask.error is not None:
            raise ask.error

    async def _settle(self) -> None:
        """Have the first ask of every user kept, or refused; the lock is held."""
        batch: dict[str, Ask] = {}
        for ask in self._asks:
            batch.setdefault(ask.key, ask)

        writes: dict[str, list[Told | Dropped]] = {}
        moments: dict[str, datetime] = {}
        for key, ask in batch.items():
            now = moments[key] = self._clock()
            try:
                writes[key] = decide(ask, self._current.layers, create=self.create, now=now)
            except RefusedError as error:
                ask.error = error
        try:
            await keep(self._store, [write for some in writes.values() for write in some])
        except StoreError as error:
            for key in writes:
                batch[key].error = StoreError(str(error))
        else:
            for key, some in writes.items():
                self._current.put(key, some, moments[key])
        for ask in batch.values():
            ask.settled = True
        # What a fault has kept from being settled is still there, for the next to try.
        self._asks = [ask for ask in self._asks if not ask.settled]
