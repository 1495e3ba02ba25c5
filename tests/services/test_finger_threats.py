"""What strangers try at the finger door, and that it does no harm: T4, T8, T9 and T12."""

import sys
from contextlib import suppress
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rfc1288.asking import FULL, GHOST, NO_SUCH_USER, ask, is_whole, make_people, make_users
from tests.rfc1288.watching import watching
from tests.strategies import texts
from trio_finger.config import Finger
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.users_file import Entry
from trio_finger.protocol.users_toml import parse_users_toml
from trio_finger.services.finger import answer_query
from trio_finger.usermap import ANYBODY, OPERATOR, RefusedError, UserMap

EVERY_FORM = [
    Finger(),
    Finger(match="names"),
    Finger(charset="ascii"),
    Finger(format="full", charset="ascii"),
]

# T4

TRICKS = (
    *("../..", "..", "../../etc/passwd", "/etc/passwd", "~root", "~/.plan", "./users", "users"),
    *("%2e%2e", "%2e%2e%2fetc%2fpasswd", "..%2f..", "..\\..\\boot.ini", "C:\\users", "\\\\h\\c"),
    *(
        "moshez\0",
        "\0",
        "moshez/../moshez",
        "moshez/",
        "file:///etc/passwd",
        ".plan",
        "moshez.plan",
    ),
)


@pytest.mark.parametrize("config", EVERY_FORM)
@pytest.mark.parametrize("name", TRICKS)
async def test_t4_no_path_is_a_name(name: str, config: Finger) -> None:
    """What leads to a file elsewhere is nobody here, and no file is so much as looked for."""
    users = await make_people({"moshez": FULL})
    with watching() as events:
        assert ask(users, name.encode(), config) == NO_SUCH_USER
        assert ask(users, f"/W {name}".encode(), config) == NO_SUCH_USER
    assert events == []


segments = st.sampled_from(["..", ".", "etc", "%2e", "%2f", "\\", "~", "\0", "moshez", "x", "*"])
paths = st.lists(segments, max_size=6).map("/".join)


@given(name=paths | texts("/.\\%~"), config=st.sampled_from(EVERY_FORM))
async def test_t4_nothing_outside_is_touched(name: str, config: Finger) -> None:
    """Whatever name is asked for, no file, socket or program has a part in the answer."""
    users = await make_people({"moshez": FULL})
    with watching() as events:
        ask(users, name.encode("utf-8", "replace"), config)
    assert events == []


def test_t4_would_be_noticed() -> None:
    """Had a file been opened, these tests would know."""
    with watching() as events, suppress(OSError), open("/etc/passwd"):  # noqa: PTH123
        pass
    assert events == ["open"]


# T8


@pytest.mark.parametrize(
    "line",
    [
        *(b"ghost", b"GHOST", b" ghost ", b"/W ghost", b"ghost /W", b"ghost,moshez"),
        *(b"ghost ghost", b"moshez ghost", b"/W moshez ghost", b"/W ghost nobody", b"ghost@h"),
        *(b"@ghost", b"/Wghost", b"", b"/W", b"G.", b"G", b"Host", b"/W host", b"host moshez"),
        *(b"zadka", b"zadka host", b"Boo", b"nobody"),
    ],
)
@pytest.mark.parametrize(
    "others", [{"moshez": Profile()}, {"moshez": FULL}, {"a": Profile("A Host")}, {}]
)
async def test_t8_hidden_is_nobody(line: bytes, others: dict[str, Profile]) -> None:
    """Every query has the same answer as if a hidden user were not there at all."""
    without = await make_people(others)
    there = await make_people(others | {"ghost": GHOST}, {"ghost": "Boo"})
    told = await make_people(others | {"ghost": GHOST})
    await told.set(SetRequest("Ghost", "Boo", "Boo", until="2027-01-01"), by=OPERATOR)
    refusing = (Finger(list=False), Finger(plan=False), Finger(list=False, match="names"))
    for config in (*EVERY_FORM, *refusing):
        expected = answer_query(line, without, config)
        for users in (there, told):
            assert ask(users, line, config) == ask(without, line, config)
            answer = answer_query(line, users, config)
            assert (answer.result, answer.found) == (expected.result, expected.found)


@pytest.mark.parametrize("count", [8, 9, 10, 11])
async def test_t8_hidden_do_not_count(count: int) -> None:
    """Nor is anybody left out, or said to be, because somebody hidden has the same name."""
    people = {f"u{n:02}": Profile(full_name="A Host") for n in range(count)}
    hidden = {f"a{n}": GHOST for n in range(20)}
    without, there = await make_people(people), await make_people(people | hidden)
    for line in (b"host", b"/W host", b"u01 host", b""):
        for config in EVERY_FORM:
            assert ask(there, line, config) == ask(without, line, config)


# T9

HARMFUL = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character != "\t"
]
LINES = (b"", b"/W", b"moshez", b"/W moshez", b"shawn moshez", b"zadka", b"/W zadka")


def is_harmless(answer: bytes) -> bool:
    """Whether *answer* is whole lines with nothing in them that acts on a terminal."""
    return is_whole(answer) and set(HARMFUL).isdisjoint(answer.replace(b"\r\n", b"").decode())


def toml(text: str) -> str:
    """Write *text* as TOML may, whatever is in it."""
    return '"' + "".join(f"\\U{ord(character):08X}" for character in text) + '"'


async def make_deceiver(text: str) -> UserMap:
    """Return a map in which two people have *text* wherever it is let in."""
    in_file = "".join(c for c in text if not "\ud800" <= c <= "\udfff" and c not in "\r\n")
    tables = [
        f"[moshez]\nfull_name = {toml(f'Zadka {in_file}')}\nstatus = {toml(in_file)}\n",
        f"[shawn]\nproject = {toml(in_file)}\nplan = {toml(in_file)}\n",
        f"[link]\nlinks = [{toml(f'http://h/{in_file}')}]\n",
        f"[{toml(in_file)}]\n",
    ]
    found = parse_users_toml("".join(tables).encode())
    entries = [entry for entry in found if isinstance(entry, Entry)]
    users = await make_people(
        {entry.name: entry.profile or Profile() for entry in entries},
        {entry.name: entry.status for entry in entries},
    )
    for request in (
        SetRequest("shawn", text),
        SetRequest("moshez", plan=text),
        SetRequest(text, "Here"),
    ):
        with suppress(RefusedError):
            await users.set(request, by=ANYBODY)
    return users


@pytest.mark.parametrize("start", range(0, len(HARMFUL), 100))
async def test_t9_every_harmful_character(start: int) -> None:
    """None of Unicode's control, format and bidi characters leaves this door, in no form."""
    users = await make_deceiver("a" + "b".join(HARMFUL[start : start + 100]))
    assert len(users) >= 2
    for config in EVERY_FORM:
        for line in LINES:
            assert is_harmless(ask(users, line, config))
    assert b"Name: Zadka ab" in ask(users, b"/W moshez")
    assert b"ab" in ask(users, b"shawn")


@given(text=texts("\t\x1b\x9b\u202e山é") | st.text(min_size=1), config=st.sampled_from(EVERY_FORM))
async def test_t9_any_text(text: str, config: Finger) -> None:
    """Whatever text is let in, what goes out is whole lines and harmless; in ASCII, ASCII."""
    users = await make_deceiver(text)
    for line in LINES:
        answer = ask(users, line, config)
        assert is_harmless(answer)
        assert config.charset == "utf-8" or answer.isascii()


@given(line=st.binary(max_size=100), config=st.sampled_from(EVERY_FORM))
async def test_t9_queries_are_not_echoed(line: bytes, config: Finger) -> None:
    """Nothing of a query is in its answer, or a link to this door could write on terminals."""
    users = await make_users({})
    answer = ask(users, line, config)
    assert not answer.replace(NO_SUCH_USER, b"") or answer in {
        b"No users\r\n",
        b"Finger forwarding service denied\r\n",
        b"Too many users in one query (at most 10)\r\n",
    }


# T12

TEMPLATES = ("%s %d %n", "{user.__class__}", "{{7*7}}", "{0}", "${7*7}", "\\n\\x41", "&amp;<b>")


@pytest.mark.parametrize("config", EVERY_FORM)
@pytest.mark.parametrize("template", TEMPLATES)
async def test_t12_templates_stay_text(template: str, config: Finger) -> None:
    """What looks like a format or a template is answered as it is, wherever it stands."""
    name = template.replace(" ", "").replace("@", "").replace("!", "")
    profile = Profile(template, template, template, (f"http://h/{name}",))
    users = await make_people({name: profile}, {name: template})
    text = template.encode()
    assert ask(users, name.encode(), Finger()) == text + b"\r\n"
    assert ask(users, b"", config).count(text) == (3 if name == template else 2)
    long = ask(users, b"/W " + name.encode(), config).split(b"\r\n")
    assert long[0].startswith(f"Login: {name} ".encode())
    assert long[0].endswith(b"Name: " + text)
    assert {b"Status: " + text, f"Web: http://h/{name}".encode()} <= set(long)
    assert long[-4:] == [b"Project: " + text, b"Plan:", text, b""]
    await users.set(SetRequest("moshez", template), by=ANYBODY)
    assert ask(users, b"moshez", config).count(text) == 1
