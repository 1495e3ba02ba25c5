"""Having the store keep what was told, and take back what has ended."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, NoReturn

import trio

from trio_finger.log import get_log
from trio_finger.store import Dropped, Store, StoreError, Told
from trio_finger.usermap._current import Current

# How long a store may take: a shield must have an end. (A thread that waits for a disk
# cannot be cut off, and takes what it takes.)
_KEEP_SECONDS: Final = 30

# How many statuses that end together are taken back before others may write.
_AT_ONCE: Final = 500

log = get_log("users")


async def keep(store: Store, writes: Sequence[Told | Dropped]) -> None:
    """Have *store* keep *writes*, for whoever asked, whatever becomes of this task.

    Raises:
      StoreError: they could not be kept.
    """
    if not writes:
        return
    with trio.move_on_after(_KEEP_SECONDS, shield=True) as scope:
        await store.write(writes)
    if scope.cancelled_caught:
        raise StoreError("the store does not answer")


async def take_back_ended(
    current: Current, store: Store, lock: trio.Lock, clock: Callable[[], datetime]
) -> NoReturn:
    """Take statuses back when their end has come, for ever: cancel this to stop."""
    while True:
        await current.ends.wait_for_next(clock)
        async with lock:
            over: list[Told | Dropped] = []
            for key in islice(current.ends.pop_due(clock()), _AT_ONCE):
                over.append(Dropped(current.layers.told["status"][key].name))
                current.put(key, over[-1:])
            try:
                await keep(store, over)
            except StoreError as error:
                # No reader sees them any more, and the next start finds them ended.
                log.warning("ended statuses not cleared away", reason=str(error))
