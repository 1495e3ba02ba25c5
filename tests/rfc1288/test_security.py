"""What must not happen (RFC 1288, 2.5.5 and 3): R19, R20, R28, L3 and L4."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.rfc1288.asking import NO_SUCH_USER, ask, is_whole, make_people, make_users
from tests.rfc1288.conftest import Ask
from tests.running import CONFIG, run_daemon
from trio_finger.config import Finger
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.proxy import PRETENDED
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_PLAN, MAX_STATUS
from trio_finger.usermap import ANYBODY, RefusedError

ROOT = Path(__file__).parents[2]


@given(st.binary(max_size=100))
async def test_r19_a_query_changes_nothing(line: bytes) -> None:
    """Whatever is asked, what is there is as it was, and nobody hears of any change."""
    users = await make_users({"moshez": "Happy and well", "shawn": "Alive"})
    before = list(users)
    with users.subscribe() as changes:
        for query in (line, b"/W " + line, b"moshez " + line, b"", b"/W"):
            ask(users, query, Finger(match="names"))
        assert changes.statistics().current_buffer_used == 0
    assert list(users) == before


@given(data=st.binary(max_size=2 * MAX_QUERY))
def test_r20_malformed_input(asking: Ask, data: bytes) -> None:
    """Any bytes get an answer of whole lines, and the next query its own."""
    assume(not data.startswith(PRETENDED))  # no query, and hung up on: see T27
    if len(data.replace(b"\r", b"\n").split(b"\n")[0]) <= MAX_QUERY:
        assert is_whole(asking(data, end=True))
    assert asking(b"moshez\r\n") == b"Happy and well\r\n"


async def test_r28_queries_can_be_logged(tmp_path: Path) -> None:
    """The operator can have every query be a record of the log, and has to say so."""
    config = CONFIG.replace('level = "debug"', 'level = "info"')
    for access in ("false", "true"):
        with_access = config.replace("[log]", f"[log]\naccess = {access}")
        (tmp_path / access).mkdir(mode=0o777)
        async with run_daemon(tmp_path / access, config=with_access) as daemon:
            await daemon.finger(b"moshez\r\n")
            if access == "true":
                assert (await daemon.logged("query"))["users"] == ["moshez"]
        assert ("query" in {record["event"] for record in daemon.log}) == (access == "true")


async def test_l3_capped_and_filtered() -> None:
    """What people write about themselves has a bound, and nothing in it but text."""
    users = await make_users({"moshez": "Happy and well"})
    for request in (
        SetRequest("moshez", "x" * (MAX_STATUS + 1)),
        SetRequest("moshez", plan="x" * (MAX_PLAN + 1)),
    ):
        with pytest.raises(RefusedError, match="longer than"):
            await users.set(request, by=ANYBODY)
    await users.set(SetRequest("moshez", "a\0\x1b[1m\u202eb", "c\x07\x9bd"), by=ANYBODY)
    assert ask(users, b"moshez") == b"a[1mb\r\n"
    assert ask(users, b"/W moshez").endswith(b"Plan:\r\ncd\r\n")


def test_l3_documented_as_public() -> None:
    """Who runs a daemon for others can read that what people write is public."""
    assert "public" in (ROOT / "docs" / "rfc1288.md").read_text()


@pytest.mark.parametrize(
    "name", ["0", ".", "..", "*", "**", "?", "[a-z]*", "%", "_", "all", "root", "-", "--", "/"]
)
async def test_l4_nothing_stands_for_others(name: str) -> None:
    """No name but a user's own reveals anybody (the RFC warns of ``0``, ``.``, ``*``, ``**``)."""
    users = await make_people({"moshez": Profile("Moshe * Z. -"), "shawn": Profile("S. ** / ?")})
    for config in (Finger(), Finger(match="names"), Finger(format="full")):
        for line in (name, f"/W {name}"):
            assert ask(users, line.encode(), config) == NO_SUCH_USER
