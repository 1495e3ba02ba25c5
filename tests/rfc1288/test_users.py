"""Answers about users (RFC 1288, 2.5.2 to 2.5.4): R8 to R11, R14 to R16."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rfc1288.asking import (
    FULL,
    MOSHEZ,
    NO_SUCH_USER,
    ask,
    make_people,
    make_users,
)
from trio_finger.config import Finger
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import clean
from trio_finger.usermap import ANYBODY

PLAN = "Xyzzy 1\nXyzzy 2"


@pytest.mark.parametrize("line", [b"/W moshez", b"moshez /w", b"/W", b"/W shawn moshez"])
async def test_r8_full_name(line: bytes) -> None:
    """A verbose answer has the full name, whole however long, of whoever has one."""
    for name in ("Moshe Zadka", "Z" * 256):
        users = await make_people({"moshez": Profile(full_name=name), "shawn": Profile()})
        assert f"Name: {name}\r\n".encode() in ask(users, line)


async def test_r8_nobody_is_given_a_name() -> None:
    """Whoever has no full name is known by login alone; none is made up."""
    users = await make_people({"shawn": Profile()})
    assert ask(users, b"/W shawn").startswith(b"Login: shawn\r\n")
    assert b"Name" not in ask(users, b"/W shawn")


names = st.from_regex(r"[a-z]{1,30}", fullmatch=True)
lines = st.text(max_size=80).map(clean).map(str.strip)


@given(name=names, full_name=lines, text=lines)
async def test_r9_all_of_the_list(name: str, full_name: str, text: str) -> None:
    """A verbose answer has all that the list has, whole: login, full name, status, since when."""
    users = await make_people({name: Profile(full_name=full_name)}, {name: text})
    answer = ask(users, f"/W {name}".encode()).decode().split("\r\n")
    assert answer[0].startswith(f"Login: {name}")
    assert answer[0].endswith(f" Name: {full_name}") or not full_name
    assert (f"Status: {text}" in answer) == bool(text)
    assert "Since: 2026-11-20 23:15 UTC" in answer


async def test_r10_fields_of_ours() -> None:
    """What else the operator has the users file say of somebody is in a verbose answer."""
    users = await make_people({"moshez": FULL, "shawn": Profile()})
    for field in ("Web: ", "Project: ", "Plan:\r\n"):
        assert field in ask(users, b"/W moshez").decode()
        assert field not in ask(users, b"/W shawn").decode()


@pytest.mark.parametrize("config", [Finger(plan=False), Finger(plan=False, format="full")])
@pytest.mark.parametrize("told", [True, False])
async def test_r11_plans_off(config: Finger, told: bool) -> None:
    """With plans off no byte of one is sent, whoever wrote it, nor that there is none."""
    users = await make_people({"moshez": Profile(plan="" if told else PLAN)})
    if told:
        await users.set(SetRequest("moshez", plan=PLAN), by=ANYBODY)
    for line in (b"moshez", b"/W moshez", b"/W", b"", b"/W moshez moshez"):
        answer = ask(users, line, config)
        assert b"xyzzy" not in answer.lower()
        assert b"plan" not in answer.lower()
    assert b"\r\nPlan:\r\nXyzzy 1\r\nXyzzy 2\r\n" in ask(users, b"/W moshez")


async def test_r11_only_plans() -> None:
    """With plans off all the rest is as it was."""
    users = await make_people({"moshez": FULL, "shawn": Profile()}, {"shawn": "Here"})
    for line in (b"/W moshez", b"/W shawn"):
        assert ask(users, line).startswith(ask(users, line, Finger(plan=False)))


async def test_r14_names() -> None:
    """A user is found by login in any spelling, whatever letters it has."""
    users = await make_users({"moshez": "Happy and well", "Zoë": "Here", "a.b-c_d+1": "There"})
    for line in ("moshez", "MOSHEZ", "MosheZ"):
        assert ask(users, line.encode()) == MOSHEZ
    for line in ("Zoë", "zoë", "ZOË", "zoe\N{COMBINING DIAERESIS}"):
        assert ask(users, line.encode()) == b"Here\r\n"
    assert ask(users, b"a.b-c_d+1") == b"There\r\n"


FAMILY = {
    "moshez": Profile(full_name="Moshe Zadka"),
    "yael": Profile(full_name="Yael Zadka"),
    "zadka": Profile(full_name="Nobody Else"),
}
TEXTS = {"moshez": "Happy and well", "yael": "Busy", "zadka": "Away"}


async def test_r15_off_by_default() -> None:
    """Unless the operator says so, only a login is a name."""
    users = await make_people(FAMILY, TEXTS)
    for line in (b"Moshe", b"else", b"moshe zadk", b"/W Moshe"):
        assert set(ask(users, line).split(b"\r\n")) == {b"No such user", b""}
    assert ask(users, b"zadka") == b"Away\r\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"moshez", b"Happy and well\r\n"),
        (b"moshe", b"moshez: Happy and well\r\n"),
        (b"ZADKA", b"zadka: Away\r\nmoshez: Happy and well\r\nyael: Busy\r\n"),
        (b"yael moshez", b"Busy\r\nHappy and well\r\n"),
        (b"moshez zadka", b"moshez: Happy and well\r\nzadka: Away\r\nyael: Busy\r\n"),
        (b"moshez moshe", b"Happy and well\r\n"),
        (b"nobody yael", b"zadka: Away\r\nyael: Busy\r\n"),
        (b"nobody else", b"zadka: Away\r\n"),
        (b"nobody2 moshe", b"No such user\r\nmoshez: Happy and well\r\n"),
        (b"Zad", NO_SUCH_USER),
    ],
)
async def test_r15_words_of_full_names(line: bytes, answer: bytes) -> None:
    """If so, a word of a full name is one too; everybody once, logins first, each named."""
    users = await make_people(FAMILY, TEXTS)
    assert ask(users, line, Finger(match="names")) == answer


async def test_r15_verbose() -> None:
    """Several long answers stand apart from each other, as when they were asked for one by one."""
    users = await make_people(FAMILY, TEXTS)
    found = [ask(users, b"/W " + login) for login in (b"zadka", b"moshez", b"yael")]
    assert ask(users, b"/W Zadka", Finger(match="names")) == b"\r\n".join(found)


@pytest.mark.parametrize("count", [9, 10, 11, 50])
async def test_r15_ten_at_most(count: int) -> None:
    """No more than ten are shown, and that there are more is said."""
    people = {f"u{n:02}": Profile(full_name=f"U{n} Cohen") for n in range(count)}
    users = await make_people(people, dict.fromkeys(people, "Here"))
    config = Finger(match="names")
    more = "Only the first 10 users are shown; ask for a login"
    rows = [f"u{n:02}: Here" for n in range(min(count, 10))]
    for line in (b"cohen", b"u00 cohen", b"U0 Cohen cohen"):
        assert ask(users, line, config).decode().split("\r\n") == [
            *rows,
            *([more] if count > 10 else []),
            "",
        ]
    long = ask(users, b"/W cohen", config)
    assert long.count(b"Login: ") == min(count, 10)
    assert long.endswith(f"\r\n\r\n{more}\r\n".encode()) == (count > 10)


async def test_r16_verbose_is_longer() -> None:
    """/W makes an answer longer, and is never a name, also where full names are."""
    users = await make_people({"w": Profile(full_name="W /W")}, {"w": "Here"})
    for config in (Finger(), Finger(match="names")):
        assert ask(users, b"w", config) == b"Here\r\n"
        for line in (b"/W w", b"/w w", b"w /W", b"/W /w w", b"/W"):
            answer = ask(users, line, config)
            assert answer.startswith(b"Login: w ")
            assert b"Status: Here\r\n" in answer


async def test_r16_always_verbose() -> None:
    """The operator can have long answers given to everybody; the list is still a table."""
    users = await make_people(FAMILY, TEXTS)
    config = Finger(format="full")
    for name in (b"moshez", b"moshez yael"):
        assert ask(users, name, config) == ask(users, b"/W " + name)
    assert ask(users, b"nobody", config) == NO_SUCH_USER
    assert ask(users, b"", config) == ask(users, b"")
