"""Which door is meant by an address, and what is asked of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_finger.client import Place, PlaceError, is_address, parse_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("http://localhost:8000", Place("localhost", 8000, False)),
        ("http://h", Place("h", 80, False)),
        ("https://h/", Place("h", 443, True)),
        ("ws://h:81/", Place("h", 81, False)),
        ("WSS://H", Place("h", 443, True)),
        ("https://h/finger", Place("h", 443, True, "/finger/live")),
        ("https://h/finger/", Place("h", 443, True, "/finger/live")),
        ("wss://h/a/b/live", Place("h", 443, True, "/a/b/live")),
        ("wss://h/live", Place("h", 443, True)),
        ("ws://h/live/", Place("h", 80, False)),
        ("http://h/alive", Place("h", 80, False, "/alive/live")),
        ("http://[::1]:8000", Place("::1", 8000, False)),
        ("http://bücher.example", Place("xn--bcher-kva.example", 80, False)),
        ("http://h/é%20x", Place("h", 80, False, "/%C3%A9%20x/live")),
    ],
)
def test_place(text: str, place: Place) -> None:
    """Schemes of HTTP and of WebSocket mean the same door, below the path that is given."""
    assert is_address(text)
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "ftp://h",
        "finger://h",
        "http://",
        "http:///live",
        "http://:80",
        "http://h:0",
        "http://h:65536",
        "http://h:x",
        "http://me:secret@h",
        "http://me@h",
        "http://h/?user=moshez",
        "http://h/#moshez",
        "http://h/a b",
        "http://h/\r\nX: y",
        "http://h\x1b[2J",
        "http://[::1",
        "http://a..b",
        f"http://{'a' * 70}.example",
    ],
)
def test_no_place(text: str) -> None:
    """What is no address of a site is refused, in words that do nothing to a terminal."""
    assert is_address(text)
    with pytest.raises(PlaceError) as caught:
        parse_place(text)
    assert str(caught.value).isprintable()


@given(st.text())
@example("http://[v1.x]")
@example("http://\u2100")
@example("\u00af")
def test_any_text(text: str) -> None:
    """Any text is a place or is refused, and what is asked for is one word of ASCII."""
    for candidate in (text, f"http://{text}", f"http://h/{text}"):
        try:
            place = parse_place(candidate)
            words = place.authority + place.request([text], 1)
            assert words.isascii()
            assert " " not in words
        except PlaceError as error:
            words = str(error)
        assert words.isprintable()


@pytest.mark.parametrize("word", ["moshez", "josé", "http", "mos.hez"])
def test_user(word: str) -> None:
    """A user's name is not taken for an address."""
    assert not is_address(word)


@pytest.mark.parametrize(
    ("place", "authority"),
    [
        (Place("h", 80, False), "h"),
        (Place("h", 443, True), "h"),
        (Place("h", 443, False), "h:443"),
        (Place("h", 80, True), "h:80"),
        (Place("::1", 8000, False), "[::1]:8000"),
    ],
)
def test_authority(place: Place, authority: str) -> None:
    """The host is named as HTTP wants it, with the port only where it is an unusual one."""
    assert place.authority == authority


def test_request() -> None:
    """Users and the last change are in the query."""
    place = parse_place("http://h/finger")
    assert place.request([], None) == "/finger/live"
    assert place.request([], 7) == "/finger/live?since=7"
    assert place.request(["a&b", "é"], 7) == "/finger/live?user=a%26b&user=%C3%A9&since=7"
