"""The list of everybody: a table, a row a user (RFC 1288, 2.5.1)."""

from collections.abc import Callable, Iterator
from datetime import datetime

from trio_finger.config import Finger
from trio_finger.protocol.columns import cut, pad
from trio_finger.protocol.text import format_age
from trio_finger.usermap import Reader

# Columns of a terminal; in all one less than it has.
_LOGIN = 20
_NAME = 19
_STATUS = 32
_AGE = 5


def table_lines(
    users: Reader, config: Finger, now: datetime, spell: Callable[[str], str]
) -> Iterator[str]:
    """Yield the head of the table and its rows, each made when it is asked for.

    The column of full names is always there: the RFC wants them shown, and a table that
    is made while it is sent cannot know whether anybody has one. A login is never cut, for
    it is what a reader has to ask for.

    Args:
      users: who is there.
      config: which of the other columns there are.
      now: the time (UTC) from which ages are counted.
      spell: writes a line of text with the characters that the client knows.
    """

    def cell(text: str, columns: int) -> str:
        return pad(cut(spell(text.replace("\t", " ")), columns), columns)

    has_status, has_age = "status" in config.fields, "since" in config.fields

    def row(login: str, name: str, status: str, age: str) -> str:
        shown = [login, name, *([status] if has_status else []), *([age] if has_age else [])]
        return " ".join(shown).rstrip()

    yield row(
        f"{'Login':{_LOGIN}}", f"{'Name':{_NAME}}", f"{'Status':{_STATUS}}", f"{'Age':>{_AGE}}"
    )
    for status in users:
        login = pad(spell(status.name), _LOGIN)
        name = cell(users.profile(status.name).full_name, _NAME)
        age = format_age((now - status.since).total_seconds())
        yield row(login, name, cell(status.text, _STATUS), f"{age:>{_AGE}}")
