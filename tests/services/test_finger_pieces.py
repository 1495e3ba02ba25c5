"""What else is known of an answer: in which pieces it is sent, and what is counted and logged."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rfc1288.asking import MOSHEZ_LONG, NOW, SHAWN_LONG, ask, make_people, make_users
from trio_finger.config import Finger
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_PLAN
from trio_finger.services.finger import _long, answer_query
from trio_finger.services.finger._long import plan_lines
from trio_finger.sources import Found
from trio_finger.sources._asked import Verdict
from trio_finger.sources._view import View
from trio_finger.usermap import ANYBODY, Status, UserMap


@pytest.mark.parametrize("line", [b"", b"/W"])
@pytest.mark.parametrize("plan", ["", "\n" * 999 + "x", "x" * MAX_PLAN, "山" * 5461])
async def test_pieces(line: bytes, plan: str) -> None:
    """A list is made in pieces of at most 64 KiB, whoever is in it."""
    people = {f"u{n:03}": Profile(full_name="F. N.", plan=plan) for n in range(250)}
    users = await make_people(people, dict.fromkeys(people, "山" * 341))
    data = answer_query(line, users, Finger(), clock=lambda: NOW).data
    assert not isinstance(data, bytes)
    pieces = list(data)
    assert len(pieces) > 3
    assert all(0 < len(piece) <= 65536 for piece in pieces)
    assert b"".join(pieces).count(b"\r\n") == ask(users, line).count(b"\r\n")


@given(st.text(alphabet="ab\n", max_size=100), st.integers(1, 10))
def test_lines_of_a_plan(plan: str, longest: int) -> None:
    """A line that is too long becomes several, and nothing else about a plan changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_long, "_LONGEST", longest)
        lines = list(plan_lines(plan))
    assert max(map(len, lines)) <= longest
    expected = []
    for line in plan.split("\n"):
        expected += [line[at : at + longest] for at in range(0, len(line), longest)] or [""]
    assert lines == expected


@pytest.mark.parametrize("plan", ["x" * 1_000_000, "\n" * 1_000_000 + "x", "山\n" * 300_000 + "x"])
@pytest.mark.parametrize("line", [b"weather", b"/W weather", b"weather moshez"])
async def test_t24_megabytes(line: bytes, plan: str) -> None:
    """T24: what a source has to say may have megabytes; it is made as it is sent."""
    found = Found("x", NOW, Profile("The weather", plan), whole=True)
    view = View(await make_users({"moshez": "Well"}), {"weather": Verdict(found)}, {})
    data = answer_query(line, view, Finger(), clock=lambda: NOW).data
    assert not isinstance(data, bytes)
    pieces = list(data)
    assert max(map(len, pieces)) <= 65536
    text = b"".join(pieces).decode().replace("\r\n", "\n")
    assert text.count("x") >= plan.count("x")
    assert text.count("\n") >= plan.count("\n")


async def test_pieces_are_made_when_asked_for() -> None:
    """To begin a list takes no longer for many users than for few."""
    taken = 0

    class Counting(UserMap):
        def __iter__(self) -> Iterator[Status]:
            nonlocal taken
            for status in super().__iter__():
                taken += 1
                yield status

    users = Counting((await make_users({}))._store, clock=lambda: NOW)
    file = {f"u{n:04}": Status(f"u{n:04}", "Here", NOW) for n in range(2000)}
    await users.replace_file(file)
    for line in (b"", b"/W"):
        taken = 0
        data = answer_query(line, users, Finger(), clock=lambda: NOW).data
        assert not isinstance(data, bytes)
        assert taken == 0
        next(data)
        assert 0 < taken <= 200
        rest = sum(1 for _ in data)
        assert taken == 2000
        assert rest > 8


async def test_list_while_users_come_and_go() -> None:
    """Between two pieces anything may happen: whoever stays is there once, in whole lines."""
    users = await make_users({f"u{n:04}": "Here" for n in range(500)})
    for line, begin in ((b"", b"u"), (b"/W", b"Login: u")):
        data = answer_query(line, users, Finger(), clock=lambda: NOW).data
        assert not isinstance(data, bytes)
        answer = next(data)
        await users.set(SetRequest("a", "New"), by=ANYBODY)
        await users.set(SetRequest("z", "New"), by=ANYBODY)
        await users.set(SetRequest("u0001", ""), by=ANYBODY)
        await users.set(SetRequest("u0450", ""), by=ANYBODY)
        answer += b"".join(data)
        for n in range(500):
            if n not in (1, 450):
                assert answer.count(begin + b"%04d" % n) == 1
        for name in ("a", "z"):
            await users.set(SetRequest(name, ""), by=ANYBODY)
        for name in ("u0001", "u0450"):
            await users.set(SetRequest(name, "Here"), by=ANYBODY)


# What is said of an answer


@pytest.mark.parametrize(
    ("line", "result", "found"),
    [
        (b"moshez", "status", ("Moshez",)),
        (b"nobody", "unknown", ()),
        (b"nobody none", "unknown", ()),
        (b"/W none", "unknown", ()),
        (b"shawn nobody MOSHEZ", "status", ("shawn", "Moshez")),
        (b"/W moshez", "long", ("Moshez",)),
        (b"/W nobody moshez", "long", ("Moshez",)),
        (b"", "list", ()),
        (b"/W", "list", ()),
        (b"moshez@h", "forwarding denied", ()),
        (b"a " * 11, "too many", ()),
    ],
)
@pytest.mark.parametrize("config", [Finger(), Finger(match="names"), Finger(charset="ascii")])
async def test_result(line: bytes, result: str, found: tuple[str, ...], config: Finger) -> None:
    """An answer says of what kind it is, and whom it shows, for what is counted and logged."""
    users = await make_users({"Moshez": "Happy and well", "shawn": "Alive"})
    answer = answer_query(line, users, config)
    assert (answer.result, answer.found) == (result, found)


async def test_result_of_nobody_and_of_nothing() -> None:
    """A refused list is told from one of nobody."""
    users = await make_users({})
    assert answer_query(b"", users, Finger()).result == "list"
    assert answer_query(b"", users, Finger(list=False)).result == "list denied"


async def test_one_user_is_answered_at_once() -> None:
    """One user, short or long, is bytes, which can be sent without a task; more may be long."""
    users = await make_users({"moshez": "Happy and well", "shawn": "Alive"})
    for line in (b"moshez", b"/W moshez", b"moshez shawn", b"nobody", b"/W none no"):
        assert isinstance(answer_query(line, users, Finger()).data, bytes)
    data = answer_query(b"/W moshez shawn", users, Finger()).data
    assert not isinstance(data, bytes)
    assert b"".join(data) == MOSHEZ_LONG + b"\r\n" + SHAWN_LONG


async def test_no_time_is_asked_where_none_is_shown() -> None:
    """The clock is for ages in the list; nobody else's answer waits for a system call."""
    users = await make_users({"moshez": "Happy and well"})
    for line in (b"moshez", b"/W moshez", b"nobody", b"@h", b"/W"):
        answer_query(line, users, Finger(), clock=pytest.fail)
