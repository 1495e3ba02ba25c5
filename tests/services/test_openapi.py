"""The description of the doors for programs: it breaks no rule, and it is true.

Every response that is described is asked for here, and compared with what comes.
"""

import json
import re
import xmlrpc.client
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
import trio
from quart import Response
from quart_trio import QuartTrio
from trio.testing import MockClock

from tests.openapi_rules import Document
from tests.services.live_door import HANDSHAKE, Events, open_live
from tests.services.web_app import FragileStore
from tests.sources.test_asked import Bench
from trio_finger.counts import Counts
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import fold
from trio_finger.services.web import Pages, Site, create_app
from trio_finger.services.web._openapi import describe
from trio_finger.sources import Directory, Found, SourceError
from trio_finger.sources._directory import Known
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, Caller, Status, UserMap, make_token

NOW = datetime(2026, 11, 20, 23, 15, 0, 123456, tzinfo=UTC)
SITE = Site("finger.example")
ODD = "?#%&+;\"'<é語"

# What of the app is for people; and what is the same as another path that is described.
PAGES = {"/me", "/me/sign-in", "/me/status", "/me/sign-out", "/static/{name}"}
SAME = {"/{name}"}

# What clients want: nothing in particular, a page, JSON, text, what only some doors have.
ACCEPTS = ["", "text/html", "application/json", "text/plain", "application/feed+json"]

DOCUMENT = Document(json.loads(json.dumps(describe("finger.example", "http://localhost"))))


class BrokenMap(UserMap):
    """A map that fails in a way nobody has thought of, with a secret in its words."""

    def __iter__(self) -> Iterator[Status]:
        raise OSError("/etc/swordfish")


async def answer_for_others(name: str) -> Found | None:
    if name == "later":
        raise SourceError("on fire")
    return None


@dataclass
class Door:
    """The web door, with some users, and a source that fails.

    Attributes:
      app: what is asked.
      users: who is there.
      store: keeps what is set.
      tokens: of some users, by their names.
    """

    app: QuartTrio
    users: UserMap
    store: FragileStore
    tokens: dict[str, str] = field(default_factory=dict)

    async def fill(self) -> None:
        links = ("https://example.org/~moshez", "http://é.example/")
        profile = Profile("Moshe Zadka", "Rest.\n", "Twisted", links, webfinger=True)
        listed = {
            "moshez": Status("moshez", "Up", NOW),
            "shawn": Status("shawn", "", NOW),
            fold(ODD): Status(ODD, "Odd", NOW),
        }
        await self.users.replace_file(listed, {"moshez": profile})
        await self.users.set(SetRequest("moshez", "Away", lasts="30m"), by=ANYBODY)
        for name in ("moshez", "new"):
            text, token = make_token(name, NOW, None)
            await self.store.add_token(token)
            self.tokens[name] = text

    async def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Response:
        """Ask for *path*, and wait for all of the answer."""
        sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
        with trio.fail_after(20):
            client: Any = self.app.test_client(use_cookies=False)
            response = await client.open(path, method=method.upper(), data=data, headers=sent)
            await response.get_data()
            assert isinstance(response, Response)
            return response


@pytest.fixture
async def door(nursery: trio.Nursery) -> Door:
    return await make_door(nursery)


async def make_door(nursery: trio.Nursery, site: Site = SITE) -> Door:
    store = FragileStore(100)
    users = UserMap(store, clock=lambda: NOW)
    directory = Directory(users)
    directory.known = Known([Bench(nursery, answer_for_others).asked])
    door = Door(create_app(Pages(directory, site), Counts()), users, store)
    await door.fill()
    return door


@dataclass(frozen=True)
class Case:
    """One request, and the response that is described for it."""

    method: str
    template: str
    code: int
    target: str = ""
    data: str = ""
    by: str = ""
    json: bool = False
    broken: str = ""

    def __str__(self) -> str:
        return f"{self.method}-{self.template}-{self.code}"

    async def perform(self, door: Door, accept: str = "", **headers: str) -> Response:
        """Return what is answered."""
        if self.by:
            headers["Authorization"] = f"Bearer {door.tokens[self.by]}"
        if self.json:
            headers["Content_Type"] = "application/json"
        if self.broken:
            setattr(door.store, self.broken, True)
        path = self.target or self.template
        return await door.ask(self.method, path, self.data or None, Accept=accept, **headers)


def call(method: str, *params: str) -> str:
    return xmlrpc.client.dumps(params, method)


STATUS, FINGER = "/~{name}/status", "/.well-known/webfinger"
CASES = [
    Case("get", "/", 200),
    Case("get", "/~{name}", 200, "/~moshez"),
    Case("get", "/~{name}", 404, "/~nobody"),
    Case("get", "/~{name}", 503, "/~later"),
    Case("get", "/~{name}/online", 200, "/~moshez/online"),
    Case("get", "/~{name}/online", 404, "/~nobody/online"),
    Case("get", "/~{name}/online", 503, "/~later/online"),
    Case("put", STATUS, 200, "/~moshez/status", "Back", "moshez"),
    Case("put", STATUS, 400, "/~moshez/status", "two\nlines", "moshez"),
    Case("put", STATUS, 401, "/~moshez/status", "Back"),
    Case("put", STATUS, 403, "/~shawn/status", "Back", "moshez"),
    Case("put", STATUS, 404, "/~new/status", '{"status": null}', "new", json=True),
    Case("put", STATUS, 503, "/~moshez/status", "Back", "moshez", broken="is_full"),
    Case("delete", STATUS, 200, "/~moshez/status", by="moshez"),
    Case("delete", STATUS, 400, "/~a%20b/status", by="moshez"),
    Case("delete", STATUS, 401, "/~moshez/status"),
    Case("delete", STATUS, 403, "/~shawn/status", by="moshez"),
    Case("delete", STATUS, 404, "/~new/status", by="new"),
    Case("delete", STATUS, 503, "/~moshez/status", by="moshez", broken="is_full"),
    Case("get", "/feed.json", 200),
    Case("get", "/feed.atom", 200),
    *(
        Case("get", f"/~{{name}}/feed.{form}", code, f"/~{name}/feed.{form}")
        for form in ("json", "atom")
        for code, name in ((200, "moshez"), (404, "nobody"), (503, "later"))
    ),
    Case("get", "/live.sse", 426),
    Case("get", "/live", 426),
    Case("get", FINGER, 200, f"{FINGER}?resource=acct:moshez@finger.example"),
    Case("get", FINGER, 400, FINGER),
    Case("get", FINGER, 404, f"{FINGER}?resource=acct:shawn@finger.example"),
    Case("get", "/healthz", 200),
    Case("get", "/readyz", 200),
    Case("get", "/readyz", 503, broken="is_gone"),
    Case("post", "/RPC2", 200, data=call("getUser", "moshez")),
    Case("post", "/RPC2", 401, data=call("setUser", "moshez", "Back")),
    Case("post", "/RPC2", 403, data=call("setUser", "shawn", "Back"), by="moshez"),
    Case("get", "/RPC2", 405),
    Case("get", "/api/openapi.json", 200),
]
READING = [case for case in CASES if case.method == "get" and case.code == 200]

# What only the whole door answers, and not the app: see below.
LIVE = [("/live.sse", code) for code in (200, 400, 403, 503)]
LIVE += [("/live", code) for code in (101, 400, 403, 503)]

cases = pytest.mark.parametrize("case", CASES, ids=str)
reading = pytest.mark.parametrize("case", READING, ids=str)


async def check(answer: Response, described: dict[str, Any]) -> str:
    """Fail if *answer* is not the one that is *described*; return its media type."""
    for name, header in described.get("headers", {}).items():
        assert header["required"]
        assert answer.headers[name]
    data = await answer.get_data(as_text=False)
    kind, _, parameter = answer.headers["Content-Type"].partition("; ")
    check_content(data, kind, described)
    assert parameter == ("" if kind.endswith("json") else "charset=utf-8")
    return kind


def check_content(data: bytes, kind: str, described: dict[str, Any]) -> None:
    schema = described["content"][kind]["schema"]
    text = data.decode()
    DOCUMENT.check_value(json.loads(text) if kind.endswith("json") else text, schema)
    assert kind == "text/html" or text.endswith("\n")
    assert kind != "text/plain" or text.strip()


def has_304(case: Case) -> bool:
    return "304" in DOCUMENT.responses(case.method, case.template)


# The document


async def test_served(nursery: trio.Nursery) -> None:
    """What is served breaks no rule, and says where we are as whoever asks knows it."""
    for url, site in [("http://localhost", SITE)] + [
        (url, Site("finger.example", url=url))
        for url in ("https://status.example", "https://status.example/finger")
    ]:
        door = await make_door(nursery, site)
        answer = await door.ask("get", "/api/openapi.json")
        assert answer.headers["Content-Type"] == "application/json"
        served = Document(json.loads(await answer.get_data()))
        assert served.data["servers"] == [{"url": url}]
        assert served.data == {**DOCUMENT.data, "servers": [{"url": url}]}


async def test_every_door_is_described(door: Door) -> None:
    """Whatever the app has that is no page for people is described, and nothing else is."""
    routes = {
        (method.lower(), path)
        for rule in door.app.url_map.iter_rules()
        if (path := re.sub(r"<(\w+)>", r"{\1}", rule.rule)) not in PAGES | SAME
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == DOCUMENT.operations.keys()


def test_every_response_is_asked_for() -> None:
    """The requests here are such that every response that is described has to come."""
    described = {
        (method, path, int(code))
        for method, path in DOCUMENT.operations
        for code in DOCUMENT.responses(method, path).keys() - {"default", "304"}
    }
    asked = {(case.method, case.template, case.code) for case in CASES}
    assert asked | {("get", path, code) for path, code in LIVE} == described


# The answers


@cases
async def test_answer(door: Door, case: Case, autojump_clock: MockClock) -> None:
    """Every response comes as it is described: code, headers, and each of its types and schemas."""
    described = DOCUMENT.responses(case.method, case.template)[str(case.code)]
    kinds = set()
    for accept in ACCEPTS:
        answer = await case.perform(door, accept)
        # What has been done by the request before is there to be done again.
        assert answer.status_code == case.code, await answer.get_data()
        kinds.add(await check(answer, described))
    assert kinds == described["content"].keys()


@pytest.mark.parametrize("name", ["moshez", "shawn", ODD])
async def test_user(door: Door, name: str) -> None:
    """A user is described whatever there is of them, and is the same at both paths."""
    content = DOCUMENT.responses("get", "/~{name}")["200"]["content"]
    schema = content["application/json"]["schema"]
    found = []
    for mark in ("~", ""):
        answer = await door.ask("get", f"/{mark}{quote(name, safe='')}", Accept="application/json")
        found.append(json.loads(await answer.get_data()))
    DOCUMENT.check_value(found[0], schema)
    assert found[0] == found[1]
    assert found[0]["name"] == name


async def test_long_list(door: Door) -> None:
    """A list that is too long to be made at once is as described, too, and has no ETag."""
    for number in range(400):  # of more pieces than ten, Quart's test client takes none
        await door.users.set(SetRequest(f"user{number}", "x" * 100), by=ANYBODY)
    answer = await door.ask("get", "/", Accept="application/json")
    described = DOCUMENT.responses("get", "/")["200"]
    await check(answer, described)
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-cache"
    head = await door.ask("head", "/", Accept="application/json")
    assert (head.status_code, dict(head.headers)) == (200, dict(answer.headers))


@reading
async def test_head(door: Door, case: Case) -> None:
    """HEAD answers as GET does, without the content."""
    for accept in ACCEPTS:
        answer = await case.perform(door, accept)
        head = await door.ask("head", case.target or case.template, Accept=accept)
        assert (head.status_code, dict(head.headers)) == (200, dict(answer.headers))
        assert answer.headers["Content-Length"] == str(len(await answer.get_data(as_text=False)))


@reading
async def test_not_modified(door: Door, case: Case) -> None:
    """Where a 304 is described who has the answer gets one; elsewhere nothing may be kept."""
    for accept in ACCEPTS:
        answer = await case.perform(door, accept)
        etag = answer.headers.get("ETag", "")
        assert answer.headers["Cache-Control"] == ("no-cache" if has_304(case) else "no-store")
        assert bool(etag) == has_304(case)
        for headers in ({"If_None_Match": etag or "*"}, {"If_None_Match": f'"other", W/{etag}'}):
            again = await case.perform(door, accept, **headers)
            assert again.status_code == (304 if has_304(case) else 200)
            assert not has_304(case) or await again.get_data(as_text=False) == b""
            assert again.headers.get("ETag", "") == etag
        other = await case.perform(door, accept, If_None_Match='"other"')
        assert other.status_code == 200


@cases
async def test_what_is_kept(door: Door, case: Case, autojump_clock: MockClock) -> None:
    """Every answer says whether it may be kept, and where Accept chooses, that it does."""
    for accept in ACCEPTS:
        answer = await case.perform(door, accept)
        assert answer.headers["Cache-Control"] in {"no-cache", "no-store"}
        content = DOCUMENT.responses(case.method, case.template)[str(case.code)]["content"]
        chosen = "Accept" in answer.headers.get("Vary", "")
        assert chosen == (len(content) > 1)


# Faults


FAULTS = [
    *((404, "get", path) for path in ("/a/b", "/static/nothing", "/api/", "/moshez/feed.json")),
    *((405, "post", path) for path in ("/", "/moshez", "/~moshez/status", "/live", "/healthz")),
    (405, "get", "/~moshez/status"),
    (405, "put", "/me/status"),
    *((413, "put", "/~moshez/status"), (413, "post", "/RPC2")),
]


@pytest.mark.parametrize(("code", "method", "path"), FAULTS)
async def test_faults(door: Door, code: int, method: str, path: str) -> None:
    """Whatever goes wrong is told in the form that is asked for: a page only where that is."""
    given = {"Authorization": f"Bearer {door.tokens['moshez']}"}
    body = bytes(128 * 1024 + 1) if code == 413 else None
    forms = {}
    for accept in ("application/json", "text/plain", "text/html"):
        answer = await door.ask(method, path, body, Accept=accept, **given)
        assert answer.status_code == code
        assert ("Allow" in answer.headers) == (code == 405)
        kind = await check(answer, DOCUMENT.data["components"]["responses"]["Fault"])
        assert kind == accept
        assert "Accept" in answer.headers["Vary"]
        forms[accept] = await answer.get_data(as_text=True)
    assert json.loads(forms["application/json"]) == {"error": forms["text/plain"].rstrip("\n")}
    assert forms["text/plain"].count("\n") == 1
    assert "<h1>" in forms["text/html"]


@pytest.mark.parametrize("agent", ["curl/8.5", "HTTPie/3.2", "Wget/1.21"])
async def test_fault_in_a_terminal(door: Door, agent: str) -> None:
    """A client of the terminal is told of a fault in one line of text."""
    for path in ("/a/b", "/~later", "/~nobody"):
        answer = await door.ask("get", path, Accept="*/*", User_Agent=agent)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (await answer.get_data(as_text=True)).count("\n") == 1


async def test_fault_of_our_own(caplog: pytest.LogCaptureFixture) -> None:
    """T18: a program is told of an internal error as of any other, and nothing of the inside."""
    directory = Directory(BrokenMap(MemoryStore()))
    app = create_app(Pages(directory, SITE), Counts())
    door = Door(app, directory.users, FragileStore())
    for accept in ("application/json", "text/plain"):
        answer = await door.ask("get", "/", Accept=accept)
        assert answer.status_code == 500
        assert await check(answer, DOCUMENT.responses("get", "/")["default"]) == accept
        body = await answer.get_data(as_text=True)
        for word in ("swordfish", "OSError", ".py", "<"):
            assert word not in body
    assert any("Exception on request" in record.message for record in caplog.records)


# Setting


@pytest.mark.parametrize(
    "values",
    [
        *({"status": "Away"}, {"plan": "Rest."}, {"status": "Away", "plan": "Rest.\nWrite."}),
        *({"status": None}, {"status": ""}, {"plan": None}, {"status": "x", "plan": None}),
        *({"status": "Away", "for": "30m"}, {"status": "Away", "until": "17:30"}),
        *({"status": "Away", "until": "2026-11-21T02:00:00Z"}, {"status": "x", "name": "MosheZ"}),
        *({}, {"name": "moshez"}, {"for": "30m"}, {"plan": "Rest.", "for": "30m"}, [], "Away"),
        *({"status": "Away", "for": "30m", "until": "17:30"}, {"plan": "x", "until": "17:30"}),
        *({"status": 1}, {"status": ["Away"]}, {"status": "Away", "for": 30}, {"plan": True}),
        *({"status": "Away", "name": 1}, {"status": "Away", "other": "x"}, {"Status": "Away"}),
    ],
    ids=json.dumps,
)
async def test_what_can_be_set(door: Door, values: object) -> None:
    """What the schema allows is set, and what it does not allow is refused."""
    content = DOCUMENT.operations["put", STATUS]["requestBody"]["content"]
    is_right = DOCUMENT.is_valid(values, content["application/json"]["schema"])
    case = Case("put", STATUS, 0, "/~moshez/status", json.dumps(values), "moshez", json=True)
    answer = await case.perform(door)
    assert answer.status_code == (200 if is_right else 400)


@pytest.mark.parametrize("method", ["put", "delete"])
async def test_credentials(door: Door, method: str, autojump_clock: MockClock) -> None:
    """Each kind of credentials that is described counts, and the challenge names all of them."""
    schemes = DOCUMENT.data["components"]["securitySchemes"]
    ways = DOCUMENT.operations[method, STATUS]["security"]
    assert [[name] for name in schemes] == [list(way) for way in ways]
    token = door.tokens["moshez"]
    encoded = b64encode(f"moshez:{token}".encode()).decode()
    for given in (f"Bearer {token}", f"Basic {encoded}"):
        answer = await door.ask(method, "/~moshez/status", "Back", Authorization=given)
        assert answer.status_code == 200
    refused = await door.ask(method, "/~moshez/status", "Back")
    asked = refused.headers["WWW-Authenticate"].lower()
    assert [word.split()[0] for word in asked.split(", ")] == [
        scheme["scheme"] for scheme in schemes.values()
    ]


# The live doors, which are not the app's


LIVE_REQUESTS = {
    400: ("?" + "&".join(["user=x"] * 101), b""),
    403: ("", b"Origin: http://evil.example\r\n"),
    503: ("", b""),
}


@pytest.mark.parametrize(("path", "code"), [at for at in LIVE if at[1] in LIVE_REQUESTS])
async def test_no_follower(path: str, code: int) -> None:
    """Whoever cannot follow is told why, as it is described."""
    query, header = LIVE_REQUESTS[code]
    described = DOCUMENT.responses("get", path)[str(code)]
    handshake = HANDSHAKE if path == "/live" else b""
    async with open_live(limit=0 if code == 503 else 10) as door:
        head, _, body = (await door.answer(path + query, handshake, header)).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert first.split()[1] == str(code)
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers.keys() >= {name.lower() for name in described.get("headers", {})}
    check_content(body, "text/plain", described)


async def test_changes() -> None:
    """Every event is a change as it is described, and its head says what is coming."""
    described = DOCUMENT.responses("get", "/live.sse")["200"]
    seen = []
    async with open_live() as door:
        client = await door.ask("/live.sse")
        events = Events(client)
        head = (await events.head()).decode().lower()
        assert head.startswith("http/1.1 200")
        assert set(re.findall("content-type: (.*)\r", head)) == described["content"].keys()
        await door.tell("moshez", "Away")
        await door.users.set(SetRequest("moshez", "Back", lasts="1h"), by=Caller("moshez"))
        await door.tell("moshez", "")
        for _ in range(4):
            change = await events.next()
            DOCUMENT.check_value(change, {"$ref": "#/components/schemas/Change"})
            seen.append(change["type"])
        await client.aclose()
    assert seen == ["hello", "status", "status", "gone"]


async def test_websocket() -> None:
    """With a handshake, the other door is a WebSocket."""
    assert "101" in DOCUMENT.responses("get", "/live")
    async with open_live() as door:
        client = await door.ask("/live", HANDSHAKE)
        assert (await client.receive_some()).startswith(b"HTTP/1.1 101 ")
        await client.aclose()
