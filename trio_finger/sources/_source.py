"""What a source is: somebody who can be asked what a user is up to."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from trio_finger.protocol.profile import Profile


class SourceError(Exception):
    """A source that could not say; ``str()`` of it says why, and nothing of who was asked for."""


def too_long(max_size: int) -> SourceError:
    """Return the error for an answer of more than *max_size* bytes."""
    return SourceError(f"answered with more than {max_size} bytes")


@dataclass(frozen=True, slots=True)
class Found:
    """What a source knows of a user; every text is clean.

    Attributes:
      text: one line; empty for a user who has no status.
      since: since when it holds (UTC), if the source can tell.
      profile: what it knows besides.
      whole: whether a short answer is the plan, and not the status alone.
    """

    text: str
    since: datetime | None = None
    profile: Profile = Profile()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a source is asked, so that two who ask each other come to an end.

    Attributes:
      host: the IP address that the question came from, if it came from one.
      via: the daemons through which it came, by their own account, the nearest last.
    """

    host: str | None = None
    via: tuple[str, ...] = ()


# What every daemon's own name for itself begins with: of other programs that a question went
# through, no circle can be made.
_IDENTITY = "trio-finger-"


def make_identity() -> str:
    """Return a new name for a daemon, by which it knows its own questions again."""
    return _IDENTITY + secrets.token_hex(8)


def read_via(header: str) -> tuple[str, ...]:
    """Return the daemons that are named in a ``Via`` of HTTP (RFC 9110, 7.6.3), in its order."""
    entries = (entry.split() for entry in header.split(","))
    return tuple(entry[1] for entry in entries if entry[1:] and entry[1].startswith(_IDENTITY))


class Circle(Enum):
    """Whether a question is our own, come back."""

    NEVER = auto()  # this source asks nobody else
    NO = auto()
    PERHAPS = auto()
    YES = auto()


class Source(Protocol):
    """Somebody who can be asked."""

    async def ask(self, name: str, asker: Asker) -> Found | None:
        """Return what *name* is up to; ``None`` if there is no such user.

        It takes as long as it takes, and may be cancelled. Whoever asks sets a deadline.

        Args:
          name: a name as `parse_name` returns it; anybody may have asked for it.
          asker: who did.

        Raises:
          SourceError: it could not say.
        """
        ...

    def circle(self, name: str, asker: Asker) -> Circle:
        """Return whether *asker* asks because we have asked them, or somebody who asked them.

        Then nobody on the way knows *name*, and waiting for an answer would be for ever.
        """
        ...

    async def aclose(self) -> None:
        """Let go of whatever is held between questions."""
        ...
