"""What a store promises, and the record that it keeps."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class StoreError(Exception):
    """Something could not be kept; ``str()`` of it says why, fit to show."""


@dataclass(frozen=True, slots=True)
class Told:
    """A status that a person set.

    Attributes:
      name: the user, as they spelled it.
      text: the status: clean, one line.
      since: when it was set (UTC).
      over: what the users file said of this user at that moment, ``None`` if it
        said nothing. The status holds while the file still says so.
    """

    name: str
    text: str
    since: datetime
    over: str | None


class Store(Protocol):
    """Keeps one `Told` a user; users are told apart by `protocol.text.fold`.

    Only the user map calls a store, one call at a time.
    """

    async def load(self) -> list[Told]:
        """Return everything that is kept."""

    async def keep(self, told: Told) -> None:
        """Keep *told* in place of what was kept for that user.

        It is kept, for good, when this returns.

        Raises:
          StoreError: it is not, and what was kept before still is.
        """

    async def drop(self, names: list[str]) -> None:
        """Forget what is kept for *names*; one that has nothing is passed over.

        Raises:
          StoreError: nothing was forgotten.
        """
