"""From what the users file said to what it says now, in turns with everybody else.

First the two are compared, and only the differences go on: nobody waits for that but the file.
Then, with the map's lock held, what is over is dropped from the store and the differences
are applied, one user after the other. Readers go on throughout and may see some users as
they were and others as they are now, each of them wholly one or the other.
"""

from collections.abc import Awaitable, Callable

import trio

from trio_finger.store import Dropped
from trio_finger.usermap._current import Current
from trio_finger.usermap._listing import Listing
from trio_finger.usermap._pace import Pace
from trio_finger.usermap._part import PARTS, Part, part_of

Report = Callable[[int, int], None]


def say_nothing(_done: int, _of: int) -> None:
    """Report no progress."""


class TakeOver:
    """One users file, on its way into the map.

    Args:
      listing: what it says; will be narrowed to the differences.
      current: what it is taken over into.
      partial: it may say more of others than is known: nobody is taken for removed.
      report: hears how much of how much has been done.
    """

    def __init__(
        self, listing: Listing, current: Current, *, partial: bool, report: Report
    ) -> None:
        self._listing = listing
        self._current = current
        self._layers = current.layers
        self._partial = partial
        self._report = report
        self._pace = Pace()
        self._changed: set[int] = set()  # the parts in which something differs
        # Of dictionaries of strings the garbage collector need not look at every string.
        self._removed: dict[int, dict[str, None]] = {}

    async def compare(self) -> None:
        """Find the differences; nothing changes yet."""
        for number, old in enumerate(self._layers.file.parts):
            self._report(number, 2 * PARTS)
            if not old.texts:
                if self._listing.names_any_of(number):
                    self._changed.add(number)  # whoever they are, they are new
                continue
            new = await self._listing.part(number, old.since)
            keys = old.differing(new)
            self._listing.narrow(number, new, keys)
            if keys:
                self._changed.add(number)
            if not self._partial:
                removed = dict.fromkeys(key for key in old.texts if key not in new.texts)
                if removed:
                    self._removed[number] = removed
            await self._pace.did(1 + len(old.texts) // 5)

    async def apply(self, keep: Callable[[list[Dropped]], Awaitable[None]]) -> int:
        """Have the map go by the differences, while nobody else changes it.

        If this is cancelled midway, whatever has been applied stays, and the rest will be
        among the differences of the next file.

        Args:
          keep: has the store drop what is over.

        Returns:
          How many users changed.

        Raises:
          StoreError: what is over could not be dropped. Nothing has changed.
        """
        over = await self._find_outdated()
        await keep([write for writes, _ in over.values() for write in writes])
        count = 0
        # What the store has dropped must go here, too, whatever becomes of this task: else it
        # could come back. There is an end to it, since there is one to what can be told.
        with trio.CancelScope(shield=True):
            for key, (writes, new) in over.items():
                count += self._current.edit(key, new, writes)
                await self._pace.did(10)
        for number in sorted(self._changed | self._removed.keys()):
            self._report(PARTS + number, 2 * PARTS)
            count += await self._apply_part(number)
        # Not before everybody is known: who is hidden was not shown until now.
        self._layers.partial = self._partial
        return count

    async def _apply_part(self, number: int) -> int:
        old = self._layers.file.parts[number]
        new = await self._listing.part(number, old.since)
        count = 0
        for keys in (self._removed.pop(number, ()), new.texts):
            for key in keys:
                count += self._current.edit(key, new)
                await self._pace.did(3)
        old.tidy()
        await self._pace.did(3)
        return count

    async def _find_outdated(self) -> dict[str, tuple[list[Dropped], Part]]:
        """Return what is over by now, and what the file says of these users instead."""
        told: dict[int, set[str]] = {}
        for layer in self._layers.told.values():
            for key in layer:
                told.setdefault(part_of(key), set()).add(key)
                await self._pace.did(1)
        over: dict[str, tuple[list[Dropped], Part]] = {}
        for number, keys in told.items():
            old = self._layers.file.parts[number]
            new = await self._listing.part(number, old.since)
            removed = self._removed.get(number, ())
            for key in keys:
                differs = key in new.texts or key in removed
                says = new if differs else old
                unknown = self._partial and key not in says.texts
                if not unknown and (writes := self._layers.outdated(key, says)):
                    over[key] = (writes, says.only({key}))
                await self._pace.did(3)
        return over
