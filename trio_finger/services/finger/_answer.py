"""From the bytes of a query to the bytes of the answer, with nothing in between.

This waits for nothing, so whoever has a whole query can answer it on the spot.
"""

from collections.abc import Iterable
from datetime import datetime

from trio_finger.protocol.finger import Query, parse_query
from trio_finger.protocol.text import format_age
from trio_finger.usermap import Status, UserMap

NO_SUCH_USER = "No such user"
NOBODY = "No users"
FORWARDING_DENIED = "Finger forwarding service denied"  # RFC 1288, 3.2.1
LIST_DENIED = "Finger online user list denied"  # RFC 1288, 3.2.2

# As many as a person may well want at once; a line of hundreds is an enumeration.
MAX_NAMES = 10
TOO_MANY = f"Too many users in one query (at most {MAX_NAMES})"

_WIDTH = 79  # columns of a list, one less than a terminal has
_LOGIN_WIDTH = 20


def answer_query(line: bytes, users: UserMap, *, list_users: bool, now: datetime) -> bytes:
    """Return the whole answer to the query in *line*, CRLF after every line of it.

    Args:
      line: the query, without its end.
      users: who is there; only read.
      list_users: whether the empty query is answered, or refused.
      now: the time (UTC) from which ages are counted.
    """
    return _encode(_answer(parse_query(line), users, list_users=list_users, now=now))


def _answer(query: Query, users: UserMap, *, list_users: bool, now: datetime) -> Iterable[str]:
    if query.hosts:
        return [FORWARDING_DENIED]
    if len(query.names) > MAX_NAMES:
        return [TOO_MANY]
    if query.names:
        return [
            line for name in query.names for line in _user(users.get(name), verbose=query.verbose)
        ]
    if not list_users:
        return [LIST_DENIED]
    if not len(users):
        return [NOBODY]
    if query.verbose:
        return _join(_long(status) for status in users)
    return _table(users, now)


def _user(status: Status | None, *, verbose: bool) -> list[str]:
    if status is None:
        return [NO_SUCH_USER]
    return _long(status) if verbose else [status.text]


def _long(status: Status) -> list[str]:
    return [
        f"Login: {status.name}",
        f"Status: {status.text}",
        f"Since: {status.since:%Y-%m-%d %H:%M} UTC",
    ]


def _join(blocks: Iterable[list[str]]) -> Iterable[str]:
    """Put an empty line between *blocks*."""
    for count, block in enumerate(blocks):
        if count:
            yield ""
        yield from block


def _table(users: UserMap, now: datetime) -> Iterable[str]:
    width = _WIDTH - _LOGIN_WIDTH - len("  Age") - 2
    head = f"{'Login':{_LOGIN_WIDTH}} {'Status':{width}}   Age"
    rows = (
        f"{status.name:{_LOGIN_WIDTH}} {_cut(status.text, width):{width}} "
        f"{format_age((now - status.since).total_seconds()):>5}"
        for status in users
    )
    return [head, *rows]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")
