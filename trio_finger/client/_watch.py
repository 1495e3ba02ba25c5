"""Following a live door for ever, over as many connections as that takes."""

import ssl
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from trio_finger.client._watch_errors import LostError, RefusedError, leaf
from trio_finger.client._watch_message import Change, Hello, MessageError, parse_message
from trio_finger.client._watch_place import Place
from trio_finger.retry import backoff_delays, keep_trying

if TYPE_CHECKING:
    from trio_finger.client._live import Live

# All in seconds.
HELLO_WITHIN: Final = 15  # from looking up the host
STABLE: Final = 5  # what lasted so long was a connection
LONGEST_DELAY: Final = 60  # somebody may be looking at the terminal


class Follower:
    """Follows one live door.

    Args:
      place: where the door is.
      users: whom to follow; empty for all.
      tls: whose certificates are good; needed where *place* is secure.
      tell: is told, in words for people, what becomes of the connection.
      random: spreads the delays between attempts; the system's own unless given.
    """

    def __init__(
        self,
        place: Place,
        users: Sequence[str] = (),
        *,
        tls: ssl.SSLContext | None = None,
        tell: Callable[[str], None],
        random: Random | None = None,
    ) -> None:
        self._place = place
        self._users = users
        self._tls = tls
        self._tell = tell
        self._random = random or SystemRandom()
        self._last: int | None = None  # all changes up to here have been passed on
        self._connected = False  # now
        self._ever = False  # at some time
        self._failed = False  # since it was last told that all is well

    async def run(self, changes: trio.MemorySendChannel[Change]) -> NoReturn:
        """Pass on every change, once, in order, for ever: cancel it to stop.

        It waits for whoever takes them. One that is slow loses nothing by that: the server
        sends what it missed after the next connection, as far as its history reaches.

        Raises:
          RefusedError: there is no such door, and there never was. Alone or in groups.
        """
        await keep_trying(
            lambda: self._follow(changes),
            expected=LostError,
            delays=lambda: backoff_delays(self._random, longest=LONGEST_DELAY),
            stable=STABLE,
            on_failure=self._tell_failure,
        )

    async def _follow(self, changes: trio.MemorySendChannel[Change]) -> None:
        """Follow the door over one connection."""
        # Of all that the commands need to talk to servers, this alone takes a while to import.
        from trio_finger.client._live import open_live

        self._connected = False
        request = self._place.request(self._users, self._last)
        try:
            with trio.fail_after(HELLO_WITHIN) as patience:
                async with open_live(self._place, request, self._tls) as live:
                    await self._take_all(live, changes, patience)
        except* trio.TooSlowError:
            raise LostError(f"no answer within {HELLO_WITHIN} s") from None
        except* RefusedError as group:
            # Where there was a door, there will be one again: perhaps just a proxy answers
            # while the daemon starts.
            if self._ever:
                raise LostError(str(leaf(group))) from None
            raise

    async def _take_all(
        self, live: "Live", changes: trio.MemorySendChannel[Change], patience: trio.CancelScope
    ) -> NoReturn:
        noted = False
        while True:
            try:
                message = parse_message(await live.receive())
            except MessageError as error:
                if not noted:
                    self._tell(f"a message from the server is left out: {error}")
                noted = True
                continue
            if isinstance(message, Hello):
                patience.deadline = float("inf")
                self._greet(message)
            elif self._last is None or message.number > self._last:
                await changes.send(message)
                self._last = message.number

    def _greet(self, hello: Hello) -> None:
        if self._failed:
            self._tell("connected again" if self._ever else f"connected to {self._place}")
        if hello.missed:
            self._tell("some changes may be missing: the server does not remember all of them")
        # Less than we have: the server's clock may have been put back, or it is another one.
        is_back = hello.missed and self._last is not None and hello.number < self._last
        if self._last is None or is_back or self._connected:
            self._last = hello.number
        self._connected, self._ever, self._failed = True, True, False

    def _tell_failure(self, reasons: list[Exception], delay: float) -> None:
        why = "; ".join(dict.fromkeys(map(str, reasons)))
        what = "connection lost" if self._connected else f"cannot follow {self._place}"
        self._tell(f"{what}: {why}; trying again in {max(1, round(delay))} s")
        self._failed = True
