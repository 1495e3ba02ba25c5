"""Feeds: a strict parser reads them whatever was said, and both forms say the same."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.feed_rules import ReadEntry, ReadFeed, read_atom, read_json_feed
from tests.strategies import texts
from trio_finger.protocol.feed import Entry, Feed, format_atom, format_json_feed

ADDRESS = "https://finger.example/status/feed.atom?a=1&b=2"
PAGE = "https://finger.example/status/~moshez"
EMPTY = Feed(
    "urn:uuid:1",
    "Everybody at finger.example",
    "https://finger.example/status/",
    "https://finger.example/status/static/icon.svg",
    "1970-01-01T00:00:00Z",
)
ENTRY = Entry(
    "urn:uuid:2",
    "moshez: Happy",
    "moshez",
    PAGE,
    "2026-11-20T23:15:00.123456Z",
    "Happy\nUntil 2026-11-21 01:00 UTC",
)

# What XML cannot hold, or a parser changes: T14.
NASTY = ["\0", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800", "\udfff", "\U0001fffe"]
NASTY += ["]]>", "<![CDATA[", "&amp;", "&#0;", "</title></entry>", "<!DOCTYPE x>", "a\r\nb\rc\td"]
NASTY += ["\x85", "\u2028", "\x9b", "\"'", "é語\U0001f600", " blanks ", "%s {0} {{7*7}}"]


def allowed(text: str) -> str:
    """Return *text* without what XML 1.0, section 2.2, has no place for."""
    return "".join(
        c
        for c in text
        if c in "\t\n\r"
        or "\x20" <= c <= "\ud7ff"
        or "\ue000" <= c <= "\ufffd"
        or c >= "\U00010000"
    )


def make_feed(*entries: Entry, title: str = EMPTY.title) -> Feed:
    return Feed(EMPTY.id, title, EMPTY.page, EMPTY.icon, ENTRY.moment, entries)


def test_atom() -> None:
    """An Atom feed has in it all there is to say."""
    assert read_atom(format_atom(make_feed(ENTRY), ADDRESS)) == ReadFeed(
        EMPTY.id,
        EMPTY.title,
        EMPTY.page,
        ADDRESS,
        ENTRY.moment,
        [ReadEntry("urn:uuid:2", "moshez: Happy", "moshez", PAGE, ENTRY.moment, ENTRY.content)],
    )


def test_json_feed() -> None:
    """A JSON Feed says the same."""
    feed = read_json_feed(format_json_feed(make_feed(ENTRY), ADDRESS))
    assert feed.entries == read_atom(format_atom(make_feed(ENTRY), ADDRESS)).entries
    assert (feed.title, feed.page, feed.address) == (EMPTY.title, EMPTY.page, ADDRESS)


def test_nothing_new() -> None:
    """A feed with nothing in it is one all the same."""
    atom = read_atom(format_atom(EMPTY, ADDRESS))
    assert (atom.updated, atom.entries) == (EMPTY.updated, [])
    assert read_json_feed(format_json_feed(EMPTY, ADDRESS)).entries == []


def test_order() -> None:
    """The entries come in the order in which they are given."""
    entries = [
        Entry(f"urn:uuid:2{number}", number, "a", PAGE, ENTRY.moment, "b") for number in "312"
    ]
    for feed in (
        read_atom(format_atom(make_feed(*entries), ADDRESS)),
        read_json_feed(format_json_feed(make_feed(*entries), ADDRESS)),
    ):
        assert [entry.title for entry in feed.entries] == ["3", "1", "2"]


def check(text: str) -> None:
    """Check that *text* is in a feed, in every place for text, as far as XML can hold it."""
    page = f"https://finger.example/~{quote(text, safe='', errors='replace')}"
    entry = Entry("urn:uuid:2", text, text, page, ENTRY.moment, text)
    feed = make_feed(entry, title=text)
    atom = read_atom(format_atom(feed, ADDRESS))
    json_feed = read_json_feed(format_json_feed(feed, ADDRESS))
    assert json_feed.entries == atom.entries
    assert json_feed.title == atom.title == allowed(text)
    [found] = atom.entries
    assert (found.title, found.author, found.content) == (allowed(text),) * 3
    assert found.page == page


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text(text: str) -> None:
    """T14: no text breaks a feed, nor becomes an element of it."""
    check(text)
    check(f"a{text}b")


@given(texts("<>&]['\"!\r\n\t", max_size=60))
def test_any_text(text: str) -> None:
    """T14: whatever is said, a strict parser reads it in both forms, and reads the same."""
    check(text)


@given(st.integers(0, 0x1FFF) | st.integers(0xD7F0, 0xE010) | st.integers(0xFDC0, 0x1000F))
def test_any_character(codepoint: int) -> None:
    """T14: so it does for every character by itself."""
    check(chr(codepoint))


@given(st.text(max_size=40))
def test_addresses_are_no_markup(text: str) -> None:
    """T13: an address, which may hold the Host that a stranger sent, stays within its quotes."""
    text = re.sub(r"\s", "", allowed(text))
    body = format_atom(make_feed(), f'https://{text}"/><x y="')
    assert body.count(b"<") == format_atom(make_feed(), ADDRESS).count(b"<")
