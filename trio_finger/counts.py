"""What each door has done, in plain numbers, for whoever publishes them.

A door only adds to its own; nothing here has a bound to keep, because the keys are a few
fixed words of the code and never anything that somebody sent.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

# Everything that answers.
DOORS: Final = ("finger", "setter", "web", "irc", "metrics")


@dataclass(slots=True, eq=False)
class Counts:
    """One door's numbers since the daemon started.

    Attributes:
      accepted: connections that were let in.
      open: how many of them are being served.
      refused: connections that were not, or were cut, by reason.
      answered: what was answered, by kind.
      faults: handlers that failed by a fault of ours.
    """

    accepted: int = 0
    open: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    faults: int = 0
