"""Cases C1 to C12: every form of a query (RFC 1288, 2.3), asked as bytes on the wire."""

import re

import pytest

from tests.rfc1288.asking import (
    FORWARDING_DENIED,
    MOSHEZ,
    NO_SUCH_USER,
    SHAWN,
    SHAWN_LONG,
    TOO_MANY,
)
from tests.rfc1288.conftest import Ask

MOSHEZ_LONG = (
    b"Login: moshez                           Name: Moshe Zadka\r\n"
    b"Status: Happy and well\r\n"
    b"Since: 2026-11-20 23:15 UTC\r\n"
    b"Web: https://example.org/moshez\r\n"
    b"Web: http://example.org/\r\n"
    b"Project: finger\r\n"
    b"Plan:\r\n"
    b"1. Write it\r\n"
    b"\r\n"
    b"   2. Mend it\r\n"
)
LIST = re.compile(
    rb"Login                Name                Status                             Age\r\n"
    rb"moshez               Moshe Zadka         Happy and well                   [ \w]{5}\r\n"
    rb"shawn                                    Alive                            [ \w]{5}\r\n"
)


@pytest.mark.parametrize("query", [b"\r\n", b"\n", b"  \t \r\n", b",\r\n"])
def test_c1_nothing_is_the_list(asking: Ask, query: bytes) -> None:
    """Nothing, or nothing but blanks, asks for everybody."""
    assert LIST.fullmatch(asking(query))


@pytest.mark.parametrize("query", [b"moshez\r\n", b"MosheZ\r\n", b" \tmoshez \t \r\n"])
def test_c2_a_name(asking: Ask, query: bytes) -> None:
    """A name asks for that user; the RFC's grammar forgets this, its prose does not."""
    assert asking(query) == MOSHEZ


@pytest.mark.parametrize("query", [b"/W\r\n", b"/W \r\n", b"\t/w\t\r\n"])
def test_c3_verbose_list(asking: Ask, query: bytes) -> None:
    """/W alone asks for all about everybody."""
    assert asking(query) == MOSHEZ_LONG + b"\r\n" + SHAWN_LONG


@pytest.mark.parametrize("query", [b"/W moshez\r\n", b"/W    moshez\r\n", b"/W\tmoshez\r\n"])
def test_c4_verbose_name(asking: Ask, query: bytes) -> None:
    """/W before a name asks for all about that user."""
    assert asking(query) == MOSHEZ_LONG


@pytest.mark.parametrize("query", [b"/Wmoshez", b"/Wrong", b"/", b"//W", b"/W/W", b"W", b"/WW"])
def test_c5_not_the_token(asking: Ask, query: bytes) -> None:
    """What only begins like /W is a name, and nobody's."""
    assert asking(query + b"\r\n") == NO_SUCH_USER


@pytest.mark.parametrize(
    "query", [b"@h", b"moshez@h", b"/W moshez@h", b"/W @h", b"moshez@localhost", b"moshez @ h"]
)
def test_c6_to_be_forwarded(asking: Ask, query: bytes) -> None:
    """An @ makes it a query for another host, which is refused in the RFC's words."""
    assert asking(query + b"\r\n") == FORWARDING_DENIED


@pytest.mark.parametrize("hops", [2, 3, 100, 509])
def test_c7_many_hosts(asking: Ask, hops: int) -> None:
    """As many hosts as a line can hold are read, and the query is refused."""
    assert asking(b"moshez" + b"@h" * hops + b"\r\n") == FORWARDING_DENIED


@pytest.mark.parametrize("query", [b"moshez@", b"@", b"moshez@@h", b"@@", b"/W @", b"@h@", b"@ @"])
def test_c8_hosts_left_out(asking: Ask, query: bytes) -> None:
    """Where a host is missing it is a query to be forwarded all the same, and refused."""
    assert asking(query + b"\r\n") == FORWARDING_DENIED


@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        ((b"moshez\n",), False),
        ((b"moshez\r",), False),
        ((b"moshez\r\n",), False),
        ((b"mos", b"hez", b"\r", b"\n"), True),
        ((b"moshez",), True),
        ((b"moshez ",), True),
    ],
)
def test_c9_ends_of_lines(asking: Ask, pieces: tuple[bytes, ...], end: bool) -> None:
    """LF alone, CR alone and the end of the input end a query as CRLF does."""
    assert asking(*pieces, end=end) == MOSHEZ


@pytest.mark.parametrize("query", [b"moshez /W", b"/w moshez", b"moshez /w", b"/W moshez /W"])
def test_c10_verbose_anywhere(asking: Ask, query: bytes) -> None:
    """/W counts wherever it stands, in either case."""
    assert asking(query + b"\r\n") == MOSHEZ_LONG


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"moshez shawn", MOSHEZ + SHAWN),
        (b"shawn,moshez", SHAWN + MOSHEZ),
        (b" shawn ,, moshez,", SHAWN + MOSHEZ),
        (b"moshez nobody shawn", MOSHEZ + NO_SUCH_USER + SHAWN),
        (b"nobody,none", NO_SUCH_USER * 2),
        (b"moshez moshez", MOSHEZ * 2),
        (b"/W moshez shawn", MOSHEZ_LONG + b"\r\n" + SHAWN_LONG),
        (b"/W nobody shawn", NO_SUCH_USER + b"\r\n" + SHAWN_LONG),
        (b" ".join([b"moshez"] * 10), MOSHEZ * 10),
        (b" ".join([b"moshez"] * 11), TOO_MANY),
        (b",".join([b"moshez"] * 100), TOO_MANY),
        (b"/W " + b" ".join([b"nobody"] * 11), TOO_MANY),
    ],
)
def test_c11_several_users(asking: Ask, query: bytes, answer: bytes) -> None:
    """Users are answered in turn, ten at most; more are refused rather than cut."""
    assert asking(query + b"\r\n") == answer


@pytest.mark.parametrize(
    "telnet", [b"\xff\xfd\x06", b"\xff\xf4\xff\xfd\x06", b"\xff\xfb\x1f\xff\xfc\xff\xff\xfe\x00"]
)
def test_c12_telnet(asking: Ask, telnet: bytes) -> None:
    """Telnet's commands before a query say nothing to us."""
    assert asking(telnet + b"moshez\r\n") == MOSHEZ
    assert asking(telnet + b"/W moshez\r\n") == MOSHEZ_LONG
    assert LIST.fullmatch(asking(telnet + b"\r\n"))
