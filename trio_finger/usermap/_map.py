"""The user map: what the users file says, what people set over it, and which wins.

Two layers lie over each other. Below is what the users file says, replaced as a
whole when the file is read again. Above is what people set. A status that was set
remembers what the file said at that moment, and holds until the file says something
else; so `_told` holds just those that are in force, and reading is one look-up in
each layer.

Reads never wait: they are plain look-ups, and Trio switches tasks only at an
``await``. Writes hold the lock from reading what is there until the store has kept
what shall be there, so whatever was answered ``ok`` is kept, in one order, and every
subscriber hears of it in that order.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import trio

from trio_finger.protocol.text import TextError, fold, parse_name, parse_status
from trio_finger.store import Store, Told
from trio_finger.usermap._feed import FEED_SIZE, Change, ChangeFeed
from trio_finger.usermap._status import Status

# Work on a whole map of users is done in slices of this many, about a millisecond,
# with a checkpoint between them, so that queries go on meanwhile.
_SLICE = 500


# How many statuses may be set at one time. Who may set at all may set anybody's, and
# must still not fill the memory.
MAX_TOLD = 1_000_000


class RefusedError(Exception):
    """A status may not be set or cleared; ``str()`` of it says why, fit to show."""


def _now() -> datetime:
    return datetime.now(UTC)


class UserMap:
    """Who is there and what they are up to.

    Args:
      store: keeps what people set.
      create: whether a status may be set for a name that the users file lacks.
      clock: tells the time (UTC) at which a status was set.
    """

    def __init__(
        self, store: Store, *, create: bool = True, clock: Callable[[], datetime] = _now
    ) -> None:
        self.create = create
        self._store = store
        self._clock = clock
        self._lock = trio.Lock()
        self._feed = ChangeFeed()
        self._file: dict[str, Status] = {}
        self._told: dict[str, Told] = {}

    async def load(self) -> None:
        """Take over what the store has kept from an earlier run.

        Raises:
          StoreError: the store cannot tell.
        """
        async with self._lock:
            self._told = {fold(told.name): told for told in await self._store.load()}

    # Reading

    def get(self, name: str) -> Status | None:
        """Return what *name*, in any spelling, is up to; ``None`` for no such user."""
        return self._in_force(fold(name))

    def __len__(self) -> int:
        return len(self._file.keys() | self._told.keys())

    def __iter__(self) -> Iterator[Status]:
        """Iterate over everybody's status, in the order of their folded names."""
        for key in sorted(self._file.keys() | self._told.keys()):
            status = self._in_force(key)
            if status is not None:
                yield status

    def subscribe(
        self, size: int = FEED_SIZE
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[Change]]:
        """Receive every change from now on; see `ChangeFeed.subscribe`."""
        return self._feed.subscribe(size)

    def _in_force(self, key: str) -> Status | None:
        listed = self._file.get(key)
        told = self._told.get(key)
        if told is None:
            return listed
        return Status(listed.name if listed else told.name, told.text, told.since)

    # Writing

    async def tell(self, name: str, text: str) -> Status:
        """Set the status of *name* to *text*, and return it once it is kept.

        Raises:
          RefusedError: *name* or *text* cannot be one, or *name* may not be set.
          StoreError: it could not be kept. Nothing has changed.
        """
        try:
            name, text = parse_name(name), parse_status(text)
        except TextError as error:
            raise RefusedError(str(error)) from None
        key = fold(name)
        async with self._lock:
            listed = self._file.get(key)
            if listed is None and not self.create:
                raise RefusedError("only users whom the users file names can be set")
            if key not in self._told and len(self._told) >= MAX_TOLD:
                raise RefusedError("too many statuses are set already")
            before = self._in_force(key)
            told = Told(
                name=before.name if before else name,
                text=text,
                since=self._clock(),
                over=listed.text if listed else None,
            )
            await self._store.keep(told)
            self._told[key] = told
            self._publish(key, before)
            return Status(told.name, text, told.since)

    async def clear(self, name: str) -> Status | None:
        """Go back to what the users file says of *name*, and return that.

        Raises:
          RefusedError: there is no such user.
          StoreError: it could not be kept. Nothing has changed.
        """
        key = fold(name)
        async with self._lock:
            before = self._in_force(key)
            if before is None:
                raise RefusedError("no such user")
            if key in self._told:
                await self._store.drop([before.name])
                del self._told[key]
                self._publish(key, before)
            return self._in_force(key)

    async def replace_file(self, listed: Mapping[str, Status]) -> int:
        """Take *listed* for what the users file says now.

        A line that says what it said before keeps its `Status.since`. Where a line
        was added, edited or removed, whatever a person had set over it is over.

        Args:
          listed: everybody whom the file names, under their folded names.

        Returns:
          How many users changed.

        Raises:
          StoreError: what is over could not be dropped. Nothing has changed.
        """
        async with self._lock:
            file: dict[str, Status] = {}
            changed: list[str] = []
            for count, (key, status) in enumerate(listed.items()):
                if count % _SLICE == 0:
                    await trio.lowlevel.checkpoint()
                before = self._file.get(key)
                if before is not None and before.text == status.text:
                    status = Status(status.name, before.text, before.since)
                if status != before:
                    changed.append(key)
                file[key] = status
            changed += self._file.keys() - file.keys()

            over = [
                key
                for key, told in self._told.items()
                if told.over != (file[key].text if key in file else None)
            ]
            if over:
                await self._store.drop([self._told[key].name for key in over])

            # From here to the end nothing waits: readers see the old or the new.
            old = {key: self._in_force(key) for key in changed + over}
            self._file = file
            for key in over:
                del self._told[key]
            return sum(self._publish(key, before) for key, before in old.items())

    def _publish(self, key: str, before: Status | None) -> bool:
        """Tell the subscribers what holds now for *key*, and return whether that is new."""
        status = self._in_force(key)
        either = status or before
        if either is None or status == before:
            return False
        self._feed.publish(Change(either.name, status))
        return True
