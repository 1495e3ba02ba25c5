"""What a store promises, and the records that it keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Field = Literal["status", "plan"]


class StoreError(Exception):
    """Something could not be kept or read; ``str()`` of it says why, fit to show."""


@dataclass(frozen=True, slots=True)
class Told:
    """A status or a plan that a person set.

    Attributes:
      name: the user, as they spelled it.
      text: what was set, clean: one line of status, or the lines of a plan.
      since: when it was set (UTC).
      over: what the users file said in its place at that moment, ``None`` if it did not
        name this user. What was set holds while the file still says so.
      field: what it is that was set.
      until: when it ends (UTC), if it has an end.
      unseen: whoever set it is hidden, so it becomes no part of the history.
    """

    name: str
    text: str
    since: datetime
    over: str | None
    field: Field = "status"
    until: datetime | None = None
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a person had set is over.

    Attributes:
      name: the user, in any spelling.
      field: what is over.
    """

    name: str
    field: Field = "status"


@dataclass(frozen=True, slots=True)
class Past:
    """A status that a user had, or has: an entry of the history.

    Attributes:
      name: the user, as they spelled it.
      text: the status.
      since: when it was set (UTC).
      until: when it was to end (UTC), if it had an end.
    """

    name: str
    text: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """What lets its bearer set one user's status from elsewhere.

    Attributes:
      id: names the token; no secret.
      name: the user whose status it sets.
      digest: the SHA-256 of its secret, which itself is kept nowhere.
      created: when it was handed out (UTC).
      expires: when it stops working (UTC), if ever.
    """

    id: str
    name: str
    digest: bytes
    created: datetime
    expires: datetime | None


class Store(Protocol):
    """Keeps what people set, one `Told` a user and field, a history, and tokens.

    Users are told apart by `protocol.text.fold`. Only the user map writes what was told,
    one call at a time; tokens may be written by another process meanwhile.
    """

    async def load(self) -> list[Told]:
        """Return everything that is in force.

        Raises:
          StoreError: the store cannot tell.
        """

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        """Do all of *writes*, in their order, or none.

        A `Told` takes the place of what was kept for that user and field, and a status
        becomes the newest entry of its user's history, from which the oldest go that are
        too many. What is `Dropped` and not there is passed over.

        It is kept, for good, when this returns.

        Raises:
          StoreError: none of it was done.
        """

    async def history(self, name: str) -> list[Past]:
        """Return the statuses that were set for *name*, the newest first.

        Raises:
          StoreError: the store cannot tell.
        """

    async def latest(self, limit: int) -> list[Past]:
        """Return the statuses that were set last, whoever's they are, the newest first.

        Args:
          limit: how many to return at most.

        Raises:
          StoreError: the store cannot tell.
        """

    async def remembered(self) -> list[str]:
        """Return the folded names of all who have a history.

        Raises:
          StoreError: the store cannot tell.
        """

    async def add_token(self, token: Token) -> None:
        """Keep *token*, whose id is new.

        Raises:
          StoreError: it could not be kept.
        """

    async def find_token(self, token_id: str) -> Token | None:
        """Return the token of that id as it is kept this moment.

        Raises:
          StoreError: the store cannot tell.
        """

    async def tokens(self) -> list[Token]:
        """Return every token, the oldest first.

        Raises:
          StoreError: the store cannot tell.
        """

    async def revoke_token(self, token_id: str) -> bool:
        """Forget the token of that id, and return whether there was one.

        Raises:
          StoreError: it could not be forgotten.
        """
