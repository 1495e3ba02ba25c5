"""Feeds of the latest changes: for everybody and of each user, in both forms."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import trio
from hypothesis import given
from quart import Response
from quart_trio import QuartTrio
from trio.testing import MockClock

from tests.feed_rules import ReadFeed, read_atom, read_json_feed
from tests.sources.test_asked import Bench, Say, broken, nobody, well
from tests.strategies import texts
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_STATUS, TextError, fold, parse_status
from trio_finger.services.web import Pages, Site
from trio_finger.services.web._feeds import add_feeds
from trio_finger.sources import Directory, Found
from trio_finger.sources._directory import Known
from trio_finger.store import MemoryStore, Past, StoreError, open_store
from trio_finger.usermap import ANYBODY, Caller, Status, UnavailableError, UserMap

START = datetime(2026, 11, 20, 23, 15, 0, 123456, tzinfo=UTC)
SITE = Site("finger.example")
PROXIED = Site("finger.example", url="https://status.example/finger")
URL = "http://localhost"  # as Quart's test client has it
ODD = "?#%&+;\"'<é語"
PATHS = ["/feed.atom", "/feed.json", "/~moshez/feed.atom", "/~moshez/feed.json"]
READERS: dict[str, Callable[[bytes], ReadFeed]] = {".atom": read_atom, ".json": read_json_feed}

forms = pytest.mark.parametrize("form", list(READERS))


class Ticking:
    """A clock that goes on by a second each time somebody looks at it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore(100), clock=Ticking())
    await users.load()
    await tell(users, "moshez", "Happy and well")
    await tell(users, "shawn", "Alive")
    await tell(users, "moshez", "Giving a tutorial")
    return users


async def tell(users: UserMap, name: str, text: str, **how: Any) -> None:
    """Set a status, as whoever reaches the setter may."""
    await users.set(SetRequest(name, text, **how), by=ANYBODY)


def make_app(directory: UserMap | Directory, site: Site = SITE) -> QuartTrio:
    if isinstance(directory, UserMap):
        directory = Directory(directory)
    app = QuartTrio(__name__, static_folder=None)
    add_feeds(app, Pages(directory, site))
    return app


async def ask(app: QuartTrio | UserMap, path: str, method: str = "GET", **how: Any) -> Response:
    """Ask for *path*, and wait for all of the answer."""
    with trio.fail_after(10):
        app = make_app(app) if isinstance(app, UserMap) else app
        response = await app.test_client().open(path, method=method, **how)
        await response.get_data()
        assert isinstance(response, Response)
        return response


async def read(app: QuartTrio | UserMap, path: str) -> ReadFeed:
    """Read the feed at *path*, which is there and breaks no rule."""
    response = await ask(app, path)
    assert response.status_code == 200
    data = await response.get_data(as_text=False)
    return READERS[path[-5:]](data)


def titles(feed: ReadFeed) -> list[str]:
    return [entry.title for entry in feed.entries]


# What is in them


@forms
async def test_of_everybody(users: UserMap, form: str) -> None:
    """The feed of everybody has the latest changes, the newest first."""
    feed = await read(users, f"/feed{form}")
    assert titles(feed) == ["moshez: Giving a tutorial", "shawn: Alive", "moshez: Happy and well"]
    assert (feed.title, feed.page) == ("Everybody at finger.example", f"{URL}/")
    assert feed.address == f"{URL}/feed{form}"


@forms
async def test_of_a_user(users: UserMap, form: str) -> None:
    """The feed of a user has theirs alone, and every entry leads to their page."""
    feed = await read(users, f"/~MosheZ/feed{form}")
    assert titles(feed) == ["moshez: Giving a tutorial", "moshez: Happy and well"]
    assert (feed.title, feed.page) == ("moshez at finger.example", f"{URL}/~moshez")
    assert feed.address == f"{URL}/~moshez/feed{form}"
    now = feed.entries[0]
    assert (now.author, now.page, now.content) == ("moshez", f"{URL}/~moshez", "Giving a tutorial")
    status = users.get("moshez")
    assert status is not None
    assert datetime.fromisoformat(now.moment) == status.since
    assert now.moment.endswith("Z")


async def test_updated(users: UserMap) -> None:
    """A feed was updated, and modified, when its newest entry was said."""
    for path in ("/feed.atom", "/~moshez/feed.atom"):
        feed = await read(users, path)
        assert feed.updated == feed.entries[0].moment
        modified = (await ask(users, path)).last_modified
        assert modified == datetime.fromisoformat(feed.updated).replace(microsecond=0)


@forms
async def test_until(users: UserMap, form: str) -> None:
    """An entry says until when a status holds."""
    await tell(users, "moshez", "Away", until="2026-11-21T02:00:00+01:00")
    for path in (f"/feed{form}", f"/~moshez/feed{form}"):
        entry = (await read(users, path)).entries[0]
        assert entry.title == "moshez: Away"
        assert entry.content == "Away\nUntil 2026-11-21 01:00 UTC"


@forms
async def test_nothing_new(form: str) -> None:
    """Without any change there is a feed, and it stays as it is."""
    users = UserMap(MemoryStore())
    feed = await read(users, f"/feed{form}")
    assert feed.entries == []
    first, second = [await ask(users, f"/feed{form}") for _ in range(2)]
    assert first.get_etag() == second.get_etag()
    assert first.last_modified is None


@forms
async def test_users_file(form: str) -> None:
    """What the users file says now is in its user's feed, above what was set before."""
    users = UserMap(MemoryStore(100), clock=Ticking())
    await users.replace_file({"moshez": Status("moshez", "", START - timedelta(1))})
    assert titles(await read(users, f"/~moshez/feed{form}")) == []
    await tell(users, "moshez", "Set")
    later = START + timedelta(1)
    await users.replace_file({"moshez": Status("Moshez", "Listed", later)})
    feed = await read(users, f"/~moshez/feed{form}")
    assert titles(feed) == ["Moshez: Listed", "Moshez: Set"]
    assert datetime.fromisoformat(feed.entries[0].moment) == later


@forms
async def test_no_status(form: str) -> None:
    """The feed of a user without a status is valid, and no entry says that there is none."""
    users = UserMap(MemoryStore(100), clock=Ticking())
    await users.set(SetRequest("moshez", plan="Rest"), by=ANYBODY)
    assert (await read(users, f"/~moshez/feed{form}")).entries == []
    await tell(users, "moshez", "Up")
    await tell(users, "moshez", "")
    assert titles(await read(users, f"/~moshez/feed{form}")) == ["moshez: Up"]


@forms
async def test_no_more_than_fifty(form: str) -> None:
    """A feed has the newest fifty entries."""
    users = UserMap(MemoryStore(100), clock=Ticking())
    for number in range(60):
        await tell(users, "moshez", f"{number}")
    expected = [f"moshez: {number}" for number in range(59, 9, -1)]
    for path in (f"/feed{form}", f"/~moshez/feed{form}"):
        assert titles(await read(users, path)) == expected


@forms
async def test_clock_that_stands_still(form: str) -> None:
    """What was said at one moment has different ids, and the same said twice is said once."""
    users = UserMap(MemoryStore(100), clock=lambda: START)
    for text in ("A", "B", "A"):
        await tell(users, "moshez", text)
    for path in (f"/feed{form}", f"/~moshez/feed{form}"):
        assert sorted(titles(await read(users, path))) == ["moshez: A", "moshez: B"]


async def test_history_that_cannot_be_read() -> None:
    """Where the store cannot tell, the status that holds is still there."""

    class Forgetful(MemoryStore):
        async def history(self, name: str) -> list[Past]:
            raise StoreError("the disk is gone")

    users = UserMap(Forgetful(100), clock=Ticking())
    await tell(users, "moshez", "Up")
    assert titles(await read(users, "/~moshez/feed.atom")) == ["moshez: Up"]


# Ids and addresses


@forms
async def test_ids_across_restarts(form: str, tmp_path: Any) -> None:
    """An entry has the same id for ever: in every feed, and after a restart."""
    found: list[list[str]] = []
    for _ in range(2):
        async with open_store(f"sqlite:{tmp_path / 'store'}") as store:
            users = UserMap(store, clock=Ticking())
            await users.load()
            if not found:
                await tell(users, "moshez", "Happy")
                await tell(users, "moshez", "Happy")
            for path in (f"/feed{form}", f"/~moshez/feed{form}"):
                feed = await read(users, path)
                found.append([entry.id for entry in feed.entries])
    assert found == [found[0]] * 4
    assert len(found[0]) == 2


@forms
async def test_ids_however_a_name_is_spelled(form: str) -> None:
    """An entry keeps its id where the users file has the name in other letters than before."""
    users = UserMap(MemoryStore(100), clock=Ticking())
    ids: list[str] = []
    for name in ("moshez", "Moshez"):
        await users.replace_file({"moshez": Status(name, "Listed", START)})
        if not ids:
            await tell(users, "moshez", "Set")
        feed = await read(users, f"/~moshez/feed{form}")
        assert titles(feed) == [f"{name}: Set"]
        ids.append(feed.entries[0].id)
    assert ids[0] == ids[1]


async def test_ids_of_feeds(users: UserMap) -> None:
    """Every feed has an id of its own, whatever we were called by who asks."""
    paths = ["/feed.atom", "/~moshez/feed.atom", "/~shawn/feed.atom"]
    ids = [(await read(users, path)).id for path in paths]
    assert len(set(ids)) == 3
    for host in ("finger.example", "127.0.0.1:8000"):
        response = await ask(users, "/feed.atom", headers={"Host": host})
        feed = read_atom(await response.get_data(as_text=False))
        assert feed.id == ids[0]
        assert feed.address == f"http://{host}/feed.atom"


async def test_ids_of_other_places(users: UserMap) -> None:
    """Nobody else's entries have the ids of ours, even if they say the same."""
    sites = [SITE, Site("other.example"), PROXIED]
    feeds = [await read(make_app(users, site), "/feed.atom") for site in sites]
    ids = [{feed.id, *(entry.id for entry in feed.entries)} for feed in feeds]
    assert len(set.union(*ids)) == sum(map(len, ids))


@forms
async def test_public_address(users: UserMap, form: str) -> None:
    """Behind a proxy, every address is the one by which the public knows us."""
    app = make_app(users, PROXIED)
    feed = await read(app, f"/feed{form}")
    assert feed.page == "https://status.example/finger/"
    assert feed.address == f"https://status.example/finger/feed{form}"
    assert feed.entries[0].page == "https://status.example/finger/~moshez"
    feed = await read(app, f"/~moshez/feed{form}")
    assert feed.page == "https://status.example/finger/~moshez"
    assert feed.address == f"https://status.example/finger/~moshez/feed{form}"


# Odd names and odd texts


@forms
@pytest.mark.parametrize("name", [ODD, "RPC2", "feed.atom", "~", "<script>", "a&amp;b", "%2e%2e"])
async def test_odd_names(name: str, form: str) -> None:
    """Whatever the name, the user has a feed, and the feed leads to the page."""
    users = UserMap(MemoryStore(100))
    await tell(users, name, "Odd")
    path = f"/~{quote(name, safe='')}"
    for feed in (await read(users, f"{path}/feed{form}"), await read(users, f"/feed{form}")):
        assert titles(feed) == [f"{name}: Odd"]
        assert feed.entries[0].author == name
        assert feed.entries[0].page == f"{URL}{path}"
    assert (await read(users, f"{path}/feed{form}")).address == f"{URL}{path}/feed{form}"


@given(texts("<>&]\"'"))
async def test_any_text(text: str) -> None:
    """T14: whatever is set, a strict parser reads it in every feed."""
    try:
        status = parse_status(text)
    except TextError:
        return
    users = UserMap(MemoryStore(100))
    await tell(users, "moshez", text)
    for path in PATHS:
        [entry] = (await read(users, path)).entries
        assert (entry.title, entry.content) == (f"moshez: {status}", status)


async def test_longest_texts() -> None:
    """A feed of the longest statuses is still small."""
    users = UserMap(MemoryStore(100), clock=Ticking())
    for number in range(60):
        await tell(users, "moshez", f"{number:>02}".ljust(MAX_STATUS, "&"))
    for path in PATHS:
        data = await (await ask(users, path)).get_data(as_text=False)
        assert len(data) < 700_000


# Who is not there


@pytest.mark.parametrize("told", [False, True], ids=["listed", "set"])
@pytest.mark.parametrize("name", ["ghost", "Ünßeen", "a&<b>'"])
async def test_hidden_is_unknown(name: str, told: bool) -> None:
    """T8: of a hidden user there is, to the byte, what there is of nobody."""
    answers = []
    for hidden in (name, "other"):
        users = UserMap(MemoryStore(100), may_hide=True, clock=lambda: START)
        key = fold(hidden)
        listed = {key: Status(hidden, "Hiding", START), "moshez": Status("moshez", "Up", START)}
        await users.replace_file(listed, {key: Profile(hidden=True)})
        await tell(users, "moshez", "Happy")
        if told:
            await users.set(SetRequest(hidden, "Still hiding"), by=Caller(hidden))
        for path in (*PATHS, f"/~{quote(name)}/feed.atom", f"/~{quote(name)}/feed.json"):
            answer = await ask(users, path)
            body = await answer.get_data(as_text=False)
            answers.append((answer.status_code, body, list(answer.headers)))
    assert answers[:6] == answers[6:]
    assert [code for code, _, _ in answers[:6]] == [200, 200, 200, 200, 404, 404]
    assert all(b"iding" not in body for _, body, _ in answers)


@forms
@pytest.mark.parametrize("name", ["nobody", "a b", "%00", "%ff", "\u202e", "..", "a" * 500])
async def test_unknown(users: UserMap, name: str, form: str) -> None:
    """Of nobody there is no feed."""
    response = await ask(users, f"/~{quote(name, safe='%')}/feed{form}")
    assert response.status_code == 404
    assert await response.get_data(as_text=True) == "No such user\n"


# Sources


async def from_source(nursery: trio.Nursery, say: Say) -> QuartTrio:
    """Return an app of a daemon that also asks a source."""
    users = UserMap(MemoryStore(100), clock=lambda: START)
    await users.replace_file({"moshez": Status("moshez", "Up", START)})
    directory = Directory(users)
    directory.known = Known([Bench(nursery, say).asked])
    return make_app(directory)


@forms
async def test_from_a_source(autojump_clock: MockClock, nursery: trio.Nursery, form: str) -> None:
    """Whom only a source knows has a feed of what it says, the same each time."""
    app = await from_source(nursery, well)
    feed = await read(app, f"/~someone/feed{form}")
    assert titles(feed) == ["someone: someone is well"]
    assert await read(app, f"/~someone/feed{form}") == feed
    # When a source said something else last, nobody knows.
    assert "Last-Modified" not in (await ask(app, f"/~someone/feed{form}")).headers


@forms
async def test_from_a_service(autojump_clock: MockClock, nursery: trio.Nursery, form: str) -> None:
    """What says many lines says all of them, and the first is the title."""

    async def weather(_: str) -> Found | None:
        return Found("", START, Profile(plan="Sunny\n20 °C"), whole=True)

    [entry] = (await read(await from_source(nursery, weather), f"/~oslo/feed{form}")).entries
    assert (entry.title, entry.content) == ("oslo: Sunny", "Sunny\n20 °C")


async def test_source_that_knows_nobody(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Whom no source knows either has none."""
    app = await from_source(nursery, nobody)
    assert (await ask(app, "/~someone/feed.atom")).status_code == 404


async def test_source_that_fails(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    """Where only a source could say whether there is such a user, its failure is none of ours."""
    app = await from_source(nursery, broken)

    @app.errorhandler(UnavailableError)
    async def unavailable(_: UnavailableError) -> Response:
        return Response("later", 503)

    for form in READERS:
        assert (await ask(app, f"/~someone/feed{form}")).status_code == 503
        assert titles(await read(app, f"/~moshez/feed{form}")) == ["moshez: Up"]


# HTTP


@pytest.mark.parametrize("path", PATHS)
async def test_headers(users: UserMap, path: str) -> None:
    """A feed says what it is, and HEAD says the same."""
    response = await ask(users, path)
    head = await ask(users, path, "HEAD")
    types = {".atom": "application/atom+xml; charset=utf-8", ".json": "application/feed+json"}
    assert response.headers["Content-Type"] == types[path[-5:]]
    assert response.headers["Cache-Control"] == "no-cache"
    assert dict(head.headers) == dict(response.headers)
    assert (await ask(users, path, "POST")).status_code == 405


@pytest.mark.parametrize("path", PATHS)
async def test_not_modified(users: UserMap, path: str) -> None:
    """Who has it already is told so, by ETag or by date, until something is new."""
    first = await ask(users, path)
    etag, date = first.headers["ETag"], first.headers["Last-Modified"]
    conditions = [{"If-None-Match": etag}, {"If-Modified-Since": date}]
    for headers in conditions:
        again = await ask(users, path, headers=headers)
        assert again.status_code == 304
        assert await again.get_data(as_text=False) == b""
        assert again.headers["ETag"] == etag
    await tell(users, "moshez", "Elsewhere")
    for headers in conditions:
        new = await ask(users, path, headers=headers)
        assert new.status_code == 200
        assert new.headers["ETag"] != etag


async def test_host_becomes_no_markup(users: UserMap) -> None:
    """T13: no Host header becomes an element of a feed, or breaks it."""
    usual = await (await ask(users, "/feed.atom")).get_data(as_text=False)
    for host in ("<script>alert(1)</script>", '"/><x y="', "&amp;", "{{7*7}}", "&x;"):
        response = await ask(users, "/feed.atom", headers={"Host": host})
        data = await response.get_data(as_text=False)
        tags = [element.tag for element in ElementTree.fromstring(data).iter()]
        assert tags == [element.tag for element in ElementTree.fromstring(usual).iter()]
        json.loads(await (await ask(users, "/feed.json", headers={"Host": host})).get_data())
