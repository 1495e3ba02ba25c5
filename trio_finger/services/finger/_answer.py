"""From the bytes of a query to the bytes of the answer, with nothing in between.

This waits for nothing, so whoever has a whole query can answer it on the spot.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from trio_finger.config import Finger
from trio_finger.protocol.ascii import to_ascii
from trio_finger.protocol.finger import Query, parse_query, plain_name
from trio_finger.protocol.text import MAX_PLAN
from trio_finger.services.finger._long import join_blocks, long_lines, plan_lines
from trio_finger.services.finger._match import MAX_USERS, Match, match_logins, match_names
from trio_finger.services.finger._pieces import encode_in_pieces, encode_lines
from trio_finger.services.finger._table import table_lines
from trio_finger.usermap import Reader, Status, UnavailableError

NO_SUCH_USER = "No such user"
NO_STATUS = "No status"
TRY_LATER = "Server error -- try later"
MORE = f"Only the first {MAX_USERS} users are shown; ask for a login"

Result = Literal[
    "status",
    "long",
    "list",
    "unknown",
    "unavailable",
    "forwarded",
    "forwarding denied",
    "list denied",
    "too many",
    "too long",
]


class Answer(NamedTuple):
    """What a query is answered.

    Attributes:
      result: of what kind it is.
      found: the users whom it shows, as the map spells them; nobody for a list.
      data: all of it, CRLF after every line; what may be long as pieces, each of which is
        made when it is asked for, takes a millisecond at most and has less than 64 KiB.
    """

    result: Result
    found: tuple[str, ...]
    data: bytes | Iterator[bytes]


# The first two in the words of RFC 1288, 3.2.1 and 3.2.2. A query to be forwarded is refused
# in the same words whether or not it is well-formed.
_FORWARDING_DENIED = Answer("forwarding denied", (), b"Finger forwarding service denied\r\n")
_LIST_DENIED = Answer("list denied", (), b"Finger online user list denied\r\n")
_TOO_MANY = Answer(
    "too many", (), f"Too many users in one query (at most {MAX_USERS})\r\n".encode()
)
_NOBODY = Answer("list", (), b"No users\r\n")
_UNKNOWN = Answer("unknown", (), f"{NO_SUCH_USER}\r\n".encode())
UNAVAILABLE = Answer("unavailable", (), f"{TRY_LATER}\r\n".encode())


def now_utc() -> datetime:
    """Return the time of the wall (UTC)."""
    return datetime.now(UTC)


def answer_query(
    line: bytes, users: Reader, config: Finger, *, clock: Callable[[], datetime] = now_utc
) -> Answer:
    """Return the answer to the query in *line* (RFC 1288, 2.5).

    Args:
      line: the query, without its end.
      users: who is there; only read, and if the answer is in pieces, while they are made.
      config: what may be answered, and how.
      clock: tells the time (UTC) from which ages are counted.
    """
    is_long = config.format == "full" or "status" not in config.fields
    is_exact = config.match == "exact" and not is_long
    if is_exact and (name := plain_name(line)) is not None:
        return _one_status(name, users, config)
    query = parse_query(line)
    if query.hosts:
        return _FORWARDING_DENIED
    if not query.names:
        return _list(query, users, config, clock)
    if len(query.names) > MAX_USERS:
        return _TOO_MANY
    verbose = query.verbose or is_long
    match = (match_names if config.match == "names" else match_logins)(query.names, users)
    found = tuple([status.name for status in match.found if isinstance(status, Status)])
    if not found:
        result: Result = "unavailable" if any(match.found) else "unknown"
        return Answer(result, (), encode_lines(map(_missing, match.found)))
    if verbose:
        return Answer("long", found, _long(match, users, config))
    lines = _short(match, config)
    is_short = not any(isinstance(status, Status) and status.details for status in match.found)
    return Answer("status", found, encode_lines(lines) if is_short else encode_in_pieces(lines))


def _one_status(name: str, users: Reader, config: Finger) -> Answer:
    """Answer what nearly every query asks, without making anything that only others need."""
    try:
        status = users.get(name)
    except UnavailableError:
        return UNAVAILABLE
    if status is None:
        return _UNKNOWN
    if status.details:
        lines = map(_spelling(config), plan_lines(status.details))
        return Answer("status", (status.name,), encode_in_pieces(lines))
    text = status.text or NO_STATUS
    if config.charset == "ascii":
        text = to_ascii(text)
    return Answer("status", (status.name,), f"{text}\r\n".encode())


def _list(query: Query, users: Reader, config: Finger, clock: Callable[[], datetime]) -> Answer:
    if not config.list:
        return _LIST_DENIED
    if not len(users):
        return _NOBODY
    if query.verbose:
        lines = _long_lines(users, users, config)
    else:
        lines = table_lines(users, config, clock(), _spelling(config))
    return Answer("list", (), encode_in_pieces(lines))


def _short(match: Match, config: Finger) -> Iterator[str]:
    """Yield a line a user: the status alone, unless that would not say whose it is."""
    spell = _spelling(config)
    for status in match.found:
        if not isinstance(status, Status):
            yield _missing(status)
        elif status.details:
            yield from map(spell, plan_lines(status.details))
        elif match.by_login:
            yield spell(status.text or NO_STATUS)
        else:
            yield spell(f"{status.name}: {status.text or NO_STATUS}")
    if match.more:
        yield MORE


def _long(match: Match, users: Reader, config: Finger) -> bytes | Iterator[bytes]:
    """Return all about those whom *match* found; as bytes if that is one, as is usual."""
    lines = _long_lines(match.found, users, config)
    if match.more:
        lines = join_blocks([lines, [MORE]])
    one = match.found[0] if len(match.found) == 1 else None
    is_short = isinstance(one, Status) and len(users.profile(one.name).plan) <= MAX_PLAN
    return encode_lines(lines) if is_short else encode_in_pieces(lines)


def _missing(status: Status | UnavailableError | None) -> str:
    return NO_SUCH_USER if status is None else TRY_LATER


def _long_lines(
    statuses: Iterable[Status | UnavailableError | None], users: Reader, config: Finger
) -> Iterator[str]:
    spell = _spelling(config)
    return join_blocks(
        long_lines(status, users.profile(status.name), config, spell)
        if isinstance(status, Status)
        else [_missing(status)]
        for status in statuses
    )


def _spelling(config: Finger) -> Callable[[str], str]:
    """Return what writes a line with the characters that clients are taken to know."""
    return to_ascii if config.charset == "ascii" else str
