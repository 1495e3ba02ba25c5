"""Which status ends next."""

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import heapify, heappop, heappush

import trio

# How many ends that have been overtaken are put up with before they are cleared away.
_LITTER = 1000

# How soon an end is noticed that setting the clock has brought about, in seconds.
_LOOK_AT_CLOCK = 1


class Ends:
    """The ends of statuses, the next one first; one a user."""

    def __init__(self) -> None:
        self._ends: dict[str, datetime] = {}
        # Besides what `_ends` holds there are ends that have been overtaken.
        self._heap: list[tuple[datetime, str]] = []
        self._earlier = trio.Event()

    def put(self, key: str, end: datetime | None) -> None:
        """Note that the status of *key* ends at *end*, if ever, and no longer when it did."""
        if end is None:
            self._ends.pop(key, None)
        else:
            self._ends[key] = end
            heappush(self._heap, (end, key))
            if self._heap[0] == (end, key):
                self._earlier.set()
        if len(self._heap) > 2 * len(self._ends) + _LITTER:
            self._heap = [(end, key) for key, end in self._ends.items()]
            heapify(self._heap)

    async def wait_for_next(self, clock: Callable[[], datetime]) -> None:
        """Wait until an end has come.

        Args:
          clock: tells the time (UTC) by the wall, which may be set meanwhile, while
            sleeping goes by a clock that nobody sets: so it is looked at now and then.
        """
        while (left := self._seconds_left(clock())) > 0:
            with trio.move_on_after(left if math.isinf(left) else min(left, _LOOK_AT_CLOCK)):
                await self._earlier.wait()
            self._earlier = trio.Event()

    def _seconds_left(self, now: datetime) -> float:
        return (self._heap[0][0] - now).total_seconds() if self._heap else math.inf

    def due(self, now: datetime) -> set[str]:
        """Return whose statuses have ended by *now*: usually nobody, for they are taken out."""
        found: set[str] = set()
        places = [0]
        while places:
            at = places.pop()
            if at < len(self._heap) and self._heap[at][0] <= now:
                end, key = self._heap[at]
                if self._ends.get(key) == end:
                    found.add(key)
                places += (2 * at + 1, 2 * at + 2)  # those below end no earlier
        return found

    def pop_due(self, now: datetime) -> Iterator[str]:
        """Take out whose statuses have ended by *now*, the earliest first."""
        while self._heap and self._heap[0][0] <= now:
            end, key = heappop(self._heap)
            if self._ends.get(key) == end:
                del self._ends[key]
                yield key
