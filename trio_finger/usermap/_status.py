"""A status as the doors see it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Status:
    """What a user is up to.

    Attributes:
      name: the user, in the spelling to show.
      text: one line of clean text; empty for a user who has no status.
      since: when it began to hold (UTC).
      until: when it ends (UTC), if it has an end.
      details: what a short answer shows in place of the text, if anything: any number of
        lines of a service, LF between them.
    """

    name: str
    text: str
    since: datetime
    until: datetime | None = None
    details: str = ""
