"""The pages: what they hold, and that nothing a stranger says becomes part of them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
import trio
from quart_trio import QuartTrio
from structlog.testing import capture_logs

from tests.services.web_app import make_app
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_PLAN, fold
from trio_finger.protocol.users_file import LineFault
from trio_finger.protocol.users_toml import parse_users_toml
from trio_finger.services.web import Site, _index
from trio_finger.store import MemoryStore, Past, StoreError
from trio_finger.usermap import ANYBODY, Caller, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
SITE = Site("finger.example", finger_port=79, setter_port=7179, irc_nick="fingerbot")
ODD_NAMES = ["RPC2", "static", "feed.atom", "~", "~moshez", "%s", "{{7*7}}"]
ODD_NAMES += ["?#%&+;\"'<é語", "%2e%2e", "..\\..", "-", "<script>alert(1)<script>", "a&amp;b"]
ODD_TEXTS = [
    "<script>alert(1)</script>",
    "</p></main><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)' x=\"",
    "&lt;b&gt; &amp; ]]> <!-- -->",
    "%s %d {0} {user.__class__} {{7*7}} {% raw %} ${x}",
]


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    await tell(users, "moshez", "Happy and well")
    await tell(users, "Zoë", "à la mode")
    return users


async def tell(users: UserMap, name: str, text: str) -> None:
    """Set a status, as whoever reaches the setter may."""
    await users.set(SetRequest(name, text), by=ANYBODY)


@pytest.fixture
def app(users: UserMap) -> QuartTrio:
    return make_app(users, SITE)


class Page(HTMLParser):
    """What a browser sees in a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, frozenset[str]]] = []
        self.text: list[str] = []
        self.links: list[str | None] = []
        self.times: list[str | None] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, frozenset(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name == "href"]
        self.times += [value for name, value in attrs if name == "datetime"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


async def get(app: QuartTrio, path: str, method: str = "GET", **how: Any) -> tuple[int, str, Any]:
    """Ask for *path*: the status code, the body and the headers of the answer."""
    with trio.fail_after(10):
        response = await app.test_client().open(path, method=method, **how)
        return response.status_code, await response.get_data(as_text=True), response.headers


# Pages


@pytest.mark.parametrize("path", ["/moshez", "/~moshez", "/MosheZ", "/~MOSHEZ"])
async def test_page_of_a_user(app: QuartTrio, path: str) -> None:
    """A user's page holds the name and the status as the tutorial's did."""
    code, body, headers = await get(app, path)
    assert code == 200
    assert "<h1>moshez</h1><p>Happy and well</p>" in body
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/nobody", "/~nobody"])
async def test_page_of_nobody(app: QuartTrio, path: str) -> None:
    """The page of an unknown user is the same page, says so, and is a 404."""
    code, body, _ = await get(app, path)
    assert code == 404
    assert "<h1>nobody</h1><p>No such user</p>" in body


async def test_online(app: QuartTrio) -> None:
    """The plain status is one line of text and nothing else; of nobody, that there is none."""
    code, body, headers = await get(app, "/~moshez/online")
    assert (code, body) == (200, "Happy and well\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    code, body, headers = await get(app, "/~nobody/online")
    assert (code, body) == (404, "No such user\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_index(app: QuartTrio) -> None:
    """The first page lists everybody, with a link to each page, and tells of every door."""
    code, body, _ = await get(app, "/")
    page = Page(body)
    assert code == 200
    assert {"moshez", "Happy and well", "Zoë", "à la mode"} <= set(page.text)
    assert {"/~moshez", "/~Zo%C3%AB"} <= set(page.links)
    assert "finger moshez@finger.example" in page.text
    assert "/msg fingerbot moshez" in page.text
    assert any("nc -N localhost 7179" in text for text in page.text)


async def test_index_of_nobody() -> None:
    """Without users, and without the other doors, there is a page all the same."""
    code, body, _ = await get(make_app(UserMap(MemoryStore()), Site("localhost")), "/")
    assert code == 200
    assert "Nobody is listed yet." in body


@pytest.mark.parametrize("path", ["/static/style.css", "/static/icon.svg"])
async def test_static(app: QuartTrio, path: str) -> None:
    """The files that the pages name are there."""
    (link,) = (link for link in Page((await get(app, "/"))[1]).links if link and path in link)
    code, body, headers = await get(app, link)
    assert code == 200
    assert body
    assert "immutable" in headers["Cache-Control"]
    assert "immutable" not in (await get(app, path))[2]["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../_app.py", "/static/%2e%2e/_app.py", "/static/..%2f_app.py"),
        *("/static/nothing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/~../online"),
        *("/~%2e%2e/online", "/a/b", "/~a/b", "/~/online", "/moshez/", "/~moshez/online/"),
        *("/" + "a" * 5000, "/\\..\\..\\x", "/~", "/.", "/%00", "/moshez%0a", "/RPC2/"),
        *("/~moshez//online", "/static//style.css"),
    ],
)
async def test_no_other_paths(app: QuartTrio, path: str) -> None:
    """No other path leads anywhere, least of all to a file (T4)."""
    code, body, _ = await get(app, path)
    assert code == 404
    assert "import" not in body
    assert "root:" not in body


# Lists that are too long for a page

BEGINNING = '<a href="/" rel="start">From the beginning</a>'
MORE = '<a id="next" href="http://localhost/?after={}" rel="next">More users</a>'


@pytest.mark.parametrize(
    ("query", "names", "count", "links"),
    [
        ("", ["anna", "bob"], "2 users on this page", [MORE.format("bob")]),
        (
            "?after=ANNA",
            ["bob", "moshez"],
            "2 users on this page",
            [BEGINNING, MORE.format("moshez")],
        ),
        ("?after=moshez", ["Zoë"], "1 user on this page", [BEGINNING]),
        (
            "?sort=change",
            ["moshez", "Zoë"],
            "2 users on this page",
            ['These are the newest. <a href="/?sort=name">All users by name</a>'],
        ),
        ("?sort=change&q=mode", ["Zoë"], "1 user with “<bdi>mode</bdi>”", []),
    ],
)
async def test_part_of_a_list(
    users: UserMap,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    names: list[str],
    count: str,
    links: list[str],
) -> None:
    """A page that is not all of it says so, and leads to the rest, and back."""
    monkeypatch.setattr(_index, "_LENGTH", 2)
    listed = {name: Status(name, "Older", SINCE - timedelta(days=1)) for name in ("anna", "bob")}
    await users.replace_file(listed)
    _, page, _ = await get(make_app(users, SITE), f"/{query}")
    assert re.findall('<th scope="row"><a href="[^"]*" dir="auto">([^<]*)', page) == names
    assert f'<p id="count">{count}</p>' in page
    assert ('<p class="more">' in page) == bool(links)
    for link in links:
        assert link in page


# Pages that are made once


async def test_history_that_cannot_be_read_for_once() -> None:
    """A page without the history lacks it only for as long as the store cannot tell."""

    class Absent(MemoryStore):
        is_away = True

        async def history(self, name: str) -> list[Past]:
            if self.is_away:
                raise StoreError("the disk is busy")
            return await super().history(name)

    store = Absent(10)
    users = UserMap(store)
    await tell(users, "moshez", "Earlier")
    await tell(users, "moshez", "Now")
    app = make_app(users, SITE)
    assert "Earlier</span>" not in (await get(app, "/moshez"))[1]
    store.is_away = False
    assert "Earlier</span>" in (await get(app, "/moshez"))[1]


async def test_page_of_who_has_said_nothing_for_long(app: QuartTrio, users: UserMap) -> None:
    """Whoever follows from the page on is told everything, however much others have said."""
    for _ in range(2):
        _, page, _ = await get(app, "/moshez")
        [since] = re.findall('data-since="([0-9]+)"', page)
        assert users.remembers(int(since))
        for number in range(2100):
            await tell(users, "Zoë", f"{number}")


# Odd names and odd texts


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names(app: QuartTrio, users: UserMap, name: str) -> None:
    """Whatever the name, the list links to the user's page, and the page shows the name."""
    await tell(users, name, "Odd")
    path = f"/~{quote(name, safe='')}"
    page = Page((await get(app, "/"))[1])
    assert path in page.links
    assert name in page.text
    code, body, _ = await get(app, path)
    assert code == 200
    assert {name, "Odd"} <= set(Page(body).text)
    assert (await get(app, f"{path}/online"))[:2] == (200, "Odd\n")


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_no_text_becomes_markup(app: QuartTrio, users: UserMap, text: str) -> None:
    """T12, T13: whatever a status holds, a parser sees it as text, and no new element."""
    paths = ["/", "/moshez"]
    before = [Page((await get(app, path))[1]).elements for path in paths]
    await tell(users, "moshez", text)
    for path, elements in zip(paths, before, strict=True):
        page = Page((await get(app, path))[1])
        assert page.elements == elements
        assert text in page.text
    assert (await get(app, "/~moshez/online"))[1] == f"{text}\n"


@pytest.mark.parametrize("name", [*ODD_NAMES, *ODD_TEXTS, "x\r\nSet-Cookie: a=b", "\0", "\u202e"])
async def test_no_asked_name_becomes_markup(app: QuartTrio, name: str) -> None:
    """T12, T13: whatever name is asked for, it is shown as text, in no header, as no element."""
    elements = Page((await get(app, "/~nobody"))[1]).elements
    code, body, headers = await get(app, f"/~{quote(name, safe='')}")
    assert code == 404
    if "/" not in name:
        assert Page(body).elements == elements
    assert "set-cookie" not in {key.lower() for key in headers.keys()}  # noqa: SIM118
    assert "49" not in body


@pytest.mark.parametrize("query", ["?<script>", "?x={{7*7}}", "?name=moshez", "?" + "a" * 5000])
async def test_queries_are_ignored(app: QuartTrio, query: str) -> None:
    """What follows a question mark changes nothing."""
    assert (await get(app, "/moshez" + query))[:2] == (await get(app, "/moshez"))[:2]


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "evil.example", '"><b>', "{{7*7}}"])
async def test_host_becomes_no_markup(app: QuartTrio, host: str) -> None:
    """T13: no Host header becomes part of a page as an element."""
    elements = Page((await get(app, "/"))[1]).elements
    code, body, _ = await get(app, "/", headers={"Host": host})
    if code == 200:
        assert Page(body).elements == elements
    assert "<script>" not in body
    assert "<b>" not in body


# Profiles


async def show(path: str = "/moshez", *, status: str = "", **profile: Any) -> Page:
    """Return a page of an app where moshez has that status and that profile."""
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    await users.replace_file(
        {"moshez": Status("moshez", status, SINCE)}, {"moshez": Profile(**profile)}
    )
    code, body, _ = await get(make_app(users, SITE), path)
    assert code == 200
    return Page(body)


async def test_profile() -> None:
    """A user's page shows the whole profile, and every link leads where it says."""
    links = ("https://example.org/~moshez?a=1&b=2", "http://example.com/")
    page = await show(
        full_name="Moshe Zadka", project="Twisted", plan="Rest.\n\n  Then write.", links=links
    )
    text = "|".join(text for text in page.text if text.strip())
    assert "|Name|Moshe Zadka|Project|Twisted|Web|" in text
    assert f"|Web|{'|'.join(links)}|Plan|Rest.\n\n  Then write.|" in text
    assert page.links[-3:-1] == list(links)


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        ({}, []),
        ({"full_name": "Moshe"}, ["Name"]),
        ({"project": "Twisted"}, ["Project"]),
        ({"links": ("https://example.org/",)}, ["Web"]),
        ({"plan": "Rest."}, ["Plan"]),
    ],
)
async def test_what_there_is_not_is_left_out(profile: dict[str, Any], shown: list[str]) -> None:
    """Of a profile there is on the page what it has, and no heading of anything else."""
    page = await show(status="Happy", **profile)
    assert [word for word in page.text if word in {"Name", "Project", "Web", "Plan"}] == shown
    tags = [tag for tag, _ in page.elements]
    assert ("dl" in tags) == bool(shown and shown != ["Plan"])
    assert ("pre" in tags) == (shown == ["Plan"])


@pytest.mark.parametrize("path", ["/", "/moshez"])
async def test_no_status(path: str) -> None:
    """A user without a status has a page, and a line in the list, that say so."""
    assert "No status" in (await show(path, plan="Rest.")).text


async def test_plan_that_was_set(app: QuartTrio, users: UserMap) -> None:
    """A plan that was set is shown, all of the longest too."""
    plan = "\n".join(["0123456789abcde"] * (MAX_PLAN // 16))
    await users.set(SetRequest("moshez", plan=plan), by=ANYBODY)
    page = Page((await get(app, "/moshez"))[1])
    assert plan in page.text
    assert "Happy and well" in page.text


async def test_until(app: QuartTrio, users: UserMap) -> None:
    """A user's page says until when a status holds, and in which time zone that is."""
    await users.set(SetRequest("moshez", "Away", until="2026-11-21T02:00:00+01:00"), by=ANYBODY)
    code, body, _ = await get(app, "/moshez")
    assert code == 200
    assert "since 2026-11-20 23:15 UTC, until 2026-11-21 01:00 UTC" in "".join(Page(body).text)
    assert Page(body).times == ["2026-11-20T23:15:00Z", "2026-11-21T01:00:00Z"]
    await tell(users, "moshez", "Back")
    assert "until" not in "".join(Page((await get(app, "/moshez"))[1]).text)


@pytest.mark.parametrize("text", ODD_TEXTS)
async def test_no_profile_becomes_markup(text: str) -> None:
    """T12, T13: whatever a profile holds, a parser sees it as text, and no new element."""
    link = f"https://example.org/{text.replace(' ', '')}"
    plain = await show(full_name="a", project="a", plan="a", links=("https://example.org/",))
    odd = await show(full_name=text, project=text, plan=f"{text}\n{text}", links=(link,))
    assert odd.elements == plain.elements
    assert odd.text.count(text) == 2
    assert f"{text}\n{text}" in odd.text
    assert link in odd.links
    assert link in odd.text


@pytest.mark.parametrize(
    "link",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)//http://", "data:text/html,<script>", "//x"),
        *(" javascript:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", "http:x"),
        *(
            "HTTP://x/",
            "vbscript:x",
            "/RPC2",
            "https://",
            "https://[x",
            "https://a b/",
            "blob:https://x/",
        ),
    ],
)
async def test_links_lead_to_pages_only(link: str) -> None:
    """T13: a link that is no address of a page never comes as far as the page."""
    text = link.replace("\t", "\\t").replace("\x01", "\\u0001")
    (entry,) = parse_users_toml(f'[moshez]\nlinks = ["{text}"]\n'.encode())
    assert isinstance(entry, LineFault)


@pytest.mark.parametrize("link", ["https://x/?javascript:&amp;", "http://[::1]:80/é'<b>"])
async def test_links_of_the_users_file(link: str) -> None:
    """What the users file has for a link is where the link on the page leads."""
    (entry,) = parse_users_toml(f'[moshez]\nlinks = ["{link}"]\n'.encode())
    assert not isinstance(entry, LineFault)
    assert entry is not None
    assert entry.profile is not None
    assert link in (await show(links=entry.profile.links)).links


# Hidden users


HIDDEN = ("xxxxxx", "Ünßeen", "RPC3", "a&<b>'", "%2e")


@pytest.mark.parametrize("told", [False, True], ids=["listed", "set"])
@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("path", ["/{}", "/~{}", "/~{}/online", "/~{}/status", "/~{}/other"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
async def test_hidden_is_unknown(method: str, path: str, name: str, told: bool) -> None:
    """T8: what is said of a hidden user is, to the byte, what is said of nobody."""
    answers = [
        await get(make_app(users, SITE), path.format(quote(name)), method)
        for users in [await make_hidden(name, told=told), await make_hidden("other", told=told)]
    ]
    (code, body, headers), (other_code, other_body, other_headers) = answers
    assert (code, body, list(headers)) == (other_code, other_body, list(other_headers))


@pytest.mark.parametrize("name", HIDDEN)
async def test_hidden_is_like_any_unknown_name(name: str) -> None:
    """T8: what is said of a hidden user differs from what is said of another name by the name."""
    app = make_app(await make_hidden(name, told=True), SITE)
    nobody = "q" * len(name)
    for path in ("/{}", "/~{}", "/~{}/online"):
        _, body, headers = await get(app, path.format(quote(name)))
        _, other_body, _ = await get(app, path.format(nobody))
        assert Page(body).elements == Page(other_body).elements
        assert "|".join(Page(body).text).replace(name, nobody) == "|".join(Page(other_body).text)
        assert name not in str(headers)


async def test_hidden_is_not_listed() -> None:
    """T8: the list with a hidden user is, to the byte, the list without."""
    without = UserMap(MemoryStore(), clock=lambda: SINCE)
    await tell(without, "moshez", "Happy and well")
    pages = []
    for users in (without, await make_hidden("aaa", told=True)):
        code, body, headers = await get(make_app(users, SITE), "/")
        pages.append((code, body, list(headers)))
    assert pages[0] == pages[1]


async def make_hidden(name: str, *, told: bool) -> UserMap:
    """Return a map of moshez, whom everybody sees, and of *name*, whom nobody does."""
    users = UserMap(MemoryStore(100), clock=lambda: SINCE)
    key = fold(name)
    profile = Profile("Nobody's business", "Hide.", "Hiding", ("https://example.org/",), True)
    await users.replace_file({key: Status(name, "Hiding", SINCE)}, {key: profile})
    await tell(users, "moshez", "Happy and well")
    if told:
        await users.set(SetRequest(name, "Still hiding", "Stay."), by=Caller(name))
    return users


# Headers and methods


@pytest.mark.parametrize(
    ("path", "method"),
    [
        *(("/", "GET"), ("/moshez", "GET"), ("/nobody", "GET"), ("/~moshez/online", "GET")),
        *(("/a/b", "GET"), ("/static/style.css", "GET"), ("/RPC2", "GET"), ("/RPC2", "POST")),
        *(("/", "POST"), ("/", "HEAD"), ("/", "OPTIONS")),
    ],
)
async def test_security_headers(app: QuartTrio, path: str, method: str) -> None:
    """Every answer forbids strange scripts, frames, sniffing and telling others of it (T13)."""
    _, _, headers = await get(app, path, method)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"]
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/", "/moshez", "/nobody", "/a/b"])
async def test_pages_keep_their_own_policy(app: QuartTrio, path: str) -> None:
    """No page has a script, a style or a handler in it, but the file that is ours (T13)."""
    for tag, attributes in Page((await get(app, path))[1]).elements:
        assert tag not in {"style", "iframe", "object", "embed", "base"}
        assert tag != "script" or "src" in attributes
        assert not {name for name in attributes if name.startswith("on") or name == "style"}


@pytest.mark.parametrize("path", ["/", "/moshez", "/nobody", "/~moshez/online"])
async def test_head(app: QuartTrio, path: str) -> None:
    """HEAD is answered as GET is."""
    code, _, headers = await get(app, path)
    head_code, _, head_headers = await get(app, path, "HEAD")
    assert head_code == code
    assert dict(head_headers) == dict(headers)


@pytest.mark.parametrize("path", ["/", "/moshez", "/~moshez/online"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
async def test_other_methods(app: QuartTrio, users: UserMap, path: str, method: str) -> None:
    """No other method is taken at a page, and none changes anything."""
    before = list(users)
    code, body, _ = await get(app, path, method, data="Elsewhere")
    assert code == 405
    assert "Traceback" not in body
    assert list(users) == before


async def test_refused_method_names_the_others(app: QuartTrio) -> None:
    """The refusal of a method says which there are (RFC 9110, 15.5.6)."""
    for path in ("/", "/moshez", "/~moshez/online", "/RPC2"):
        _, _, headers = await get(app, path, "DELETE")
        assert headers.get("Allow"), path


async def test_xmlrpc_by_get(app: QuartTrio, users: UserMap) -> None:
    """RPC2 is not a user's page, even if there is such a user."""
    await tell(users, "RPC2", "Odd")
    code, body, headers = await get(app, "/RPC2")
    assert code == 405
    assert headers["Allow"] == "POST"
    assert "Odd" not in body


async def test_body_too_large(app: QuartTrio) -> None:
    """A body of more than 128 KiB is refused (T16)."""
    code, body, _ = await get(app, "/RPC2", "POST", data=bytes(128 * 1024 + 1))
    assert code == 413
    assert "Traceback" not in body


# Faults of our own


class BrokenMap(UserMap):
    """A map that fails in a way nobody has thought of, with a secret in its words."""

    def get(self, name: str) -> Status | None:
        raise RuntimeError("the password is swordfish")

    def __iter__(self) -> Iterator[Status]:
        raise OSError("/etc/swordfish")


@pytest.mark.parametrize("path", ["/", "/moshez", "/~moshez/online"])
async def test_internal_error(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """T18: an internal error is a page that shows nothing of the inside, and is in the log."""
    app = make_app(BrokenMap(MemoryStore()), SITE)
    with capture_logs():
        code, body, headers = await get(app, path)
    assert code == 500
    for word in ("swordfish", "Traceback", "RuntimeError", "OSError", ".py"):
        assert word not in body
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert any("Exception on request" in record.message for record in caplog.records)
