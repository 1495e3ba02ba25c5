"""What holds now, and who hears when that changes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from trio_finger.store import Dropped, Told
from trio_finger.usermap._ends import Ends
from trio_finger.usermap._feed import ChangeFeed
from trio_finger.usermap._layers import Layers
from trio_finger.usermap._part import Part, part_of
from trio_finger.usermap._recent import RecentChanges
from trio_finger.usermap._roster import Roster
from trio_finger.usermap._status import Status


class Current:
    """The layers, and all that has to go with them when they change: nothing here waits.

    Args:
      clock: tells the time (UTC).
      may_hide: the users file can hide users.

    Attributes:
      layers: what holds.
      ends: when that ends.
      feed: tells what changes.
      recent: remembers what has changed.
      remembered: who has a history in the store, by folded name.
    """

    def __init__(self, clock: Callable[[], datetime], *, may_hide: bool) -> None:
        self.layers = Layers(clock, may_hide=may_hide)
        self.ends = Ends()
        self.feed = ChangeFeed()
        self.recent = RecentChanges(self.layers, clock)
        self.remembered: set[str] = set()
        self._has_file = False
        self._clock = clock
        # Whom subscribers know to be there: whoever is visible, or has been until just now.
        self._roster = Roster()

    def __len__(self) -> int:
        return len(self._roster) - sum(
            self.layers.announced(key) is not None and self.layers.visible(key) is None
            for key in self.ends.due(self._clock())
        )

    def __iter__(self) -> Iterator[Status]:
        key = ""  # comes before any other
        while keys := self._roster.after(key):
            for key in keys:
                if (status := self.layers.visible(key)) is not None:
                    yield status

    def named(self, word: str, limit: int) -> list[Status]:
        """Return those who have *word* in their full name; see `UserMap.named`."""
        found: list[Status] = []
        for key in self.layers.file.full_names.find(word):
            if len(found) == limit:
                break
            if (status := self.layers.visible(key)) is not None:
                found.append(status)
        return found

    def put(
        self, key: str, writes: Sequence[Told | Dropped], moment: datetime | None = None
    ) -> bool:
        """Go by *writes*, which are kept, and return whether there was news for anybody.

        Args:
          key: whose they are.
          writes: what was told, or is over.
          moment: since when (UTC); since now if nothing is said.
        """
        before = self.layers.announced(key)
        self._put(key, writes)
        return self._tell(key, before, moment)

    @contextmanager
    def new_file(self) -> Iterator[None]:
        """Have `edit` go by a new version of the users file, for the length of a ``with`` block.

        The first is no news: it says nothing that has not been so before we were started.
        Only who has subscribed by then hears of it.
        """
        if self._has_file:
            self.recent.look_at_clock()
            yield
        else:
            with self.recent.paused():
                yield
            self._has_file = True

    def edit(self, key: str, new: Part, writes: Sequence[Dropped] = ()) -> bool:
        """Do the same where the users file says of *key* what *new* says; see `new_file`."""
        if not writes and not self.feed.is_heard and self.layers.is_plain(key, new):
            return self._edit_plain(key, new)
        before = self.layers.announced(key)
        if writes:
            self._put(key, writes)
        self.layers.edit(key, new)
        return self._tell(key, before)

    def _edit_plain(self, key: str, new: Part) -> bool:
        """Do it for one who has nothing but a status, with nobody to tell.

        Nearly every line of a large file is of that kind, and takes a fraction of the time.
        """
        part = self.layers.file.parts[part_of(key)]
        before, now = part.texts.get(key), new.texts.get(key)
        old_name, name = part.names.get(key, key), new.names.get(key, key)
        news = before != now or old_name != name
        self.layers.edit(key, new)
        if before is None and now is not None:
            self._roster.add(key)
        elif before is not None and now is None:
            self._roster.discard(key)
        if news and not self.recent.is_paused:
            if now is None:
                self.recent.add_listed(key, old_name, None)
            else:
                self.recent.add_listed(key, name, (now, part.sinces.get(key, part.since), None))
        return news

    def _put(self, key: str, writes: Sequence[Told | Dropped]) -> None:
        self.layers.put(key, writes)
        for write in writes:
            if write.field == "status":
                self.ends.put(key, write.until if isinstance(write, Told) else None)
                if isinstance(write, Told):
                    self.remembered.add(key)

    def _tell(self, key: str, before: Status | None, moment: datetime | None = None) -> bool:
        """Tell whoever subscribed, where *before* is what they heard last."""
        now = self.layers.announced(key)
        either = now or before
        if either is None or now == before:
            return False
        if before is None:
            self._roster.add(key)
        elif now is None:
            self._roster.discard(key)
        self.feed.publish(self.recent.add(key, either.name, now, moment))
        return True
