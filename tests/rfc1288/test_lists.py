"""The list of everybody (RFC 1288, 2.5.1, 3.2.2, 3.2.3): R5 to R7, R24 to R26."""

from typing import get_args

import pytest

from tests.rfc1288.asking import (
    FORWARDING_DENIED,
    FULL,
    LIST,
    LIST_DENIED,
    MOSHEZ,
    MOSHEZ_LONG,
    SHAWN_LONG,
    ask,
    make_people,
    make_users,
)
from trio_finger.config import Finger
from trio_finger.config._sections import FingerField
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.usermap import ANYBODY

TEXTS = {"moshez": "Happy and well", "shawn": "Alive"}


@pytest.mark.parametrize("line", [b"", b" ", b"/W", b"\t/w "])
async def test_r5_a_list_or_words(line: bytes) -> None:
    """Nobody's name gets the list, or words where there is nobody, or where it is off."""
    users, nobody = await make_users(TEXTS), await make_users({})
    listed = MOSHEZ_LONG + b"\r\n" + SHAWN_LONG if b"/" in line else LIST
    assert ask(users, line) == listed
    assert ask(nobody, line) == b"No users\r\n"
    assert ask(nobody, line, Finger(list=False)) == LIST_DENIED


@pytest.mark.parametrize("line", [b"", b"/W"])
async def test_r6_full_names(line: bytes) -> None:
    """Each user's full name is in the list, also if one alone has any."""
    users = await make_people({"moshez": FULL, "shawn": Profile()})
    assert b"Moshe Zadka" in ask(users, line)


async def test_r6_the_column_is_always_there() -> None:
    """The list has a place for full names also while nobody has one."""
    assert ask(await make_users(TEXTS), b"") == LIST


async def test_r7_fields_of_ours() -> None:
    """Besides full names the list has statuses, and how old they are."""
    users = await make_people({"moshez": FULL}, TEXTS)
    head, row, _ = ask(users, b"").decode().split("\r\n")
    assert head.split() == ["Login", "Name", "Status", "Age"]
    assert row.split("  ")[-1].strip() == "3h"
    assert "Happy and well" in row


@pytest.mark.parametrize("line", [b"", b" ", b"/W", b"\t/w "])
async def test_r24_the_list_has_a_switch(line: bytes) -> None:
    """The operator can turn the list off, and users are still answered."""
    users = await make_users(TEXTS)
    closed = Finger(list=False)
    assert ask(users, line, closed) == LIST_DENIED
    assert ask(users, b"moshez", closed) == MOSHEZ
    assert ask(users, b"/W moshez", closed) == MOSHEZ_LONG
    assert ask(users, b"@h", closed) == FORWARDING_DENIED


async def test_r25_exact_words() -> None:
    """The refusal is the line that the RFC has, byte for byte."""
    users = await make_users(TEXTS)
    for line in (b"", b"/W"):
        assert ask(users, line, Finger(list=False)) == b"Finger online user list denied\r\n"


async def test_r26_only_what_the_operator_gives() -> None:
    """The operator chooses what is shown, down to logins and full names alone."""
    users = await make_people({"moshez": FULL}, {"moshez": "Happy and well"})
    closed = Finger(plan=False, fields=())
    known = b"Login: moshez                           Name: Moshe Zadka\r\n"
    assert ask(users, b"/W moshez", closed) == known
    assert ask(users, b"moshez", closed) == known
    assert (
        ask(users, b"", closed)
        == b"Login                Name\r\nmoshez               Moshe Zadka\r\n"
    )


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("status", "Happy and well"),
        ("since", "Since:"),
        ("until", "Until:"),
        ("web", "Web:"),
        ("project", "Project:"),
    ],
)
async def test_r26_each_field(field: FingerField, words: str) -> None:
    """Every field can be shown without the others, and withheld while they are shown."""
    users = await make_people({"moshez": FULL})
    await users.set(SetRequest("moshez", "Happy and well", lasts="1h"), by=ANYBODY)
    for query in (b"moshez", b"/W moshez"):
        others = tuple(other for other in get_args(FingerField) if other != field)
        assert words.encode() not in ask(users, query, Finger(fields=others))
    alone = ask(users, b"/W moshez", Finger(fields=(field,), plan=False)).decode()
    assert words in alone
    assert len(alone.splitlines()) == 1 + (2 if field == "web" else 1)
