"""The hub of the live feed: hears of each change once, and has every follower told.

What is told is put into bytes once, and thousands of followers are told one after the other,
with turns for everybody else in between. Changes that come meanwhile are told together in
the next round, so a crowd of changes takes few rounds.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, NoReturn

import trio

from trio_finger.protocol.live import Batch, split
from trio_finger.services.web._live_follower import Follower
from trio_finger.services.web._live_past import Past, make_message
from trio_finger.usermap import Change, UserMap

_AT_ONCE: Final = 64  # followers that are told before others get their turn: about a millisecond

# Seconds between two batches of many that there are at once: who reads as fast as they come
# has to get to it, or would be taken for slow.
_BREATH: Final = 0.005


class Hub:
    """Tells followers what changes.

    Args:
      users: where it changes.
      beats: how many seconds there are between two signs of life, of each kind of followers.
    """

    def __init__(self, users: UserMap, beats: set[float]) -> None:
        self._users = users
        self._beats = beats
        self._followers: dict[Follower, None] = {}  # no more than the door lets in
        self._has_followers = trio.Event()
        self._told = 0  # the number of the change that was told last
        self._is_over = False

    async def run(self, stop: trio.Event) -> None:
        """Tell until *stop*; then send every follower away, which takes them a moment."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_changes)
            for seconds in self._beats:
                nursery.start_soon(self._beat, seconds)
            await stop.wait()
            nursery.cancel_scope.cancel()
        self._is_over = True
        await self._for_each(Follower.end)

    async def serve(self, follower: Follower, since: int | None) -> None:
        """Tell *follower* what has changed since a number, and what changes, until the end.

        Args:
          follower: who has just come.
          since: the number of the last change that they have heard of, if they have.

        Raises:
          trio.TooSlowError: they were, and have been sent away.
        """
        if not self._followers:
            self._told = self._users.last_change
            self._has_followers.set()
        # Nothing is lost or told twice, because nobody has a turn in between: changes up to
        # this moment belong to the past, and all others are told by `_follow_changes`.
        follower.greet(Past(self._users, since, follower.keys))
        self._followers[follower] = None
        if self._is_over:
            follower.end()
        try:
            await follower.run()
        finally:
            del self._followers[follower]

    async def _follow_changes(self) -> NoReturn:
        while True:
            # With nobody to hear of it, a users file is taken over in half of the time.
            await self._has_followers.wait()
            with self._users.subscribe() as changes:
                await self._catch_up()
                # This ends when more has changed at once than it has room for.
                async for change in changes:
                    if not self._followers:
                        self._has_followers = trio.Event()
                        break
                    arrived = map(make_message, _arrived(change, changes))
                    await self._tell(next(split(arrived)))

    async def _catch_up(self) -> None:
        """Tell what has changed while there was no subscription, if that is known."""
        told, last = self._told, self._users.last_change
        if last == told:
            return
        recent = self._users.changes_since(told)
        if recent.complete:
            for batch in split(map(make_message, recent.changes)):
                await self._tell(batch)
                await trio.sleep(_BREATH)
        else:
            await self._for_each(lambda follower: follower.skip(last))
        self._told = max(self._told, last)

    async def _tell(self, batch: Batch) -> None:
        await self._for_each(lambda follower: follower.tell(batch))
        self._told = max(self._told, batch.messages[-1].number)

    async def _beat(self, seconds: float) -> NoReturn:
        """Send a sign of life to whoever gets one every so many *seconds*."""
        while True:
            await trio.sleep(seconds)
            await self._for_each(
                lambda follower: (
                    follower.beat(self._told) if follower.beat_seconds == seconds else None
                )
            )

    async def _for_each(self, do: Callable[[Follower], None]) -> None:
        """Have all followers there are now do something, a few at a time."""
        for number, follower in enumerate(list(self._followers), 1):
            do(follower)
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()


def _arrived(change: Change, changes: trio.MemoryReceiveChannel[Change]) -> Iterator[Change]:
    """Yield *change*, and as many of *changes* as are taken and there already."""
    yield change
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            yield changes.receive_nowait()
