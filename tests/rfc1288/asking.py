"""Users to ask about, and asking the function that answers without a connection."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from trio_finger.config import Finger
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.services.finger import answer_query
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
NOW = SINCE + timedelta(hours=3, minutes=5)

NO_SUCH_USER = b"No such user\r\n"
FORWARDING_DENIED = b"Finger forwarding service denied\r\n"  # RFC 1288, 3.2.1
LIST_DENIED = b"Finger online user list denied\r\n"  # RFC 1288, 3.2.2
TOO_MANY = b"Too many users in one query (at most 10)\r\n"

MOSHEZ = b"Happy and well\r\n"
SHAWN = b"Alive\r\n"
MOSHEZ_LONG = (
    b"Login: moshez\r\nStatus: Happy and well\r\nSince: 2026-11-20 23:15 UTC\r\nNo Plan.\r\n"
)
SHAWN_LONG = b"Login: shawn\r\nStatus: Alive\r\nSince: 2026-11-20 23:15 UTC\r\nNo Plan.\r\n"
LIST = (
    b"Login                Name                Status                             Age\r\n"
    b"moshez                                   Happy and well                      3h\r\n"
    b"shawn                                    Alive                               3h\r\n"
)

FULL = Profile(
    full_name="Moshe Zadka",
    plan="1. Write it\n\n   2. Mend it",
    project="finger",
    links=("https://example.org/moshez", "http://example.org/"),
)
GHOST = Profile(full_name="G. Host", plan="Boo", project="p", links=("http://h/",), hidden=True)


async def make_users(texts: Mapping[str, str]) -> UserMap:
    """Return a map of people who have said *texts*, by name, and nothing else."""
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    for name, text in texts.items():
        await users.set(SetRequest(name, text), by=ANYBODY)
    return users


async def make_people(
    profiles: Mapping[str, Profile], texts: Mapping[str, str] | None = None
) -> UserMap:
    """Return a map of those whom a users file describes with *profiles*.

    Args:
      texts: the statuses of some of them; the others have none.
    """
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    await users.replace_file(
        {name: Status(name, (texts or {}).get(name, ""), SINCE) for name in profiles}, profiles
    )
    return users


def ask(users: UserMap, line: bytes, config: Finger | None = None) -> bytes:
    """Return the whole answer to *line*, a query without its end."""
    data = answer_query(line, users, config or Finger(), clock=lambda: NOW).data
    return data if isinstance(data, bytes) else b"".join(data)


def is_whole(answer: bytes) -> bool:
    """Whether *answer* has lines, each ends in CRLF, and none holds a bare CR or LF."""
    rest = answer.replace(b"\r\n", b"")
    return answer.endswith(b"\r\n") and b"\r" not in rest and b"\n" not in rest
