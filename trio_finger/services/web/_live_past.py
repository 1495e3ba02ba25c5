"""What a follower is told first: a hello, and what they have not heard of while they were away.

That may be a lot, and they may be slow. So it is made piece by piece, each when the one before
has been sent, from what the user map remembers: nothing is kept for anybody.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from trio_finger.protocol.live import Batch, Message, make_gone, make_hello, make_status, split
from trio_finger.services.web._answer import format_moment
from trio_finger.usermap import PAST_SIZE, Change, Status, UserMap

_AT_ONCE: Final = 256  # changes; of short ones, that is what is told at once


class Past:
    """What to tell one follower before anything new.

    Args:
      users: remembers what has changed.
      since: the number of the last change that the follower has heard of; ``None`` for one who
        asks for nothing that is past.
      keys: the folded names of whom they follow; ``None`` for everybody.

    Attributes:
      until: the number of the last change that belongs to it.
    """

    def __init__(
        self, users: UserMap, since: int | None, keys: Collection[str] | None = None
    ) -> None:
        self.until = users.last_change
        self._users = users
        self._keys = keys
        self._since = self.until if since is None else since
        self._is_greeted = False
        self._is_missed = False

    def take(self) -> Batch | None:
        """Return what comes next; ``None`` if nothing does any more.

        Where something is missing, that is said once, and all the same what there is is told.
        """
        recent = self._users.changes_since(self._since, self._keys, _AT_ONCE)
        missed = self._since != self.until and not recent.complete
        if not self._is_greeted or (missed and not self._is_missed):
            self._is_greeted, self._is_missed = True, missed
            # A number that is yet to come is from before the clock was put back. Else it is
            # that of the follower: who is cut off before all is told comes back for the rest.
            self._since = min(self._since, self.until)
            return Batch([make_hello(self._since, missed=missed)])
        if self._since >= self.until:
            return None
        news = (change for change in recent.changes if change.number <= self.until)
        batch = next(split(map(make_message, news)), None)
        self._since = self.until if batch is None else batch.messages[-1].number
        return batch


def make_message(change: Change) -> Message:
    """Return what is said of *change*."""
    return _make_message(change.number, change.name, change.status)


# After a restart everybody comes back at once, and is told the same.
@lru_cache(maxsize=PAST_SIZE)
def _make_message(number: int, name: str, status: Status | None) -> Message:
    if status is None:
        return make_gone(number, name)
    return make_status(
        number,
        status.name,
        status.text or status.details,
        format_moment(status.since),
        format_moment(status.until) if status.until else None,
    )
