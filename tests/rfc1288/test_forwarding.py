"""Queries for other hosts (RFC 1288, 2.4 and 3.2.1): R3, R4, R21 to R23."""

from pathlib import Path

import pytest
import trio

from tests.peers import require_peer
from tests.rfc1288.asking import FORWARDING_DENIED, ask, make_users
from tests.rfc1288.conftest import Ask
from tests.rfc1288.watching import watching
from tests.running import CONFIG, PATIENCE, run_daemon
from trio_finger.config import Finger

QUERIES = [b"moshez@localhost", b"@127.0.0.1", b"/W shawn@[::1]", b"nobody@h@0x7f.1", b"moshez@"]


@pytest.mark.parametrize("query", QUERIES)
def test_r3_refused_in_words(asking: Ask, query: bytes) -> None:
    """Such a query gets words: neither silence nor what is said of names here."""
    assert asking(query + b"\r\n") == FORWARDING_DENIED


async def test_r3_in_the_words_of_the_finger_client(tmp_path: Path) -> None:
    """Whoever uses the system's client to ask through us reads why there is no answer."""
    finger = require_peer("finger")
    try:
        (await trio.open_tcp_listeners(79, host="127.0.0.1"))[0].socket.close()
    except OSError as error:
        pytest.skip(f"port 79 cannot be bound here: {error.strerror}")
    async with run_daemon(tmp_path, config=CONFIG.replace("127.0.0.1:0", "127.0.0.1:79", 1)):
        for user in ("moshez@far", "@far", "moshez@"):
            with trio.fail_after(PATIENCE):
                done = await trio.run_process([finger, f"{user}@127.0.0.1"], capture_stdout=True)
            assert done.stdout.endswith(b"Finger forwarding service denied\n")


@pytest.mark.parametrize("query", QUERIES)
async def test_r4_no_connection_is_made(query: bytes) -> None:
    """As long as nothing is forwarded, nobody is connected to and no name is looked up."""
    users = await make_users({"moshez": "Happy and well"})
    with watching() as events:
        ask(users, query)
    assert events == []


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("query", QUERIES)
async def test_r21_r22_off_by_default(query: bytes, lists: bool) -> None:
    """Unless the operator says otherwise nothing is forwarded, whatever else is allowed."""
    users = await make_users({"moshez": "Happy and well"})
    assert ask(users, query) == FORWARDING_DENIED
    assert ask(users, query, Finger(list=lists, match="names", format="full")) == FORWARDING_DENIED


async def test_r23_exact_words() -> None:
    """The refusal is the line that the RFC has, byte for byte."""
    users = await make_users({})
    for config in (Finger(), Finger(charset="ascii"), Finger(list=False)):
        assert ask(users, b"moshez@h", config) == b"Finger forwarding service denied\r\n"
