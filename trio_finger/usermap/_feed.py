"""The change feed: every subscriber sees every change, in the order it was kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from trio_finger.usermap._status import Status

# A subscriber this many changes behind is dropped: one that stopped reading must
# cost neither memory nor anybody's time. At a few hundred bytes a change this is
# well under a megabyte.
FEED_SIZE = 1024


@dataclass(frozen=True, slots=True)
class Change:
    """One user's status changed.

    Attributes:
      name: the user.
      status: what holds now; ``None`` when the user is gone.
      number: greater than that of every change before; see `RecentChanges`.
    """

    name: str
    status: Status | None
    number: int = field(default=0, compare=False)


class ChangeFeed:
    """Hands each change to everybody who subscribed."""

    def __init__(self) -> None:
        self._subscribers: set[trio.MemorySendChannel[Change]] = set()

    @property
    def is_heard(self) -> bool:
        """Whether anybody has subscribed."""
        return bool(self._subscribers)

    def publish(self, change: Change) -> None:
        """Hand *change* to every subscriber; drop those with no room for it."""
        for subscriber in list(self._subscribers):
            try:
                subscriber.send_nowait(change)
            except (trio.WouldBlock, trio.BrokenResourceError):  # full, or closed by its reader
                self._subscribers.discard(subscriber)
                subscriber.close()

    @contextmanager
    def subscribe(self, size: int = FEED_SIZE) -> Iterator[trio.MemoryReceiveChannel[Change]]:
        """Receive every change from now on, for the length of a ``with`` block.

        The channel ends for a subscriber that fell more than *size* changes behind,
        and for no other reason: it has missed something, and should read the map
        afresh before it subscribes again.
        """
        send, receive = trio.open_memory_channel[Change](size)
        self._subscribers.add(send)
        try:
            with send, receive:
                yield receive
        finally:
            self._subscribers.discard(send)
