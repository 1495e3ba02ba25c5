"""User maps to test: files, clocks and stores for them, and what one asks of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import trio

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import fold
from trio_finger.store import Dropped, MemoryStore, Store, StoreError, Told
from trio_finger.usermap import ANYBODY, Caller, Change, Status, UserMap

START = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
MODIFIED = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
YEAR = timedelta(days=365)
LISTED = Status("moshez", "A", MODIFIED)

Write = Callable[[UserMap], Awaitable[object]]


def stopped_clock() -> datetime:
    """Tell the time, which is always the same."""
    return START


class WallClock:
    """A clock that goes as Trio's does, from `START` if that is a mock clock, and can be set.

    Attributes:
      ahead: how much later it is than it would be if nobody had set it.
    """

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=trio.current_time()) + self.ahead


class FailingStore(MemoryStore):
    """A store that can be told to fail, and then keeps nothing and forgets nothing."""

    failing = False

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        if self.failing:
            raise StoreError("the disk is full")
        await super().write(writes)


class SlowStore(FailingStore):
    """A store that writes only when it is let, and remembers what it was asked to write."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[Told | Dropped]] = []
        self._steps = trio.Semaphore(0)

    def let(self, writes: int = 1000) -> None:
        """Let it get done with so many writes."""
        for _ in range(writes):
            self._steps.release()

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        self.asked.append(list(writes))
        await self._steps.acquire()
        await super().write(writes)

    @property
    def texts(self) -> list[list[str]]:
        """The texts that each write was to keep."""
        return [[told.text for told in some if isinstance(told, Told)] for some in self.asked]


def listed(since: datetime = MODIFIED, /, **users: str) -> dict[str, Status]:
    """Return what a users file says that names *users*."""
    return {fold(name): Status(name, text, since) for name, text in users.items()}


def hiding(*names: str) -> dict[str, Profile]:
    """Return what a users file says besides that hides *names*."""
    return {fold(name): Profile("Somebody", "a plan", "a project", hidden=True) for name in names}


def texts(users: UserMap) -> dict[str, str]:
    """Return everybody's status as it is shown."""
    return {status.name: status.text for status in users}


async def restart(
    store: Store,
    file: Mapping[str, Status],
    profiles: Mapping[str, Profile] | None = None,
    *,
    clock: Callable[[], datetime] = stopped_clock,
) -> UserMap:
    """Return the map of a daemon that was just started on *store* and *file*."""
    users = UserMap(store, clock=clock)
    await users.load()
    await users.replace_file(file, profiles)
    return users


async def tell(
    users: UserMap,
    name: str,
    status: str | None,
    by: Caller = ANYBODY,
    *,
    plan: str | None = None,
    lasts: str | None = None,
    until: str | None = None,
) -> Status | None:
    """Set what is given."""
    return await users.set(SetRequest(name, status, plan, lasts, until), by=by)


async def clear(users: UserMap, name: str, by: Caller = ANYBODY) -> Status | None:
    """Clear a status."""
    return await users.set(SetRequest(name, ""), by=by)


async def interrupted(work: Awaitable[object], turns: int) -> None:
    """Do *work*, and cancel it after so many turns of everybody."""

    async def do(scope: trio.CancelScope) -> None:
        with scope:
            await work

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(do, scope)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        scope.cancel()


@asynccontextmanager
async def expiring(users: UserMap) -> AsyncIterator[None]:
    """Have ends noticed for the length of an ``async with``."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(users.expire)
        yield
        nursery.cancel_scope.cancel()


def taken(changes: trio.MemoryReceiveChannel[Change]) -> list[Change]:
    """Return the changes that are there by now."""
    found = []
    while True:
        try:
            found.append(changes.receive_nowait())
        except trio.WouldBlock:
            return found
