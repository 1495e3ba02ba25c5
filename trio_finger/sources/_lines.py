"""A users file of any number of lines, which stay bytes until somebody asks for them."""

from array import array
from collections.abc import Callable, Collection
from datetime import datetime
from itertools import compress
from typing import Final

from trio_finger.protocol.text import fold
from trio_finger.protocol.users_file import LineFault, find_users, named_twice, read_user
from trio_finger.usermap import PARTS, Listing, Pace, Part, part_of

_AT_ONCE: Final = 100  # lines between two moments at which others may get their turn
_REPORT: Final = 1000  # lines between two reports of how far this is


class Lines(Listing):
    """The users of a file of lines, of whom only the places of their lines are in memory.

    That is four bytes a user besides the file itself. What is read of a line is made anew for
    whoever asks, compared, and mostly forgotten: of a file that changed in one line, a
    million strings would otherwise stand beside a million that are the same.

    Args:
      data: the file.
      since: since when it says so.
    """

    def __init__(self, data: bytes, since: datetime) -> None:
        super().__init__()
        self._data = data
        self._since = since
        self._pace = Pace()
        self._places = [array("I") for _ in range(PARTS)]
        self._count = 0

    async def find(
        self, fault: Callable[[LineFault], None], report: Callable[[int, int], None]
    ) -> None:
        """Go through the file, which has to be done before anything else.

        Args:
          fault: hears of every line that is skipped.
          report: hears now and then where in the file this is, and on which line.
        """
        numbers = [array("I") for _ in range(PARTS)]
        hashes = [array("q") for _ in range(PARTS)]
        for count, found in enumerate(find_users(self._data)):
            if count % _AT_ONCE == 0:
                await self._pace.did(2 * _AT_ONCE)
            if isinstance(found, tuple):
                place, number, name = found
                key = fold(name)
                part = part_of(key)
                self._places[part].append(place)
                numbers[part].append(number)
                hashes[part].append(hash(key))
                if number % _REPORT == 0:
                    report(place, number)
            elif found is not None:
                fault(found)
        for part in range(PARTS):
            if await self._has_twins(hashes[part]):
                await self._drop_twins(part, numbers[part], fault)
            self._count += len(self._places[part])

    async def _has_twins(self, hashes: "array[int]") -> bool:
        """Whether two may be one user: they are not where the hashes of their keys differ."""
        seen: set[int] = set()
        for begin in range(0, len(hashes), _AT_ONCE):
            seen.update(hashes[begin : begin + _AT_ONCE])
            await self._pace.did(_AT_ONCE // 10)
        return len(seen) < len(hashes)

    async def _drop_twins(
        self, part: int, numbers: "array[int]", fault: Callable[[LineFault], None]
    ) -> None:
        """Keep the first line of every user alone."""
        first: dict[str, int] = {}
        places: array[int] = array("I")
        for place, number in zip(self._places[part], numbers, strict=True):
            name, _ = read_user(self._data, place)
            seen = first.setdefault(fold(name), number)
            if seen == number:
                places.append(place)
            else:
                fault(named_twice(name, number, seen))
            await self._pace.did(3)
        self._places[part] = places

    def __len__(self) -> int:
        return self._count

    def names_any_of(self, number: int) -> bool:
        return bool(self._places[number]) or super().names_any_of(number)

    async def part(self, number: int, since: datetime) -> Part:
        part = Part(self._since)
        places = self._places[number]
        for begin in range(0, len(places), _AT_ONCE):
            some = places[begin : begin + _AT_ONCE]
            for place in some:
                name, text = read_user(self._data, place)
                key = fold(name)
                # As `Part.put` would, but this is done for every line of every reading.
                part.texts[key] = text
                if name != key:
                    part.names[key] = name
                if not text.isascii():
                    await self._pace.did(len(text))
            await self._pace.did(2 * len(some))
        given = await super().part(number, since)
        for key in given.texts:
            if line := given.line(key):
                part.put(key, line)
        return part

    def narrow(self, number: int, part: Part, keys: Collection[str]) -> None:
        # Those of ours come first in the part, in the order of their lines.
        chosen = (key in keys for key in part.texts)
        self._places[number] = array("I", compress(self._places[number], chosen))
        super().narrow(number, part, keys)
