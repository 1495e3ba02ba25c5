"""The recent past: every change has a number, and the newest are remembered.

So somebody who follows the changes and loses the connection can come back, say up to which
number they know everything, and get the rest. The numbers are microseconds since 1970, and
each is greater than the one before, whatever the clock says.

What a person set has the moment of it for its number, and the store's history knows that
moment as well. So after a restart the past is made anew from the history, with the numbers
that it had before, and who comes back then gets what was set meanwhile. The history knows
nothing of what was cleared, has ended, or was in the users file: so that is not all of it.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from trio_finger.protocol.text import fold
from trio_finger.store import Past
from trio_finger.usermap._feed import Change
from trio_finger.usermap._layers import Layers
from trio_finger.usermap._status import Status

# How many changes are remembered. One takes a few hundred bytes as a rule, and with the
# longest status not two kilobytes: all of them three megabytes at most.
PAST_SIZE: Final = 2048

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# A status: its text (in UTF-8 if the users file has it), since when it holds, until when.
# With the next one it makes a change: the number, the user's key and name, and the status;
# none when the user was gone. A million lines of a users file may change in a few seconds,
# of which few are ever asked for: so these are tuples, from which a `Change` is made then.
_Saying = tuple[str | bytes, datetime, datetime | None]
_Entry = tuple[int, str, str, _Saying | None]


@dataclass(frozen=True, slots=True)
class Recent:
    """What has changed since.

    Attributes:
      changes: the oldest first. What those had set who cannot be seen now is not among them.
      complete: these are all; there may have been more if not.
    """

    changes: list[Change]
    complete: bool


class RecentChanges:
    """Numbers every change, and remembers the newest.

    Args:
      layers: knows who is there, and who is hidden by now.
      clock: tells the time (UTC).

    Attributes:
      last: the number of the newest change, or that of when we began if that was later. No
        change to come has a smaller one.
      is_paused: changes are numbered, and not remembered.
    """

    def __init__(self, layers: Layers, clock: Callable[[], datetime]) -> None:
        self.last = 0
        self.is_paused = False
        self._layers = layers
        self._clock = clock
        self._entries: deque[_Entry] = deque(maxlen=PAST_SIZE)
        self._next = 1  # no change to come has a smaller number
        self._seeded = 0  # changes up to this number are from the history, which lacks some

    # Writing

    def seed(self, history: Sequence[Past]) -> None:
        """Remember what the *history* has of an earlier run, the newest first."""
        for past in reversed(history):
            self._next = max(self._next, _number(past.since))
            self._append(fold(past.name), past.name, (past.text, past.since, past.until))
        # That we began counts as a number, too: what hidden users set last would else be to
        # be seen from the number of the newest change.
        self.look_at_clock()
        self._seeded = self.last = self._next
        self._next += 1

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Remember nothing of what changes, for the length of a ``with`` block."""
        self.is_paused = True
        try:
            yield
        finally:
            self.is_paused = False

    def add(
        self, key: str, name: str, status: Status | None, moment: datetime | None = None
    ) -> Change:
        """Take it that the status of a user has changed, and return the change.

        Args:
          key: the user.
          name: the user, in the spelling to show.
          status: what holds now, ``None`` if the user is gone.
          moment: since when (UTC); since now if nothing is said.
        """
        self._next = max(self._next, _number(moment or self._clock()))
        self._append(
            key, name, None if status is None else (status.text, status.since, status.until)
        )
        return Change(name, status, self.last)

    def look_at_clock(self) -> None:
        """Note what time it is, for `add_listed`."""
        self._next = max(self._next, _number(self._clock()))

    def add_listed(self, key: str, name: str, saying: _Saying | None) -> None:
        """Do what `add` does, for the next of many lines of a users file.

        It does not look at the clock, which would take longer than all the rest.
        """
        number = self.last = self._next
        self._next = number + 1
        self._entries.append((number, key, name, saying))

    def _append(self, key: str, name: str, saying: _Saying | None) -> None:
        number = self.last = self._next
        self._next = number + 1
        if not self.is_paused:
            self._entries.append((number, key, name, saying))

    # Reading

    def since(
        self, number: int, keys: Collection[str] | None = None, limit: int = PAST_SIZE
    ) -> Recent:
        """Return what has changed since that *number*; see `UserMap.changes_since`."""
        entries = (
            entry
            for entry in self._entries
            if entry[0] > number and (keys is None or entry[1] in keys)
        )
        changes = map(self._tell, entries)
        return Recent(list(islice(filter(None, changes), limit)), self.reaches(number))

    def reaches(self, number: int) -> bool:
        """Whether everything is remembered that has changed after the change of that *number*."""
        # A number that is yet to come is from an earlier run, before the clock was put back.
        # One before we began may lack what the history knows nothing of.
        is_full = len(self._entries) == self._entries.maxlen
        oldest = max(self._seeded, self._entries[0][0] if is_full else 0)
        return oldest <= number <= self.last

    def latest(self, limit: int) -> list[Change]:
        """Return the newest statuses of who is there and visible now, the newest first."""
        entries = (entry for entry in reversed(self._entries) if entry[3] is not None)
        changes = map(self._tell, entries)
        return list(islice(filter(None, changes), limit))

    def _tell(self, entry: _Entry) -> Change | None:
        """Return a change as it may be told by now, if at all."""
        number, key, name, saying = entry
        if saying is None:
            return Change(name, None, number)
        # What somebody said is told for as long as they are there to be seen, as everywhere.
        status = self._layers.visible(key)
        if status is None:
            return None
        text, since, until = saying
        if isinstance(text, bytes):
            text = text.decode()
        return Change(status.name, Status(status.name, text, since, until), number)


def _number(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
