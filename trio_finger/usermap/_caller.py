"""Who asks for a change, and what they may ask for."""

from dataclasses import dataclass
from typing import Final

from trio_finger.protocol.text import fold


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever wants to set something.

    Attributes:
      name: whose status they may set; ``None`` for anyone's.
      trusted: hidden users exist for them.
    """

    name: str | None
    trusted: bool = False

    def may_set(self, key: str) -> bool:
        """Whether they may set the status of the user with the folded name *key*."""
        return self.name is None or fold(self.name) == key

    def knows(self, key: str) -> bool:
        """Whether that user exists for them even if hidden."""
        return self.trusted or (self.name is not None and fold(self.name) == key)


# Somebody of whom nothing is known, at a door that lets everybody set everything.
ANYBODY: Final = Caller(None)

# The machine's administrator, or the daemon's own user.
OPERATOR: Final = Caller(None, trusted=True)
