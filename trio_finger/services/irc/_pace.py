"""How fast the bot may speak."""

import math

import trio


class Pace:
    """Lets a burst through at once, and then one each *interval*.

    This is the timer that servers keep for each client (RFC 1459, 8.10), turned around:
    it runs ahead by *interval* for each message, up to *burst* of them, and falls back
    as time goes by.

    Args:
      burst: how many go through at once after a silence.
      interval: seconds to earn one more.
    """

    def __init__(self, burst: int, interval: float) -> None:
        self._ahead = (burst - 1) * interval
        self._interval = interval
        self._due = -math.inf

    async def wait(self) -> None:
        """Wait until one more may go through."""
        due = max(self._due, trio.current_time() - self._ahead)
        self._due = due + self._interval
        await trio.sleep_until(due)
