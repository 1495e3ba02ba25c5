"""WebFinger: who wants to be found is, and of nobody else is anything said."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import trio
from quart import Response
from quart_trio import QuartTrio

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.services.web import Pages, Site
from trio_finger.services.web._webfinger import add_webfinger
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
SITE = Site("finger.example")
PROXIED = Site("finger.example", url="https://status.example/finger")
PATH = "/.well-known/webfinger"
ODD = "?#%&+;\"'<é語"

PAGE = "http://webfinger.net/rel/profile-page"
UPDATES = "http://schemas.google.com/g/2010#updates-from"

PROFILES = {
    "moshez": Profile(
        "Moshe Zadka", links=("https://example.org/moshez", "http://é.example/"), webfinger=True
    ),
    "zoë": Profile(webfinger=True),
    "rpc2": Profile(webfinger=True),
    ODD: Profile(webfinger=True),
    "shawn": Profile("Shawn Spencer"),
    "ghost": Profile("Nobody's business", hidden=True, webfinger=True),
}
NAMES = ["moshez", "Zoë", "RPC2", ODD, "shawn", "ghost", "plain"]


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore(), may_hide=True, clock=lambda: SINCE)
    statuses = {name.casefold(): Status(name, "Happy", SINCE) for name in NAMES}
    await users.replace_file(statuses, PROFILES)
    return users


async def ask(users: UserMap, query: str, site: Site = SITE, **how: Any) -> Response:
    """Ask what there is about what *query* names."""
    directory = Directory(users)
    app = QuartTrio(__name__, static_folder=None)
    add_webfinger(app, Pages(directory, site))
    with trio.fail_after(10):
        response = await app.test_client().open(f"{PATH}?{query}", **how)
        await response.get_data()
        assert isinstance(response, Response)
        return response


async def find(users: UserMap, resource: str, site: Site = SITE, *rels: str) -> Any:
    """Return what there is about *resource*; ``None`` if nothing is known of it."""
    rest = "".join(f"&rel={quote(rel, safe='')}" for rel in rels)
    response = await ask(users, f"resource={quote(resource, safe='')}{rest}", site)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    if response.status_code == 404:
        assert await response.get_data(as_text=True) == "No such user\n"
        return None
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/jrd+json"
    return json.loads(await response.get_data(as_text=False))


async def test_account(users: UserMap) -> None:
    """An account leads to the page, the feeds and the links of its user."""
    page = "http://localhost/~moshez"
    assert await find(users, "acct:moshez@finger.example") == {
        "subject": "acct:moshez@finger.example",
        "aliases": [page],
        "properties": {"http://schema.org/name": "Moshe Zadka"},
        "links": [
            {"rel": PAGE, "type": "text/html", "href": page},
            {"rel": UPDATES, "type": "application/atom+xml", "href": f"{page}/feed.atom"},
            {"rel": UPDATES, "type": "application/feed+json", "href": f"{page}/feed.json"},
            {"rel": "me", "href": "https://example.org/moshez"},
            {"rel": "me", "href": "http://%C3%A9.example/"},
        ],
    }


@pytest.mark.parametrize(
    "resource",
    [
        *("acct:MosheZ@FINGER.Example", "ACCT:moshez@localhost", "acct:%6Doshez@finger.example"),
        *("http://localhost/~moshez", "https://finger.example/~moshez", "http://localhost/moshez"),
        *("http://finger.example:80/~MOSHEZ", "https://finger.example:443/~moshez"),
    ],
)
async def test_spellings(users: UserMap, resource: str) -> None:
    """However the account or the page is spelled, the answer is about the account."""
    found = await find(users, resource)
    assert found == await find(users, "acct:moshez@finger.example")


async def test_public_address(users: UserMap) -> None:
    """Behind a proxy, account and page are at the address by which the public knows us."""
    page = "https://status.example/finger/~moshez"
    found = await find(users, page, PROXIED)
    assert found["subject"] == "acct:moshez@status.example"
    assert found["aliases"] == [page]
    assert found["links"][0]["href"] == page
    for name in ("status.example", "finger.example", "localhost"):
        assert await find(users, f"acct:moshez@{name}", PROXIED) == found
    assert await find(users, "https://status.example/~moshez", PROXIED) is None


@pytest.mark.parametrize(
    ("rels", "expected"),
    [
        ([PAGE], [PAGE]),
        ([UPDATES, "me"], [UPDATES, UPDATES, "me", "me"]),
        (["http://webfinger.net/rel/avatar"], []),
    ],
)
async def test_rel_filter(users: UserMap, rels: list[str], expected: list[str]) -> None:
    """Who asks for some links gets these; all else stays (RFC 7033, 4.3)."""
    found = await find(users, "acct:moshez@finger.example", SITE, *rels)
    assert [link["rel"] for link in found["links"]] == expected
    assert found["subject"] == "acct:moshez@finger.example"
    assert found["aliases"]


@pytest.mark.parametrize("name", ["Zoë", "RPC2", ODD])
async def test_odd_names(users: UserMap, name: str) -> None:
    """Whatever the name, what the answer has of account and page leads back to it."""
    quoted = quote(name, safe="")
    found = await find(users, f"acct:{quoted}@finger.example")
    assert found["aliases"] == [f"http://localhost/~{quoted}"]
    assert found["properties"] == {}
    for resource in (found["subject"], *found["aliases"]):
        assert resource.isascii()
        assert await find(users, resource) == found


async def test_plus_is_no_blank(users: UserMap) -> None:
    """A plus sign that is not quoted is one: the query is no form (RFC 7033, 4.1)."""
    await users.replace_file({"a+b": Status("a+b", "", SINCE)}, {"a+b": Profile(webfinger=True)})
    response = await ask(users, "resource=acct:a+b@finger.example")
    assert response.status_code == 200


@pytest.mark.parametrize("name", ["shawn", "plain", "ghost", "nobody", "told", "", "%20", "%00"])
async def test_who_does_not_want_to_be_found(users: UserMap, name: str) -> None:
    """T8: who has not agreed, who is hidden and who is not there are the same, to the byte."""
    await users.set(SetRequest("told", "Here"), by=ANYBODY)
    answers = []
    for query in (
        f"resource=http://localhost/~{quote(name)}",
        f"resource=http%3A%2F%2Flocalhost%2F~{quote(name)}",
        "resource=acct:unknown@finger.example",
    ):
        response = await ask(users, query)
        body = await response.get_data(as_text=True)
        answers.append((response.status_code, body, list(response.headers)))
    assert answers == [answers[-1]] * 3
    assert answers[0][:2] == (404, "No such user\n")
    if name.isalpha():
        assert await find(users, f"acct:{name}@finger.example") is None


@pytest.mark.parametrize(
    "resource",
    [
        *("acct:moshez@elsewhere.example", "https://elsewhere.example/~moshez", "mailto:a@b"),
        *("acct:moshez@finger.example.evil", "http://localhost/~moshez/online", "urn:moshez"),
        *("http://localhost/", "http://localhost", "http://localhost/~moshez/", "http://x:y/a"),
    ],
)
async def test_nothing_of_ours(users: UserMap, resource: str) -> None:
    """Of what is at other hosts, or is nobody's page, nothing is known."""
    assert await find(users, resource) is None


@pytest.mark.parametrize(
    "query",
    [
        *("", "rel=me", "resource=", "resource=moshez", "resource=moshez@finger.example"),
        *("resource=acct:moshez", "resource=acct:a@b@c", "resource=a:b&resource=a:b"),
        *("resource=acct:%FF@finger.example", "resource=a:%00", "resource=http://[x/~a"),
        *("resource=acct:%3Cscript%3E@finger.example", "resource=acct:x%0D%0Ay:z@h"),
    ],
)
async def test_malformed(users: UserMap, query: str) -> None:
    """What is no question is refused (RFC 7033, 4.2), in words that quote nothing of it (T13)."""
    response = await ask(users, query)
    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "script" not in await response.get_data(as_text=True)


async def test_not_modified(users: UserMap) -> None:
    """Who has the answer already is told so, and scripts of other sites may know it."""
    query = "resource=acct:moshez@finger.example"
    etag = (await ask(users, query)).headers["ETag"]
    response = await ask(users, query, headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_head(users: UserMap) -> None:
    """HEAD is answered as GET is; nothing else is taken."""
    query = "resource=acct:moshez@finger.example"
    response, head = await ask(users, query), await ask(users, query, method="HEAD")
    assert dict(head.headers) == dict(response.headers)
    assert (await ask(users, query, method="POST")).status_code == 405
