"""From the bytes of a query to the bytes of the answer, with nothing in between.

This waits for nothing, so whoever has a whole query can answer it on the spot.
"""

from collections.abc import Iterable
from datetime import datetime

from trio_finger.config import Finger
from trio_finger.protocol.finger import Query, parse_query
from trio_finger.protocol.text import format_age
from trio_finger.usermap import Status, UserMap

NO_SUCH_USER = "No such user"
NO_STATUS = "No status"
NOBODY = "No users"
FORWARDING_DENIED = "Finger forwarding service denied"  # RFC 1288, 3.2.1
LIST_DENIED = "Finger online user list denied"  # RFC 1288, 3.2.2

# As many as a person may well want at once; a line of hundreds is an enumeration.
MAX_NAMES = 10
TOO_MANY = f"Too many users in one query (at most {MAX_NAMES})"

_WIDTH = 79  # columns of a list, one less than a terminal has
_LOGIN_WIDTH = 20
_NAME_WIDTH = 20
_MIDDLE = 40


def answer_query(line: bytes, users: UserMap, config: Finger, *, now: datetime) -> bytes:
    """Return the whole answer to the query in *line*, CRLF after every line of it.

    Args:
      line: the query, without its end.
      users: who is there; only read.
      config: what may be answered.
      now: the time (UTC) from which ages are counted.
    """
    return _encode(_answer(parse_query(line), users, config, now=now))


def _answer(query: Query, users: UserMap, config: Finger, *, now: datetime) -> Iterable[str]:
    if query.hosts:
        return [FORWARDING_DENIED]
    if len(query.names) > MAX_NAMES:
        return [TOO_MANY]
    if query.names:
        found = [users.get(name) for name in query.names]
        if query.verbose:
            return _join(_long(status, users, config) for status in found)
        return [NO_SUCH_USER if status is None else _short(status) for status in found]
    if not config.list:
        return [LIST_DENIED]
    if not len(users):
        return [NOBODY]
    if query.verbose:
        return _join(_long(status, users, config) for status in users)
    return _table(users, now)


def _short(status: Status) -> str:
    return status.text or NO_STATUS


def _long(status: Status | None, users: UserMap, config: Finger) -> list[str]:
    """Return everything about one user; what there is nothing to say of is left out."""
    if status is None:
        return [NO_SUCH_USER]
    profile = users.profile(status.name)
    lines = [
        _columns(f"Login: {status.name}", "Name: ", profile.full_name),
        *([f"Status: {status.text}"] if status.text else []),
        _columns(f"Since: {_time(status.since)}", "Until: ", _time(status.until)),
        *(f"Web: {link}" for link in profile.links),
    ]
    if profile.project:
        lines.append(f"Project: {profile.project}")
    if config.plan:
        lines += ["Plan:", *profile.plan.split("\n")] if profile.plan else ["No Plan."]
    return lines


def _columns(left: str, label: str, value: str) -> str:
    """Put what there is to say on the right where a terminal has its middle."""
    return f"{left:{_MIDDLE - 1}} {label}{value}" if value else left


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""


def _join(blocks: Iterable[list[str]]) -> Iterable[str]:
    """Put an empty line between *blocks*."""
    for count, block in enumerate(blocks):
        if count:
            yield ""
        yield from block


def _table(users: UserMap, now: datetime) -> Iterable[str]:
    """Return a row a user; the column of full names is there if anybody has one."""
    everybody = [(status, users.profile(status.name).full_name) for status in users]
    names = _NAME_WIDTH if any(full_name for _, full_name in everybody) else 0
    width = _WIDTH - _LOGIN_WIDTH - names - len("   Age") - 1

    def row(login: str, full_name: str, status: str, age: str) -> str:
        name = f"{_cut(full_name, names - 1):{names}}" if names else ""
        return f"{login:{_LOGIN_WIDTH}} {name}{_cut(status, width):{width}} {age:>5}"

    yield row("Login", "Name", "Status", "Age")
    for status, full_name in everybody:
        age = format_age((now - status.since).total_seconds())
        yield row(status.name, full_name, status.text, age)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _encode(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")
