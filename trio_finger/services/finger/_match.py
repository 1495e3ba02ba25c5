"""Who is meant by the names in a query (RFC 1288, 2.5.3)."""

from collections.abc import Sequence
from typing import NamedTuple

from trio_finger.usermap import Reader, Status, UnavailableError

# As many as a person may well want at once; a line of hundreds is an enumeration.
MAX_USERS = 10


class Match(NamedTuple):
    """Who is shown.

    Attributes:
      found: the users, in the order of the names in the query; ``None`` for a name that
        is nobody's, and the error for one of which that cannot be said.
      by_login: whether each is there because the query has their login, so that whoever
        asked knows whose answer is whose.
      more: whether there are others, who are not shown.
    """

    found: Sequence[Status | UnavailableError | None]
    by_login: bool = True
    more: bool = False


def match_logins(names: Sequence[str], users: Reader) -> Match:
    """Find whoever has one of *names* as their login."""
    return Match([_get(users, name) for name in names])


def match_names(names: Sequence[str], users: Reader) -> Match:
    """Find whoever has one of *names* as their login, or as a word of their full name.

    Each is found once, whoever has it as a login before the others, and at most
    `MAX_USERS` are.
    """
    seen: set[str] = set()
    found: list[Status | UnavailableError | None] = []
    by_login, more = True, False
    for name in names:
        exact = _get(users, name)
        # One more than can be shown, to learn that there are more, whoever was seen already.
        matching = users.named(name, MAX_USERS + 1)
        if isinstance(exact, Status):
            matching.insert(0, exact)
        for status in matching:
            if status.name in seen:
                continue
            if len(seen) == MAX_USERS:
                more = True
                break
            seen.add(status.name)
            found.append(status)
            by_login = by_login and status is exact
        if not matching:
            found.append(exact)
    return Match(found, by_login, more)


def _get(users: Reader, name: str) -> Status | UnavailableError | None:
    try:
        return users.get(name)
    except UnavailableError as error:
        return error
