"""What a follower asks for: of whom to hear, and since when."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from trio_finger.protocol.text import TextError, fold, parse_name
from trio_finger.services.web._head import Head

MAX_USERS: Final = 100
_MAX_FIELDS: Final = MAX_USERS + 10
_MAX_DIGITS: Final = 19  # microseconds since 1970, for the next 300,000 years


class WantedError(Exception):
    """Nobody can be served that; ``str()`` of it says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
      keys: the folded names of whom to tell; ``None`` for everybody.
      since: the number of the last change that is known already, if one is.
    """

    keys: frozenset[str] | None
    since: int | None


def parse_wanted(head: Head) -> Wanted:
    """Return what *head* asks for.

    A number that is none is left out, for whoever sends one has to begin anew anyway. A
    browser that comes back after an interruption asks for the address it had at first, so
    what it says in a header is the newer.

    Raises:
      WantedError: it is too much, or names whom there cannot be.
    """
    query = head.target.partition("?")[2]
    try:
        fields = parse_qs(
            query, keep_blank_values=True, errors="replace", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise WantedError("too many fields in the query") from None
    names = fields.get("user")
    if names is not None and len(names) > MAX_USERS:
        raise WantedError(f"no more than {MAX_USERS} users at once")
    try:
        keys = None if names is None else frozenset(fold(parse_name(name)) for name in names)
    except TextError as error:
        raise WantedError(str(error)) from None
    since = _number(head.headers.get("last-event-id", ""))
    if since is None:
        since = _number(fields.get("since", [""])[0])
    return Wanted(keys, since)


def _number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else None
