"""WebFinger: what is asked, by whatever spelling of a URI, and what is answered."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.test_users_file import is_name
from tests.strategies import texts
from trio_finger.protocol.webfinger import (
    Descriptor,
    Link,
    Query,
    WebFingerError,
    find_name,
    format_account,
    format_descriptor,
    parse_query,
)

HOSTS = {"finger.example", "localhost", "::1"}
URL = "https://finger.example:8443/status"
ODD = "?#%&+;\"'<é語"


# What is asked


@pytest.mark.parametrize(
    ("query", "resource"),
    [
        (b"resource=acct:moshez@finger.example", "acct:moshez@finger.example"),
        (b"resource=acct%3Amoshez%40finger.example", "acct:moshez@finger.example"),
        (b"resource=acct:a+b@h", "acct:a+b@h"),  # it is no form
        (b"resource=acct:a%2Bb@h", "acct:a+b@h"),
        (b"resource=acct:a%253Db@h", "acct:a%3Db@h"),
        (b"resource=acct:a=b@h", "acct:a=b@h"),
        (b"resource=acct:%C3%A9@h", "acct:é@h"),
        ("resource=acct:é@h".encode(), "acct:é@h"),
        (b"resource=https://h/~a%3Fb", "https://h/~a?b"),
        (b"other=1&resource=a:b&&x", "a:b"),
        (b"RESOURCE=x&resource=A+b:c", "A+b:c"),
    ],
)
def test_resource(query: bytes, resource: str) -> None:
    """The resource is decoded once, as a part of a URI (RFC 7033, 4.1)."""
    assert parse_query(query) == Query(resource)


def test_rels() -> None:
    """Any number of relations can be asked for."""
    query = parse_query(b"rel=me&resource=a:b&rel=http%3A%2F%2Fx%2F%3Fy&rel=me")
    assert query == Query("a:b", frozenset({"me", "http://x/?y"}))


@pytest.mark.parametrize(
    "query",
    [
        *(b"", b"rel=me", b"resource", b"resource=", b"resource=&resource=a:b"),
        *(b"resource=a:b&resource=a:b", b"resources=a:b", b"resource=moshez@finger.example"),
        *(b"resource=moshez", b"resource=:b", b"resource=1:b", b"resource=a:", b"resource=//h/a"),
        *(b"resource=a:b%20c", b"resource=a:%00", b"resource=a:b%0Ac", b"resource=a:%E2%80%A8"),
        *(b"resource=a:%FF", b"resource=a:\xff", b"resource=a:%ED%A0%80", b"resource=a:b&rel=%FF"),
        *(b"resource=a:%", b"resource=a:%2", b"resource=a:%25zz", b"resource=a:%3Cb%3E"),
        *(b"resource=a:%22", b"resource=a:%5C", b"resource=%EF%BC%A1:b"),
    ],
)
def test_malformed(query: bytes) -> None:
    """A query without one resource that is a URI makes no sense (RFC 7033, 4.2)."""
    with pytest.raises(WebFingerError):
        parse_query(query)


@given(st.binary(max_size=60) | texts("%&=:@").map(lambda text: quote(text, errors="replace")))
def test_any_query(query: bytes | str) -> None:
    """Whatever is asked, it is a resource and a name, or it makes no sense."""
    data = query if isinstance(query, bytes) else query.encode()
    for some in (data, b"resource=" + data, b"resource=acct:" + data, b"resource=https://" + data):
        with suppress(WebFingerError):
            resource = parse_query(some).resource
            assert ":" in resource
            assert resource.split() == [resource]
            assert not set(resource) & set('\0\x7f"<>\\^`{|}')
            name = find_name(resource, HOSTS, URL)
            assert name is None or resource.lower().startswith(("acct:", "http"))


# Of whom


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("acct:moshez@finger.example", "moshez"),
        ("ACCT:MosheZ@Finger.EXAMPLE", "MosheZ"),
        ("acct:moshez@localhost", "moshez"),
        ("acct:moshez@[::1]", "moshez"),
        ("acct:a%3Fb@finger.example", "a?b"),
        ("acct:a%40b@finger.example", "a@b"),
        ("acct:a+b@finger.example", "a+b"),
        ("acct:%C3%A9@finger.example", "é"),
        ("acct:é@finger.example", "é"),
        ("acct:moshez@elsewhere.example", None),
        ("acct:moshez@finger.example.evil", None),
        ("https://finger.example:8443/status/~moshez", "moshez"),
        ("http://FINGER.example:8443/status/~moshez", "moshez"),
        ("https://finger.example:8443/status/moshez", "moshez"),
        ("https://finger.example/status/~moshez", "moshez"),
        ("https://finger.example:443/status/~moshez", "moshez"),
        ("http://localhost:80/status/~moshez", "moshez"),
        ("https://finger.example/status/~~moshez", "~moshez"),
        ("https://finger.example/status/~a%2Fb", "a/b"),
        ("https://finger.example/status/~%3F%C3%A9", "?é"),
        ("https://finger.example:80/status/~moshez", None),
        ("https://finger.example:9/status/~moshez", None),
        ("https://elsewhere.example/status/~moshez", None),
        ("https://moshez@finger.example/status/~moshez", None),
        ("https://finger.example/~moshez", None),
        ("https://finger.example/statusx/~moshez", None),
        ("https://finger.example/status/~moshez?a", None),
        ("https://finger.example/status/~moshez#a", None),
        ("mailto:moshez@finger.example", None),
        ("finger://finger.example/moshez", None),
        ("urn:x:moshez@finger.example", None),
    ],
)
def test_find_name(resource: str, name: str | None) -> None:
    """An account or a page at a host of ours is a user's; nothing else is."""
    assert find_name(resource, HOSTS, URL) == name


@pytest.mark.parametrize("url", ["https://finger.example", "http://127.0.0.1:8000"])
def test_find_name_without_prefix(url: str) -> None:
    """Where no prefix is in our address, none is in that of a page."""
    assert find_name(f"{url}/~moshez", HOSTS, url) == "moshez"
    assert find_name(f"{url}/status/~moshez", HOSTS, url) == "status/~moshez"
    assert find_name(f"{url}", HOSTS, url) is None


@pytest.mark.parametrize(
    "resource",
    [
        *("acct:moshez", "acct:@finger.example", "acct:moshez@", "acct:a@b@finger.example"),
        *("acct:moshez@finger.example:80", "acct:moshez@finger.example/x", "acct:/x@h"),
        *("acct:moshez@h?x", "acct://moshez@h", "acct:a%FF@finger.example", "acct:a@[h"),
        *("https://[h/~a", "https://finger.example/status/~%FF"),
    ],
)
def test_not_what_it_begins_like(resource: str) -> None:
    """An account without a host, say, is not unknown, but wrong."""
    with pytest.raises(WebFingerError):
        find_name(resource, HOSTS, URL)


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("moshez", "acct:moshez@finger.example"),
        ("a.b-c_d~e", "acct:a.b-c_d~e@finger.example"),
        ("!$&'()*+,;=", "acct:!$&'()*+,;=@finger.example"),
        (ODD, "acct:%3F%23%25&+;%22'%3C%C3%A9%E8%AA%9E@finger.example"),
    ],
)
def test_format_account(name: str, account: str) -> None:
    """An account is written as RFC 7565 has it."""
    assert format_account(name, "finger.example") == account


def test_format_account_at_address() -> None:
    """An IPv6 address stands in brackets, as in every URI."""
    assert format_account("moshez", "::1") == "acct:moshez@[::1]"


@given(texts("%@/?#+&=").filter(is_name))
def test_every_name_can_be_asked_for(name: str) -> None:
    """Whatever a user is called, their account and their page lead to them."""
    page = f"{URL}/~{quote(name, safe='')}"
    for resource in (format_account(name, "finger.example"), page):
        query = b"resource=" + quote(resource, safe="").encode()
        assert find_name(parse_query(query).resource, HOSTS, URL) == name


# What is answered


ME = Link("me", "https://é.example/<a>?b=%20#c")
PAGE = Link("http://webfinger.net/rel/profile-page", "https://h/~a", "text/html")
DESCRIPTOR = Descriptor("acct:a@h", ["https://h/~a"], {"http://x/name": "A é"}, [PAGE, ME, PAGE])


def answer(descriptor: Descriptor, *rels: str) -> dict[str, Any]:
    document = json.loads(format_descriptor(descriptor, frozenset(rels)).decode())
    assert isinstance(document, dict)
    return document


def test_descriptor() -> None:
    """A descriptor has the members that RFC 7033, 4.4, names; every href in it is a URI."""
    page = {"rel": PAGE.rel, "type": "text/html", "href": "https://h/~a"}
    me = {"rel": "me", "href": "https://%C3%A9.example/%3Ca%3E?b=%20#c"}
    assert answer(DESCRIPTOR) == {
        "subject": "acct:a@h",
        "aliases": ["https://h/~a"],
        "properties": {"http://x/name": "A é"},
        "links": [page, me, page],
    }


@pytest.mark.parametrize(
    ("rels", "found"),
    [
        ([], [PAGE.rel, "me", PAGE.rel]),
        (["me"], ["me"]),
        (["me", "avatar"], ["me"]),
        ([PAGE.rel], [PAGE.rel, PAGE.rel]),
        ([PAGE.rel, "me"], [PAGE.rel, "me", PAGE.rel]),
        (["avatar"], []),
        ([""], []),
    ],
)
def test_rel_filter(rels: list[str], found: list[str]) -> None:
    """Of the links there are those that were asked for; all else stays (RFC 7033, 4.3)."""
    document = answer(DESCRIPTOR, *rels)
    assert [link["rel"] for link in document["links"]] == found
    whole = answer(DESCRIPTOR)
    assert document | {"links": []} == whole | {"links": []}
