"""The user map: what everybody reads, and what people set.

Reads never wait: they are look-ups in plain memory, and Trio switches tasks only at an
``await``. Writes hold the lock from reading what is there until the store has kept
what shall be there, so whatever was answered ``ok`` is kept, in one order, and every
subscriber hears of it in that order.

The lock also gathers: whoever gets it has the store keep, in one go, everything that was
asked for while the one before had it. A disk takes as long for one status as for a
hundred, so a crowd of setters does not wait in line for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn

import trio

from trio_finger.log import get_log
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import fold
from trio_finger.store import Dropped, Past, Store, StoreError, Told
from trio_finger.usermap._asking import Ask, RefusedError, decide, is_secret, understand
from trio_finger.usermap._caller import Caller
from trio_finger.usermap._ends import Ends
from trio_finger.usermap._feed import FEED_SIZE, Change, ChangeFeed
from trio_finger.usermap._layers import Layers
from trio_finger.usermap._status import Status
from trio_finger.usermap._tokens import find_bearer

# Work on a whole map of users is done in slices of this many, about a millisecond,
# with a checkpoint between them, so that queries go on meanwhile.
_SLICE = 500

# How long a store may take: a shield must have an end. (A thread that waits for a disk
# cannot be cut off, and takes what it takes.)
_KEEP_SECONDS = 30

log = get_log("users")


def _now() -> datetime:
    return datetime.now(UTC)


class UserMap:
    """Who is there and what they are up to.

    Args:
      store: keeps what people set.
      create: whether a status may be set for a name that the users file lacks.
      may_hide: whether the users file can hide users. Until it has been read then, nobody
        is shown who may turn out to be hidden.
      clock: tells the time (UTC).
    """

    def __init__(
        self,
        store: Store,
        *,
        create: bool = True,
        may_hide: bool = False,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self.create = create
        self._store = store
        self._clock = clock
        self._lock = trio.Lock()
        self._feed = ChangeFeed()
        self._layers = Layers(
            {"status": {}, "plan": {}}, clock, {}, {}, partial=True, may_hide=may_hide
        )
        self._asks: list[Ask] = []  # no more than there are connections
        self._ends = Ends()

    async def load(self) -> None:
        """Take over what the store has kept from an earlier run.

        Raises:
          StoreError: the store cannot tell.
        """
        async with self._lock:
            for count, told in enumerate(await self._store.load()):
                if count % _SLICE == 0:
                    await trio.lowlevel.checkpoint()
                self._put(fold(told.name), [told])

    # Reading

    def get(self, name: str) -> Status | None:
        """Return what *name*, in any spelling, is up to; ``None`` for no such user."""
        return self._layers.visible(fold(name))

    def profile(self, name: str) -> Profile:
        """Return the profile of a user whom `get` knows, with the plan that holds."""
        return self._layers.profile(fold(name))

    def is_hidden(self, name: str) -> bool:
        """Whether *name* exists for themselves and the operator alone."""
        return self._layers.is_hidden(fold(name))

    def __len__(self) -> int:
        return self._layers.count()

    def __iter__(self) -> Iterator[Status]:
        """Iterate over everybody's status, in the order of their folded names."""
        for key in self._layers.everybody():
            status = self._layers.visible(key)
            if status is not None:
                yield status

    async def history(self, name: str) -> list[Past]:
        """Return the statuses that were set for a user, the newest first.

        Raises:
          StoreError: the store cannot tell.
        """
        return [] if self.get(name) is None else await self._store.history(name)

    def subscribe(
        self, size: int = FEED_SIZE
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[Change]]:
        """Receive every change from now on; see `ChangeFeed.subscribe`."""
        return self._feed.subscribe(size)

    async def identify(self, token: str) -> Caller | None:
        """Return who bears *token*, as the store knows it this moment; ``None`` if nobody may.

        Raises:
          StoreError: the store cannot tell.
        """
        found = await find_bearer(self._store, token, self._clock())
        return None if found is None else Caller(found.name)

    # Writing

    async def set(self, request: SetRequest, *, by: Caller) -> Status | None:
        """Do what *request* asks for, and return what holds now, once that is kept.

        Returns:
          The status as *by* may know it; ``None`` where there is no such user any more.

        Raises:
          RefusedError: it makes no sense, or *by* may not have it done.
          StoreError: it could not be kept, and what held before still does.
        """
        ask = understand(request, by, self._clock())
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
        if is_secret(ask, self._layers):
            return Status(ask.name, ask.status or "", self._clock(), ask.until)
        return self._layers.status(ask.key)

    async def _settle(self) -> None:
        """Have the first ask of every user kept, or refused; the lock is held."""
        batch: dict[str, Ask] = {}
        for ask in self._asks:
            batch.setdefault(ask.key, ask)

        writes: dict[str, list[Told | Dropped]] = {}
        for key, ask in batch.items():
            try:
                writes[key] = decide(ask, self._layers, create=self.create, now=self._clock())
            except RefusedError as error:
                ask.error = error
        try:
            await self._keep([write for some in writes.values() for write in some])
        except StoreError as error:
            for key in writes:
                batch[key].error = StoreError(str(error))
        else:
            for key, some in writes.items():
                self._put(key, some)
        for ask in batch.values():
            ask.settled = True
        # What a fault has kept from being settled is still there, for the next to try.
        self._asks = [ask for ask in self._asks if not ask.settled]

    async def _keep(self, writes: list[Told | Dropped]) -> None:
        """Have the store keep *writes*, for whoever asked, whatever becomes of this task."""
        if not writes:
            return
        with trio.move_on_after(_KEEP_SECONDS, shield=True) as scope:
            await self._store.write(writes)
        if scope.cancelled_caught:
            raise StoreError("the store does not answer")

    async def replace_file(
        self,
        listed: Mapping[str, Status],
        profiles: Mapping[str, Profile] | None = None,
        *,
        partial: bool = False,
    ) -> int:
        """Take *listed* for what the users file says now.

        A line that says what it said before keeps its `Status.since`. Where a line
        was added, edited or removed, whatever a person had set over it is over.

        Args:
          listed: everybody whom the file names, under their folded names.
          profiles: what it says of them besides, likewise, where it says something.
          partial: the file has faults, any of which may stand for somebody who was listed
            before. So nobody is taken for removed; whoever is missing is as they were.

        Returns:
          How many users changed.

        Raises:
          StoreError: what is over could not be dropped. Nothing has changed.
        """
        known = dict(profiles or {})
        async with self._lock:
            old = self._layers
            file: dict[str, Status] = {}
            changed: dict[str, list[Dropped]] = {}
            for count, (key, status) in enumerate(listed.items()):
                if count % _SLICE == 0:
                    await trio.lowlevel.checkpoint()
                before = old.file.get(key)
                if before is not None and before.text == status.text:
                    status = Status(status.name, before.text, before.since)
                if status != before or known.get(key) != old.profiles.get(key):
                    changed[key] = []
                file[key] = status
            missing = old.file.keys() - file.keys()
            if partial:
                file |= {key: old.file[key] for key in missing}
                known |= {key: old.profiles[key] for key in missing & old.profiles.keys()}
            else:
                changed |= {key: [] for key in missing}

            new = old.over(file, known, partial=partial)
            changed |= new.outdated()
            await self._keep([write for writes in changed.values() for write in writes])

            # From here to the end nothing waits: readers see the old or the new.
            heard = {key: old.announced(key) for key in changed}
            self._layers = new
            return sum(self._change(key, writes, heard[key]) for key, writes in changed.items())

    # Ends

    async def expire(self) -> NoReturn:
        """Take statuses back when their end has come, for ever: cancel this to stop."""
        while True:
            await self._ends.wait_for_next(self._clock)
            async with self._lock:
                await self._take_back()

    async def _take_back(self) -> None:
        """Take back some of what has ended; the lock is held."""
        over: list[Told | Dropped] = []
        for key in islice(self._ends.pop_due(self._clock()), _SLICE):
            over.append(Dropped(self._layers.told["status"][key].name))
            self._put(key, over[-1:])
        try:
            await self._keep(over)
        except StoreError as error:
            # No reader sees them any more, and the next start finds them ended.
            log.warning("ended statuses not cleared away", reason=str(error))

    # Both layers and the feed

    def _put(self, key: str, writes: Sequence[Told | Dropped]) -> None:
        """Go by *writes*, which are kept, and tell whoever subscribed."""
        self._change(key, writes, self._layers.announced(key))

    def _change(self, key: str, writes: Sequence[Told | Dropped], before: Status | None) -> bool:
        """Do so, where *before* is what they heard last; return whether there was news."""
        self._layers.put(key, writes)
        for write in writes:
            if write.field == "status":
                self._ends.put(key, write.until if isinstance(write, Told) else None)
        status = self._layers.announced(key)
        either = status or before
        if either is None or status == before:
            return False
        self._feed.publish(Change(either.name, status))
        return True
