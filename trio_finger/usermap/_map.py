"""The user map: what everybody reads, and what people set.

Reads never wait: they are look-ups in plain memory, and Trio switches tasks only at an
``await``. Writes hold the lock from reading what is there until the store has kept
what shall be there, so whatever was answered ``ok`` is kept, in one order, and every
subscriber hears of it in that order.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial as bind
from typing import NoReturn

import trio

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import fold
from trio_finger.store import Past, Store
from trio_finger.usermap._asking import is_secret, understand
from trio_finger.usermap._caller import Caller
from trio_finger.usermap._current import Current
from trio_finger.usermap._feed import FEED_SIZE, Change
from trio_finger.usermap._gathering import Gathering
from trio_finger.usermap._keeper import keep, take_back_ended
from trio_finger.usermap._listing import Listing
from trio_finger.usermap._pace import Pace
from trio_finger.usermap._recent import PAST_SIZE, Recent
from trio_finger.usermap._status import Status
from trio_finger.usermap._takeover import Report, TakeOver, say_nothing
from trio_finger.usermap._tokens import find_bearer


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
        self._store = store
        self._clock = clock
        self._lock = trio.Lock()
        self._turns = trio.Lock()  # one file after the other
        self._current = Current(clock, may_hide=may_hide)
        self._layers = self._current.layers
        self._at_hand = self._layers.at_hand
        self._gathering = Gathering(store, self._current, self._lock, clock, create=create)

    @property
    def create(self) -> bool:
        """Whether a status may be set for a name that the users file lacks."""
        return self._gathering.create

    @create.setter
    def create(self, create: bool) -> None:
        self._gathering.create = create

    async def load(self) -> None:
        """Take over what the store has kept from an earlier run.

        Raises:
          StoreError: the store cannot tell.
        """
        async with self._lock:
            pace = Pace()
            recent = self._current.recent
            recent.seed(await self._store.latest(PAST_SIZE))  # first: its numbers are the lowest
            self._current.remembered.update(await self._store.remembered())
            with recent.paused():
                for told in await self._store.load():
                    self._current.put(fold(told.name), [told])
                    await pace.did(5)

    # Reading

    def get(self, name: str) -> Status | None:
        """Return what *name*, in any spelling, is up to; ``None`` for no such user."""
        key = fold(name)
        return self._at_hand.get(key) or self._layers.look_up(key)

    def profile(self, name: str) -> Profile:
        """Return the profile of a user whom `get` knows, with the plan that holds."""
        return self._layers.profile(fold(name))

    def own(self, caller: Caller) -> Status | None:
        """Return what *caller* is up to as they may know it, be they hidden or not."""
        return None if caller.name is None else self._layers.status(fold(caller.name))

    def is_hidden(self, name: str) -> bool:
        """Whether *name* exists for themselves and the operator alone."""
        return self._layers.is_hidden(fold(name))

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[Status]:
        """Iterate over everybody's status, in the order of their folded names.

        Whoever iterates may take as long as they like, and let others run between any two
        users: it goes on with whoever comes next by then. So everybody is among them who
        was there all the time, and nobody twice.
        """
        return iter(self._current)

    def named(self, word: str, limit: int) -> list[Status]:
        """Return those in whose full name *word* is a word, in the order of iteration.

        Args:
          word: compared as names are; punctuation around it says nothing.
          limit: how many to return at most.
        """
        return self._current.named(word, limit)

    async def history(self, name: str) -> list[Past]:
        """Return the statuses that were set for a user, the newest first.

        Raises:
          StoreError: the store cannot tell.
        """
        # Of the many who never set anything, the store need not be asked.
        if self.get(name) is None or fold(name) not in self._current.remembered:
            await trio.lowlevel.checkpoint()
            return []
        return await self._store.history(name)

    def subscribe(
        self, size: int = FEED_SIZE
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[Change]]:
        """Receive every change from now on; see `ChangeFeed.subscribe`."""
        return self._current.feed.subscribe(size)

    @property
    def last_change(self) -> int:
        """The number of the newest change, or of when this was loaded; 0 without either."""
        return self._current.recent.last

    def changes_since(
        self, number: int, keys: Collection[str] | None = None, limit: int = PAST_SIZE
    ) -> Recent:
        """Return the changes after that of *number*, as far as they are remembered.

        Who subscribes, and asks this before the next ``await``, misses nothing.

        Args:
          number: of the last change that is known already.
          keys: the folded names of those whose changes are asked for; ``None`` for everybody.
          limit: how many to return at most: the oldest.
        """
        return self._current.recent.since(number, keys, limit)

    def remembers(self, number: int) -> bool:
        """Whether `changes_since` returns all there were after the change of that *number*."""
        return self._current.recent.reaches(number)

    def latest(self, limit: int) -> list[Change]:
        """Return the newest statuses of users who are there, the newest first."""
        return self._current.recent.latest(limit)

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
        await self._gathering.settle(ask)
        if is_secret(ask, self._layers):
            return Status(ask.name, ask.status or "", self._clock(), ask.until)
        return self._layers.status(ask.key)

    async def take_over(
        self, listing: Listing, *, partial: bool = False, report: Report = say_nothing
    ) -> int:
        """Take *listing* for what the users file says now.

        A line that says what it said before keeps its `Status.since`. Where a line
        was added, edited or removed, whatever a person had set over it is over.

        Readers go on meanwhile, and see one user after the other change. Who sets something
        waits while the differences are applied, not while they are being found.

        Args:
          listing: what the file says; not to be used any more.
          partial: the file has faults, any of which may stand for somebody who was listed
            before. So nobody is taken for removed; whoever is missing is as they were.
          report: hears now and then how much of how much has been done.

        Returns:
          How many users changed.

        Raises:
          StoreError: what is over could not be dropped. Nothing has changed.
        """
        async with self._turns:
            new = TakeOver(listing, self._current, partial=partial, report=report)
            await new.compare()
            async with self._lock:
                with self._current.new_file():
                    return await new.apply(bind(keep, self._store))

    async def replace_file(
        self,
        listed: Mapping[str, Status],
        profiles: Mapping[str, Profile] | None = None,
        *,
        partial: bool = False,
    ) -> int:
        """Do the same with a file that is small enough to be in memory as a whole.

        Args:
          listed: everybody whom the file names, under their folded names.
          profiles: what it says of them besides, likewise, where it says something.
          partial: as with `take_over`.

        Returns:
          How many users changed.

        Raises:
          StoreError: what is over could not be dropped. Nothing has changed.
        """
        return await self.take_over(Listing.of(listed, profiles or {}), partial=partial)

    async def expire(self) -> NoReturn:
        """Take statuses back when their end has come, for ever: cancel this to stop."""
        await take_back_ended(self._current, self._store, self._lock, self._clock)
