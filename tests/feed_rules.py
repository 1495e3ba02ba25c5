"""Strict readers of feeds: what breaks a rule of Atom (RFC 4287) or JSON Feed 1.1 fails."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_ATOM = "{http://www.w3.org/2005/Atom}"
_URI = re.compile(r"[a-z][a-z0-9+.-]*:(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-F]{2})+")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)

# How often each element may be there: RFC 4287, 4.1.1 and 4.1.2.
_ONCE = (1, 1)
_AT_MOST_ONCE = (0, 1)
_ANY = (0, 1000)
_IN_FEED = {"id": _ONCE, "title": _ONCE, "updated": _ONCE, "icon": _AT_MOST_ONCE} | {
    "link": _ANY,
    "entry": _ANY,
}
_IN_ENTRY = {"id": _ONCE, "title": _ONCE, "updated": _ONCE, "published": _AT_MOST_ONCE} | {
    "content": _ONCE,
    "link": _ANY,
    "author": (1, 1000),
}


@dataclass(frozen=True)
class ReadEntry:
    """An entry as either form has it."""

    id: str
    title: str
    author: str
    page: str
    moment: str
    content: str


@dataclass(frozen=True)
class ReadFeed:
    """A feed as either form has it."""

    id: str | None  # a JSON Feed is named by its address
    title: str
    page: str
    address: str
    updated: str | None
    entries: list[ReadEntry]


def read_atom(data: bytes) -> ReadFeed:
    """Read an Atom feed that breaks no rule."""
    assert b"<!" not in data  # no DTD, and no need for one
    root = ElementTree.fromstring(data)
    assert root.tag == f"{_ATOM}feed"
    _check_children(root, _IN_FEED)
    links = _links(root)
    entries = [_read_entry(entry) for entry in root.iter(f"{_ATOM}entry")]
    ids = [_text(root, "id"), *(entry.id for entry in entries)]
    assert len(set(ids)) == len(ids)
    return ReadFeed(
        _uri(_text(root, "id")),
        _text(root, "title"),
        links["alternate"],
        links["self"],
        _date(_text(root, "updated")),
        entries,
    )


def _read_entry(entry: Element) -> ReadEntry:
    _check_children(entry, _IN_ENTRY)
    [author] = entry.findall(f"{_ATOM}author")
    _check_children(author, {"name": _ONCE, "uri": _AT_MOST_ONCE, "email": _AT_MOST_ONCE})
    page = _links(entry)["alternate"]
    assert _uri(_text(author, "uri")) == page
    assert _text(entry, "published") == _text(entry, "updated")
    return ReadEntry(
        _uri(_text(entry, "id")),
        _text(entry, "title"),
        _text(author, "name"),
        page,
        _date(_text(entry, "updated")),
        _text(entry, "content"),
    )


def _check_children(element: Element, rules: dict[str, tuple[int, int]]) -> None:
    assert not element.attrib
    assert not (element.text or "").strip()
    assert not any((child.tail or "").strip() for child in element)
    counts = Counter(child.tag.removeprefix(_ATOM) for child in element)
    assert counts.keys() <= rules.keys()
    for tag, (least, most) in rules.items():
        assert least <= counts[tag] <= most, tag


def _links(element: Element) -> dict[str, str]:
    """Return where the links lead, by their relation; there is one of each (4.1.1)."""
    links = {}
    for link in element.findall(f"{_ATOM}link"):
        assert link.attrib.keys() == {"rel", "type", "href"}
        assert len(link) == 0
        assert link.text is None
        assert link.attrib["rel"] not in links
        links[link.attrib["rel"]] = _uri(link.attrib["href"])
    return links


def _text(element: Element, tag: str) -> str:
    """Return the plain text of the only such child."""
    [child] = element.findall(f"{_ATOM}{tag}")
    assert not child.attrib  # so its type is text
    assert len(child) == 0
    return child.text or ""


def read_json_feed(data: bytes) -> ReadFeed:
    """Read a JSON Feed that breaks no rule."""
    feed: dict[str, Any] = json.loads(data, parse_constant=_refuse, object_pairs_hook=_pairs)
    keys = {"version", "title", "home_page_url", "feed_url", "icon", "items"}
    assert feed.keys() == keys
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    _uri(feed["icon"])
    entries = [_read_item(item) for item in feed["items"]]
    assert len({entry.id for entry in entries}) == len(entries)
    page, address = _uri(feed["home_page_url"]), _uri(feed["feed_url"])
    return ReadFeed(None, feed["title"], page, address, None, entries)


def _read_item(item: dict[str, Any]) -> ReadEntry:
    assert item.keys() == {"id", "url", "title", "content_text", "date_published", "authors"}
    [author] = item["authors"]
    assert author.keys() == {"name", "url"}
    assert author["url"] == item["url"]
    entry = ReadEntry(
        _uri(item["id"]),
        item["title"],
        author["name"],
        _uri(item["url"]),
        _date(item["date_published"]),
        item["content_text"],
    )
    assert all(isinstance(value, str) for value in vars(entry).values())
    return entry


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _uri(text: str) -> str:
    assert _URI.fullmatch(text), text
    return text


def _date(text: str) -> str:
    """Return *text* if it is a date as RFC 3339 has it, with capital letters (3.3)."""
    assert _DATE.fullmatch(text), text
    datetime.fromisoformat(text)
    return text
