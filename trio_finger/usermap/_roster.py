"""Who is there, in order."""

from bisect import bisect_right
from typing import Final

# A dictionary with more keys has to grow, to twice or thrice its size.
_FULL: Final = 682


class Roster:
    """Keys, to be had in their order, which may change while somebody goes through them.

    One sorted list of a million keys would move eight megabytes for each that comes or
    goes. So the keys are in many bags, each of which has all from one key up to the next
    bag's first; and only when its turn comes is what is in a bag sorted. They are
    dictionaries, because of one with nothing but strings in it the garbage collector
    need not look at every string.
    """

    def __init__(self) -> None:
        self._firsts = [""]  # comes before any key
        self._bags: list[dict[str, None]] = [{}]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str) -> None:
        """Put *key* where it belongs; nothing changes if it is there."""
        at = bisect_right(self._firsts, key) - 1
        bag = self._bags[at]
        if key not in bag:
            bag[key] = None
            self._count += 1
            if len(bag) > _FULL:
                self._divide(at)

    def discard(self, key: str) -> None:
        """Take *key* out, if it is there."""
        at = bisect_right(self._firsts, key) - 1
        bag = self._bags[at]
        if key in bag:
            del bag[key]
            self._count -= 1
            if not bag and at:
                del self._bags[at], self._firsts[at]

    def after(self, key: str) -> list[str]:
        """Return some of the keys after *key*, in order: the next; none if there are none."""
        for at in range(bisect_right(self._firsts, key) - 1, len(self._bags)):
            if keys := sorted(other for other in self._bags[at] if other > key):
                return keys
        return []

    def _divide(self, at: int) -> None:
        keys = sorted(self._bags[at])
        half = len(keys) // 2
        self._bags[at : at + 1] = [dict.fromkeys(keys[:half]), dict.fromkeys(keys[half:])]
        self._firsts.insert(at + 1, keys[half])
