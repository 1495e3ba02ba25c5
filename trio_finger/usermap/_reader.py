"""What a door needs to tell about users."""

from collections.abc import Iterator
from typing import Protocol

from trio_finger.protocol.profile import Profile
from trio_finger.usermap._status import Status


class UnavailableError(Exception):
    """Nobody can say just now whether there is such a user."""


class Reader(Protocol):
    """Who is there, as `UserMap` knows them, or somebody who knows more."""

    def get(self, name: str) -> Status | None:
        """Return what *name* is up to; ``None`` for no such user.

        Raises:
          UnavailableError: that cannot be said just now.
        """
        ...

    def profile(self, name: str) -> Profile:
        """Return the profile of a user whom `get` knows."""
        ...

    def named(self, word: str, limit: int) -> list[Status]:
        """Return those in whose full name *word* is a word, *limit* at most."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Status]:
        """Iterate over everybody, in the order of their folded names."""
        ...
