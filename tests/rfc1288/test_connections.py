"""Connections, lines and characters (RFC 1288, 2.1 to 2.3): F1, F3, R1, L1, L2."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rfc1288.asking import MOSHEZ, ask, is_whole, make_people, make_users
from tests.rfc1288.conftest import Ask
from tests.strategies import texts
from trio_finger.config import Finger, load_config
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.usermap import ANYBODY


@pytest.mark.parametrize("place", ["127.0.0.1:79", "127.0.0.1:7079", "[::1]:0", "0.0.0.0:79"])
def test_f1_any_port(tmp_path: Path, place: str) -> None:
    """A daemon serves where the operator says, finger's own port 79 as any other."""
    path = tmp_path / "config.toml"
    path.write_text(f'[finger]\nlisten = ["{place}"]')
    finger = load_config(path).finger
    assert finger is not None
    assert [str(address) for address in finger.listen] == [place]


def test_f3_server_closes_first(asking: Ask) -> None:
    """The end comes after the whole answer, to a client that keeps its side open and sends on."""
    long = asking(b"/W\r\n")
    for _ in range(10):
        assert asking(b"moshez\r\n", b"shawn\r\n" * 5000) == MOSHEZ
        assert asking(b"/W\r\n" + b"/W moshez\r\n" * 1000) == long


@given(
    line=st.binary(max_size=MAX_QUERY),
    config=st.builds(
        Finger,
        list=st.booleans(),
        plan=st.booleans(),
        match=st.sampled_from(["exact", "names"]),
        charset=st.sampled_from(["utf-8", "ascii"]),
        format=st.sampled_from(["status", "full"]),
    ),
)
async def test_r1_every_line_ends_in_crlf(line: bytes, config: Finger) -> None:
    """Whatever is asked, and however answered, there are lines, and each ends in CRLF."""
    users = await make_users({"moshez": "Happy and well", "Zoë": "☞ 😀", "x": "a\tb"})
    assert is_whole(ask(users, line, config))


@given(plan=texts("\r\n\x0b\x0c\x85\u2028"), charset=st.sampled_from(["utf-8", "ascii"]))
async def test_r1_lines_of_a_plan(plan: str, charset: Literal["utf-8", "ascii"]) -> None:
    """However the lines of a plan end where it is written, here they end in CRLF."""
    users = await make_users({"moshez": "Here"})
    await users.set(SetRequest("moshez", plan=plan), by=ANYBODY)
    assert is_whole(ask(users, b"/W moshez", Finger(charset=charset)))


async def test_l1_utf_8() -> None:
    """Text is UTF-8 unless the operator says otherwise, in queries as in answers."""
    users = await make_people({"josé": Profile(full_name="José Öß 山田")}, {"josé": "Çà et là…"})
    assert ask(users, "josé".encode()) == "Çà et là…\r\n".encode()
    assert "Name: José Öß 山田\r\n".encode() in ask(users, "/W josé".encode())
    assert "josé ".encode() in ask(users, b"")


async def test_l1_ascii() -> None:
    """For old clients every answer can be ASCII, its lines and columns as they are in UTF-8."""
    profile = Profile("José Öß 山", "“Écrire” \N{EN DASH} 100 €…\n☞", "Æsop", ("http://h/é",))
    users = await make_people({"josé": profile}, {"josé": "Çà et là…"})
    config = Finger(charset="ascii")
    assert ask(users, "josé".encode(), config) == b"Ca et la...\r\n"
    assert ask(users, "/W josé".encode(), config).decode("ascii").split("\r\n") == [
        "Login: jose                             Name: Jose Oss ?",
        "Status: Ca et la...",
        "Since: 2026-11-20 23:15 UTC",
        "Web: http://h/e",
        "Project: AEsop",
        "Plan:",
        '"Ecrire" - 100 EUR...',
        "?",
        "",
    ]
    assert ask(users, b"", config).decode("ascii").split("\r\n")[1] == (
        "jose                 Jose Oss ?          Ca et la...                         3h"
    )


async def test_l1_names_stay_exact() -> None:
    """What an answer is written in has no say in who is meant: ``jose`` is not ``josé``."""
    users = await make_users({"josé": "Here"})
    config = Finger(charset="ascii")
    assert ask(users, "josé".encode(), config) == b"Here\r\n"
    assert ask(users, b"jose", config) == b"No such user\r\n"
    assert ask(users, "josé".encode("latin-1"), config) == b"No such user\r\n"


@pytest.mark.parametrize(
    "query", [b"\t moshez", b"moshez \t\n", b" \tmoshez\r", b"MOSHEZ , \n", b"moshez\r\r\n"]
)
def test_l2_liberal(asking: Ask, query: bytes) -> None:
    """A client that ends its line otherwise, or not at all, or adds blanks, is understood."""
    assert asking(query, end=True) == MOSHEZ
    assert asking(b"\t/w " + query, end=True) == asking(b"/W moshez\r\n")
