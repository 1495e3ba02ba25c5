"""Feeds: what is new, for programs that look now and then (Atom, RFC 4287; JSON Feed 1.1).

Both forms say the same. What no XML can hold is left out of both.

Sources: https://www.rfc-editor.org/rfc/rfc4287 and https://www.jsonfeed.org/version/1.1/
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from trio_finger.protocol.text import fit_for_xml

ATOM_TYPE: Final = "application/atom+xml; charset=utf-8"
JSON_FEED_TYPE: Final = "application/feed+json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was said. It never changes, so it was updated when it was published.

    Attributes:
      id: names it for ever, and nothing else: a URI.
      title: one line.
      author: who said it.
      page: the address of the author's page.
      moment: when it was said, as RFC 3339 has it.
      content: all of it, as plain text.
    """

    id: str
    title: str
    author: str
    page: str
    moment: str
    content: str


@dataclass(frozen=True, slots=True)
class Feed:
    """What is new, and where.

    Attributes:
      id: names the feed for ever: a URI.
      title: one line.
      page: the address of a page that shows the same to people.
      icon: the address of a square picture.
      updated: when there was something new last, as RFC 3339 has it.
      entries: the newest first, each with an id of its own.
    """

    id: str
    title: str
    page: str
    icon: str
    updated: str
    entries: Sequence[Entry] = ()


def format_atom(feed: Feed, address: str) -> bytes:
    """Format *feed* as Atom that is found at *address*."""
    return "\n".join([*_atom_lines(feed, address), ""]).encode()


def format_json_feed(feed: Feed, address: str) -> bytes:
    """Format *feed* as a JSON Feed that is found at *address*."""
    items = [
        {
            "id": entry.id,
            "url": entry.page,
            "title": fit_for_xml(entry.title),
            "content_text": fit_for_xml(entry.content),
            "date_published": entry.moment,
            "authors": [{"name": fit_for_xml(entry.author), "url": entry.page}],
        }
        for entry in feed.entries
    ]
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": fit_for_xml(feed.title),
        "home_page_url": feed.page,
        "feed_url": address,
        "icon": feed.icon,
        "items": items,
    }
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _atom_lines(feed: Feed, address: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield '<feed xmlns="http://www.w3.org/2005/Atom">'
    yield _element("id", feed.id)
    yield _element("title", feed.title)
    yield _element("updated", feed.updated)
    yield f'<link rel="self" type="application/atom+xml" href="{_escape(address)}"/>'
    yield f'<link rel="alternate" type="text/html" href="{_escape(feed.page)}"/>'
    yield _element("icon", feed.icon)
    for entry in feed.entries:
        yield "<entry>"
        yield _element("id", entry.id)
        yield _element("title", entry.title)
        yield _element("published", entry.moment)
        yield _element("updated", entry.moment)
        yield f"<author>{_element('name', entry.author)}{_element('uri', entry.page)}</author>"
        yield f'<link rel="alternate" type="text/html" href="{_escape(entry.page)}"/>'
        yield _element("content", entry.content)
        yield "</entry>"
    yield "</feed>"


def _element(name: str, text: str) -> str:
    """Return an element that holds plain text, which is what Atom takes it for."""
    return f"<{name}>{_escape(text)}</{name}>"


def _escape(text: str) -> str:
    # Parsers turn a CR into an LF unless it is a reference.
    return escape(fit_for_xml(text)).replace("\r", "&#13;")
