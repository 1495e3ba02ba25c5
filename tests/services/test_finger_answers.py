"""Answers at the finger door: how they are laid out, and what is said of them besides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rfc1288.asking import (
    FULL,
    NO_SUCH_USER,
    SHAWN,
    ask,
    make_people,
    make_users,
)
from trio_finger.config import Finger
from trio_finger.protocol.columns import width
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import clean
from trio_finger.usermap import ANYBODY

# The long form


async def test_everything() -> None:
    """The long answer tells all there is to say, as it is laid out for everybody to rely on."""
    users = await make_people({"moshez": FULL})
    request = SetRequest("moshez", "Giving a tutorial now, sorry!", lasts="1h")
    await users.set(request, by=ANYBODY)
    assert ask(users, b"/W moshez").decode().split("\r\n") == [
        "Login: moshez                           Name: Moshe Zadka",
        "Status: Giving a tutorial now, sorry!",
        "Since: 2026-11-20 23:15 UTC             Until: 2026-11-21 00:15 UTC",
        "Web: https://example.org/moshez",
        "Web: http://example.org/",
        "Project: finger",
        "Plan:",
        "1. Write it",
        "",
        "   2. Mend it",
        "",
    ]
    assert ask(users, b"moshez") == b"Giving a tutorial now, sorry!\r\n"


SINCE_LINE = "Since: 2026-11-20 23:15 UTC"


@pytest.mark.parametrize(
    ("profile", "text", "lines"),
    [
        (Profile(), "", ["Login: moshez", SINCE_LINE, "No Plan."]),
        (Profile(), "Here", ["Login: moshez", "Status: Here", SINCE_LINE, "No Plan."]),
        (
            Profile(full_name="M. Z."),
            "",
            ["Login: moshez                           Name: M. Z.", SINCE_LINE, "No Plan."],
        ),
        (
            Profile(links=("https://example.org/",)),
            "",
            ["Login: moshez", SINCE_LINE, "Web: https://example.org/", "No Plan."],
        ),
        (
            Profile(project="finger"),
            "",
            ["Login: moshez", SINCE_LINE, "Project: finger", "No Plan."],
        ),
        (Profile(plan="Rest"), "", ["Login: moshez", SINCE_LINE, "Plan:", "Rest"]),
    ],
)
async def test_what_there_is_not_is_left_out(profile: Profile, text: str, lines: list[str]) -> None:
    """A line without content is not there, but that there is no plan is said (as by finger)."""
    users = await make_people({"moshez": profile}, {"moshez": text})
    assert ask(users, b"/W moshez").decode().split("\r\n") == [*lines, ""]


async def test_plan_that_was_set() -> None:
    """A plan that a person set takes the place of the file's, in any answer that has plans."""
    users = await make_people({"moshez": FULL})
    await users.set(SetRequest("moshez", plan="Rest\n  well"), by=ANYBODY)
    assert ask(users, b"/W moshez").endswith(b"Plan:\r\nRest\r\n  well\r\n")
    await users.set(SetRequest("new", plan="Rest"), by=ANYBODY)
    assert ask(users, b"/W new").startswith(b"Login: new\r\nSince: 2026-11-20 23:15 UTC\r\nPlan:")


async def test_no_status() -> None:
    """A user who has no status is a user all the same."""
    users = await make_people({"moshez": FULL, "shawn": Profile()}, {"shawn": "Alive"})
    assert ask(users, b"moshez") == b"No status\r\n"
    assert ask(users, b"zadka", Finger(match="names")) == b"moshez: No status\r\n"
    assert ask(users, b"moshez shawn nobody") == b"No status\r\n" + SHAWN + NO_SUCH_USER
    assert b"Status" not in ask(users, b"/W moshez")
    assert ask(users, b"").split(b"\r\n")[1].split() == [b"moshez", b"Moshe", b"Zadka", b"3h"]


@pytest.mark.parametrize(
    ("login", "column"),
    [("n" * 32, 40), ("n" * 33, 41), ("n" * 64, 72), ("山" * 16, 40), ("山" * 17, 42)],
)
async def test_long_login(login: str, column: int) -> None:
    """A name that reaches the middle of the line pushes the full name aside, and no further."""
    users = await make_people({login: FULL})
    first = ask(users, f"/W {login}".encode()).decode().split("\r\n")[0]
    left, right = first.split("Name: ")
    assert left.endswith(" ")
    assert width(left) == column
    assert right == "Moshe Zadka"


# The list


async def test_table() -> None:
    """The list cuts what is too long for its column, in columns of a terminal."""
    users = await make_people(
        {
            "moshez": FULL,
            "shawn": Profile(),
            "zed": Profile(full_name="x" * 19),
            "zoë": Profile(full_name="Zoë Zacharias Zimmermann"),
            "山田": Profile(full_name="山田太郎左衛門之助長政"),
        },
        {"moshez": "Happy and well", "shawn": "s" * 32, "zed": "s" * 33, "山田": "今日\t☞"},
    )
    assert ask(users, b"").decode().split("\r\n") == [
        "Login                Name                Status                             Age",
        "moshez               Moshe Zadka         Happy and well                      3h",
        f"shawn                                    {'s' * 32}    3h",
        f"zed                  {'x' * 19} {'s' * 29}...    3h",
        "zoë                  Zoë Zacharias Zi...                                     3h",
        "山田                 山田太郎左衛門之... 今日 ☞                              3h",
        "",
    ]


names = st.from_regex(r"[a-z]{1,20}", fullmatch=True)
profiles = st.builds(Profile, full_name=st.text(max_size=60).map(clean))
texts = st.text(max_size=100).map(clean)


@given(
    people=st.dictionaries(names, st.tuples(profiles, texts), min_size=1, max_size=4),
    config=st.builds(Finger, charset=st.sampled_from(["utf-8", "ascii"])),
)
async def test_table_fits(people: dict[str, tuple[Profile, str]], config: Finger) -> None:
    """Every line of the list takes 79 columns."""
    users = await make_people(
        {name: profile for name, (profile, _) in people.items()},
        {name: text for name, (_, text) in people.items()},
    )
    head, *rows, end = ask(users, b"", config).decode().split("\r\n")
    assert end == ""
    assert [row.split(" ")[0] for row in rows] == sorted(people)
    assert {width(row) for row in (head, *rows)} == {79}


async def test_long_names_keep_list_lines_whole() -> None:
    """A name as long as names may be is shown whole; a reader must be able to ask for it."""
    users = await make_users({"n" * 64: "Here"})
    assert "n" * 64 in ask(users, b"").decode()
