"""Rates as people write them: ``20/s``, ``600/m``, ``1000/h``, and ``off`` for no limit."""

import re
from dataclasses import dataclass

_RATE = re.compile(r"([0-9]{1,9})/([smh])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Rate:
    """So much in so long a time, and as much at once after a rest.

    Attributes:
      count: how many.
      seconds: in how long.
    """

    count: int
    seconds: int

    @property
    def interval(self) -> float:
        """How far apart they are on average, in seconds."""
        return self.seconds / self.count


def parse_rate(text: str) -> Rate | None:
    """Parse *text*; ``off`` is ``None``: no limit.

    Raises:
      ValueError: it is no such text.
    """
    if text == "off":
        return None
    match = _RATE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f'expected a rate such as "20/s", "600/m" or "off", got "{text}"')
    return Rate(int(match[1]), _SECONDS[match[2]])
