"""What a users file says, on its way into the map."""

from collections.abc import Collection, Mapping
from datetime import datetime

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import fold
from trio_finger.usermap._part import Line, Part, part_of
from trio_finger.usermap._status import Status


class Listing:
    """What a users file says, to be asked for part by part.

    This one holds in memory what was put into it. A subclass may know where to find more:
    the lines of a large file are only read when they are asked for, and again the next time.
    """

    def __init__(self) -> None:
        self._parts: dict[int, Part] = {}

    @staticmethod
    def of(listed: Mapping[str, Status], profiles: Mapping[str, Profile]) -> "Listing":
        """Return what says the same as *listed* and *profiles*, which have it by key."""
        listing = Listing()
        for key, status in listed.items():
            listing.put(Line(status.name, status.text, status.since, profiles.get(key)))
        return listing

    def __len__(self) -> int:
        return sum(len(part.texts) for part in self._parts.values())

    def put(self, line: Line) -> None:
        """Say *line*, too, instead of what was said of that user."""
        key = fold(line.name)
        self._parts.setdefault(part_of(key), Part(line.since)).put(key, line)

    def names_any_of(self, number: int) -> bool:
        """Whether there may be anybody in one of the parts."""
        return number in self._parts

    async def part(self, number: int, since: datetime) -> Part:
        """Return one of the `PARTS` parts, not to be changed.

        Args:
          number: which.
          since: of a part in which there is nobody.
        """
        return self._parts.get(number) or Part(since)

    def narrow(self, number: int, part: Part, keys: Collection[str]) -> None:
        """Say nothing of others than *keys* from now on.

        Args:
          number: of which part.
          part: that part, as it was returned last.
          keys: some of those in it.
        """
        if number in self._parts:
            self._parts[number] = self._parts[number].only(keys)
