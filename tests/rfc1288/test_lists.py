"""The list of everybody (RFC 1288, 2.5.1, 3.2.2, 3.2.3): R5 to R7, R24 to R26."""

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
from trio_finger.protocol.profile import Profile

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
    """With plans off, what the users file leaves out is nowhere: full names alone can be shown."""
    users = await make_people({"moshez": Profile(full_name="Moshe Zadka")})
    closed = Finger(plan=False)
    assert ask(users, b"/W moshez", closed).decode().split("\r\n") == [
        "Login: moshez                           Name: Moshe Zadka",
        "Since: 2026-11-20 23:15 UTC",
        "",
    ]
    assert ask(users, b"", closed).decode().split("\r\n")[1].split() == [
        "moshez",
        "Moshe",
        "Zadka",
        "3h",
    ]
