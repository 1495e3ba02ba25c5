"""The setter's request: two lines, whoever writes them, and the words that refuse others."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.setter import (
    MAX_REQUEST,
    OK,
    SetRequest,
    SetterError,
    format_error,
    format_request,
    parse_request,
)


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (b"moshez\r\nHappy and well\r\n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy and well\n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy and well", SetRequest("moshez", "Happy and well")),
        (b"moshez\r\nHappy and well\r", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy\r\n", SetRequest("moshez", "Happy")),
        (b" moshez\t\n  Happy and well \n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy\n\n \r\n", SetRequest("moshez", "Happy")),
        (b"moshez\nHappy: yes, @home!\n", SetRequest("moshez", "Happy: yes, @home!")),
        ("josé\n😀\n".encode(), SetRequest("josé", "😀")),
        # An empty second line clears.
        (b"moshez\n\n", SetRequest("moshez", "")),
        (b"moshez\r\n\r\n", SetRequest("moshez", "")),
        (b"moshez\n \t\n", SetRequest("moshez", "")),
        (b"moshez\n\n\n\n", SetRequest("moshez", "")),
        # What a name may be is not decided here.
        (b"\nHappy\n", SetRequest("", "Happy")),
        (b"\n\n", SetRequest("", "")),
    ],
)
def test_parse(data: bytes, request_: SetRequest) -> None:
    """Lines end in LF or CRLF, the last one may do without, and blanks around do not count."""
    assert parse_request(data) == request_


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "nothing was sent; send a name, then a status on the next line"),
        (b"\n", "nothing was sent; send a name, then a status on the next line"),
        (b"\r\n", "nothing was sent; send a name, then a status on the next line"),
        (b"  ", "nothing was sent; send a name, then a status on the next line"),
        (b"moshez", "the second line, the status, is missing"),
        (b"moshez\r\n", "the second line, the status, is missing"),
        (b"moshez\rHappy\r", "the second line, the status, is missing"),
        (
            b"moshez\nHappy\nand well\n",
            "only a name and one line of status are taken, no further lines",
        ),
        (b"moshez\n\nplan\n", "only a name and one line of status are taken, no further lines"),
        (b"moshez\nHappy\n\n\nx", "only a name and one line of status are taken, no further lines"),
        (b"moshez\nna\xefve\n", "not UTF-8 text"),
        (b"\xff\xfe\n", "not UTF-8 text"),
        (b"x" * (MAX_REQUEST + 1), "the request is longer than 4096 bytes"),
    ],
)
def test_refused(data: bytes, why: str) -> None:
    """What makes no sense is refused in words that say why."""
    with pytest.raises(SetterError) as caught:
        parse_request(data)
    assert str(caught.value) == why


def test_longest_request() -> None:
    """`MAX_REQUEST` bytes are taken, line ends and blanks included, and one more is not."""
    longest = b"moshez\n" + b"Happy".ljust(MAX_REQUEST - 8) + b"\n"
    assert len(longest) == MAX_REQUEST
    assert parse_request(longest) == SetRequest("moshez", "Happy")
    with pytest.raises(SetterError, match=r"^the request is longer than 4096 bytes$"):
        parse_request(longest + b"\n")


@given(st.binary(max_size=60) | texts("\n\r \ta").map(lambda text: text.encode("utf-8", "replace")))
@example(b"\r")
@example(b"a\n\r")
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a request of two lines, or refused in words fit to send."""
    try:
        request = parse_request(data)
    except SetterError as error:
        words = str(error)
        assert words.isprintable()
    else:
        for text in (request.name, request.status):
            assert "\n" not in text
            assert text == text.strip(" \t")
        assert request.name in data.decode()


lines = texts(" \r").filter(
    lambda text: "\n" not in text and text == text.strip(" \t") and text.isprintable()
)


@given(st.builds(SetRequest, name=lines, status=lines))
def test_format_and_parse_are_inverses(request_: SetRequest) -> None:
    """A request that was written is read again as the same request."""
    assert parse_request(format_request(request_)) == request_


def test_replies() -> None:
    """Both replies are one line, CRLF at its end."""
    assert OK == b"ok\r\n"
    assert format_error("no naïve names") == "error: no naïve names\r\n".encode()
