"""Who is there, in order."""

from bisect import bisect_left, bisect_right, insort
from typing import Final

_FULL: Final = 1024  # keys; to put one in the middle moves four kilobytes


class Roster:
    """Keys in order, which may come and go while somebody goes through them.

    One list of a million keys would move eight megabytes for each that comes or goes. So
    there are many, of which each has all keys from its first up to the next one's.
    """

    def __init__(self) -> None:
        self._firsts = [""]  # comes before any key
        self._lists: list[list[str]] = [[]]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str) -> None:
        """Put *key*, which is not there, where it belongs."""
        at = self._find(key)
        keys = self._lists[at]
        insort(keys, key)
        self._count += 1
        if len(keys) > _FULL:
            half = len(keys) // 2
            self._lists[at : at + 1] = [keys[:half], keys[half:]]
            self._firsts.insert(at + 1, keys[half])

    def discard(self, key: str) -> None:
        """Take *key*, which is there, out."""
        at = self._find(key)
        keys = self._lists[at]
        del keys[bisect_left(keys, key)]
        self._count -= 1
        if not keys and at:
            del self._lists[at], self._firsts[at]

    def after(self, key: str) -> list[str]:
        """Return some of the keys after *key*, in order: the next; none if there are none."""
        for keys in self._lists[self._find(key) :]:
            if later := keys[bisect_right(keys, key) :]:
                return later
        return []

    def _find(self, key: str) -> int:
        """Return which list *key* belongs to."""
        return bisect_right(self._firsts, key) - 1
