"""Setting one's status from the page: signing in by a token, setting, clearing, signing out."""

from datetime import timedelta
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from http.cookies import SimpleCookie
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

import pytest
import trio
from hypothesis import given
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.services.web_app import BEFORE, NOW, Door
from tests.strategies import texts
from trio_finger.counts import Counts
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_STATUS
from trio_finger.services.web import Pages, Site, serve_web
from trio_finger.sources import Directory
from trio_finger.usermap import ANYBODY, Status

HTTP = Site("finger.example")
HTTPS = Site("finger.example", url="https://status.example.org")
MOUNTED = Site("finger.example", url="https://status.example.org/finger")
FORM = "application/x-www-form-urlencoded"
HOSTILE = "\"><script>alert(1)</script><img src=x onerror='a'>{{7*7}}</q></input>&lt;b&gt;"
MAX_AGE = 90 * 24 * 60 * 60
FOREIGN = "Another site may not set anything here."
WRONG = "This token is not, or no longer, valid."
SIGNED_OUT = "You are signed out: this token is not, or no longer, valid."


class Seen(HTMLParser):
    """What a browser makes of a page.

    Attributes:
      shape: every element, with the names of its attributes.
      texts: what stands in elements, one after the other, by their class, or else their name.
      fields: the values of what can be filled in.
    """

    def __init__(self, body: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, list[str]] = {}
        self.fields: dict[str, str | None] = {}
        self._inside = ""
        self.feed(body)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.shape.append((tag, tuple(found)))
        self._inside = found.get("class") or tag
        self.texts.setdefault(self._inside, []).append("")
        if tag == "input":
            self.fields[found.get("name") or ""] = found.get("value")
        elif tag == "option" and "selected" in found:
            self.fields["for"] = found["value"]

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def said(self) -> str:
        """What it has to say about what was asked for."""
        return "".join(self.texts.get("said", []))

    @property
    def is_signed_in(self) -> bool:
        """Whether it is the page of somebody, who can set something."""
        assert ("status" in self.fields) != ("token" in self.fields)
        return "status" in self.fields


class Answered:
    """An answer, taken apart."""

    def __init__(self, response: Any, body: str) -> None:
        self.code: int = response.status_code
        self.headers = response.headers
        self.body = body
        assert self.headers["Cache-Control"] == "no-store"
        assert "ETag" not in self.headers
        assert (self.headers.get("WWW-Authenticate") == 'Bearer realm="trio-finger"') == (
            self.code == 401
        )

    @property
    def cookie(self) -> Any:
        """The one cookie that it sets."""
        (line,) = self.headers.getlist("Set-Cookie")
        (morsel,) = SimpleCookie(line).values()
        return morsel

    @property
    def page(self) -> Seen:
        """The page that it is."""
        assert self.headers["Content-Type"] == "text/html; charset=utf-8"
        return Seen(self.body)

    @property
    def said(self) -> str:
        """What the page has to say about what was asked for."""
        return self.page.said


class Browser(Door):
    """Sends forms as a browser does, and keeps the cookie."""

    def __init__(self, site: Site = HTTP) -> None:
        super().__init__(site)
        self.site = site
        self.cookies: dict[str, str] = {}
        self.base = Pages(Directory(self.users), site).base

    async def ask(
        self,
        method: str,
        path: str,
        data: bytes | str | None = None,
        *,
        peer: str = "192.0.2.1",
        scheme: str = "http",
        **headers: str | None,
    ) -> Answered:
        """Ask as a page of ours does, unless *headers* say otherwise."""
        sent: dict[str, str | None] = {"Host": "localhost:8000"}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            sent |= {"Origin": "http://localhost:8000", "Content-Type": FORM}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        client: Any = self.app.test_client(use_cookies=False)  # its type wants every argument
        with trio.fail_after(20):
            response = await client.open(
                f"{self.base}{path}",
                method=method,
                data=data,
                headers={name: value for name, value in sent.items() if value is not None},
                scheme=scheme,
                scope_base={"client": (peer, 4711), "root_path": self.base},
            )
            answered = Answered(response, await response.get_data(as_text=True))
        if response.headers.getlist("Set-Cookie"):
            cookie = answered.cookie
            self.cookies.pop(cookie.key, None)
            if cookie["max-age"] != "0":
                self.cookies[cookie.key] = cookie.value
        return answered

    async def post(self, path: str, *, how: Any = None, **fields: str) -> Answered:
        """Send a form; ``lasts`` stands for ``for``."""
        fields = {{"lasts": "for"}.get(name, name): text for name, text in fields.items()}
        return await self.ask("POST", path, urlencode(fields, errors="replace"), **(how or {}))

    async def done(self, path: str, **fields: str) -> str:
        """Send a form that is all right, go on to where it leads, and return what is said."""
        answered = await self.post(path, **fields)
        assert answered.code == 303
        assert answered.headers["Location"].startswith(f"{self.base}/me?done=")
        page = await self.ask("GET", answered.headers["Location"].removeprefix(self.base))
        assert page.code == 200
        return page.said

    async def sign_in(self, token: str | None = None) -> None:
        """Have a cookie."""
        assert await self.done("/me/sign-in", token=token or self.token) == "You are signed in."

    @property
    def texts(self) -> dict[str, str]:
        """What everybody is up to."""
        return {status.name: status.text for status in self.users}


@pytest.fixture
async def browser() -> Browser:
    browser = Browser()
    await browser.fill()
    return browser


@pytest.fixture
async def signed_in(browser: Browser) -> Browser:
    await browser.sign_in()
    return browser


# What goes well


async def test_set_and_clear(browser: Browser) -> None:
    """Whoever has a token signs in, sets, sets for a while, clears and signs out."""
    assert not (await browser.ask("GET", "/me")).page.is_signed_in
    await browser.sign_in()
    page = (await browser.ask("GET", "/me")).page
    assert page.is_signed_in
    assert page.texts["h1"] == ["moshez"]
    assert page.texts["p"][0] == "from the file"
    assert await browser.done("/me/status", status=" Away ", action="set", lasts="") == (
        "Your status is set."
    )
    assert browser.users.get("moshez") == Status("moshez", "Away", NOW)
    await browser.done("/me/status", status="Lunch", action="set", lasts="30m")
    assert browser.users.get("moshez") == Status(
        "moshez", "Lunch", NOW, NOW + timedelta(minutes=30)
    )
    answered = await browser.ask("GET", "/me")
    assert answered.page.texts["p"][0] == "Lunch"
    assert answered.page.texts["time"] == ["2026-11-20 23:15 UTC", "2026-11-20 23:45 UTC"]
    assert answered.page.fields["status"] == ""
    assert await browser.done("/me/status", status="", action="clear", lasts="1h") == (
        "Your status is cleared."
    )
    assert browser.texts == BEFORE
    assert await browser.done("/me/sign-out") == "You are signed out."
    assert browser.cookies == {}
    assert not (await browser.ask("GET", "/me")).page.is_signed_in


@pytest.mark.parametrize("lasts", ["30m", "1h", "4h", "1d", "7d", "90s"])
async def test_ends(signed_in: Browser, lasts: str) -> None:
    """Every choice of the page, and what else a duration may be, has the status end then."""
    hours = {"30m": 0.5, "1h": 1, "4h": 4, "1d": 24, "7d": 7 * 24, "90s": 1 / 40}[lasts]
    if lasts != "90s":
        assert f'<option value="{lasts}">' in (await signed_in.ask("GET", "/me")).body
    await signed_in.done("/me/status", status="Away", lasts=lasts)
    status = signed_in.users.get("moshez")
    assert status is not None
    assert status.until == NOW + timedelta(hours=hours)


async def test_nothing_to_clear(browser: Browser) -> None:
    """To clear what is not there is well, even for one of whom nothing is known."""
    await browser.sign_in(await browser.hand_out("new"))
    page = (await browser.ask("GET", "/me")).page
    assert page.texts["h1"] == ["new"]
    assert "Your page" not in page.texts.get("a", [])  # there is none
    assert await browser.done("/me/status", action="clear") == "Your status is cleared."
    assert browser.texts == BEFORE
    assert await browser.done("/me/status", status="Here") == "Your status is set."
    assert browser.texts == BEFORE | {"new": "Here"}


async def test_only_ones_own(signed_in: Browser) -> None:
    """T28: the name is that of the token, whatever else a form says."""
    await signed_in.done("/me/status", status="Away", user="shawn", caller="shawn")
    assert signed_in.texts == BEFORE | {"moshez": "Away"}


@pytest.mark.parametrize("action", ["set", "clear"])
async def test_form_of_somebody_else(signed_in: Browser, action: str) -> None:
    """Who has signed in as another in a second tab does not set theirs from the first."""
    await signed_in.done("/me/status", status="Before")
    form = (await signed_in.ask("GET", "/me")).page.fields
    assert form["name"] == "moshez"
    await signed_in.sign_in(await signed_in.hand_out("shawn"))
    answered = await signed_in.post("/me/status", name="moshez", status="Away", action=action)
    assert answered.code == 409
    assert answered.said == "You are signed in as shawn by now, and nothing is set."
    assert answered.page.fields["status"] == "Away"
    assert answered.page.fields["name"] == "shawn"
    assert signed_in.texts == BEFORE | {"moshez": "Before"}


async def test_what_was_typed_outlives_the_token(signed_in: Browser) -> None:
    """Who turns out to be signed out signs in again, and need not type it again."""
    [token] = await signed_in.store.tokens()
    await signed_in.store.revoke_token(token.id)
    answered = await signed_in.post("/me/status", status="A <b>long</b> story", lasts="4h")
    assert answered.code == 401
    typed = answered.page.fields
    assert typed["typed"] == "A <b>long</b> story"
    for code, new in ((401, "wrong"), (200, await signed_in.hand_out("moshez"))):
        answered = await signed_in.post(
            "/me/sign-in", token=new, typed=str(typed["typed"]), lasts=str(typed["for"])
        )
        assert answered.code == code
        typed = answered.page.fields
    assert answered.said == "You are signed in. Nothing is set yet."
    assert (typed["status"], typed["for"]) == ("A <b>long</b> story", "4h")
    assert signed_in.texts == BEFORE
    await signed_in.done("/me/status", name="moshez", status=str(typed["status"]))
    assert signed_in.texts == BEFORE | {"moshez": "A <b>long</b> story"}


async def test_the_hidden(browser: Browser) -> None:
    """T8: a hidden user sets their own status, and nobody learns of it, not even from the log."""
    with capture_logs() as records:
        await browser.sign_in(await browser.hand_out("hidden"))
        await browser.done("/me/status", status="Still hiding")
        page = await browser.ask("GET", "/me")
    assert page.page.texts["h1"] == ["hidden"]
    assert "~hidden" not in page.body  # for them, too, there is no such page
    assert records == []
    assert [told.text for told in await browser.store.load()] == ["Still hiding"]
    assert browser.texts == BEFORE
    assert await browser.done("/me/status", action="clear") == "Your status is cleared."
    assert await browser.store.load() == []


async def test_sign_in_as_another(signed_in: Browser) -> None:
    """A second token takes the place of the first; a wrong one does not."""
    assert (await signed_in.post("/me/sign-in", token="x")).code == 401
    assert (await signed_in.ask("GET", "/me")).page.texts["h1"] == ["moshez"]
    await signed_in.sign_in(await signed_in.hand_out("shawn"))
    assert (await signed_in.ask("GET", "/me")).page.texts["h1"] == ["shawn"]
    assert len(signed_in.cookies) == 1


async def test_token_with_blanks(browser: Browser) -> None:
    """Blanks around a token come from where it was copied."""
    await browser.sign_in(f" {browser.token}\r\n")
    assert browser.cookies == {"token": browser.token}


async def test_browser_without_cookies(browser: Browser) -> None:
    """Whoever comes back from signing in without a cookie is told why they are not."""
    answered = await browser.post("/me/sign-in", token=browser.token)
    browser.cookies.clear()
    page = await browser.ask("GET", answered.headers["Location"])
    assert "kept no cookie" in page.said


@pytest.mark.parametrize(
    "done", [HOSTILE, "set", "cleared", "signed-out", "", "SET", "set&done=cleared", "x" * 5000]
)
async def test_only_fixed_words(browser: Browser, done: str) -> None:
    """T13: no address puts words of its own on the page, or such as do not fit."""
    path = f"/me?{urlencode({'done': done})}"
    said = (await browser.ask("GET", path)).said
    assert said == ("You are signed out." if done == "signed-out" else "")
    await browser.sign_in()
    fitting = {"set": "Your status is set.", "cleared": "Your status is cleared."}
    assert (await browser.ask("GET", path)).said == fitting.get(done, "")


# The cookie


@pytest.mark.parametrize(
    ("site", "scheme", "name", "path", "secure"),
    [
        (HTTP, "http", "token", "/", False),
        (HTTP, "https", "__Host-token", "/", True),
        (HTTPS, "http", "__Host-token", "/", True),
        (HTTPS, "https", "__Host-token", "/", True),
        (MOUNTED, "http", "token", "/finger", True),
        (Site("x", url="http://status.example.org/a/b"), "http", "token", "/a/b", False),
    ],
)
async def test_cookie(site: Site, scheme: str, name: str, path: str, *, secure: bool) -> None:
    """T28: no script reads the cookie, no other site has it sent, nor goes it where it need not.

    What takes it away says the same of it: a browser would not know it again.
    """
    browser = Browser(site)
    await browser.fill()
    origin = {"scheme": scheme, "Origin": f"{scheme}://localhost:8000"}
    kept = (await browser.post("/me/sign-in", token=browser.token, how=origin)).cookie
    assert browser.cookies == {name: browser.token}
    assert (await browser.ask("GET", "/me", scheme=scheme)).page.is_signed_in
    dropped = (await browser.post("/me/sign-out", how=origin)).cookie
    assert browser.cookies == {}
    for cookie in (kept, dropped):
        assert cookie.key == name
        assert cookie["path"] == path
        assert bool(cookie["secure"]) is secure
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Strict"
        assert cookie["domain"] == ""
    assert kept["max-age"] == str(MAX_AGE)
    assert (dropped["max-age"], dropped.value) == ("0", "")


async def test_prefix(browser: Browser) -> None:
    """Behind a proxy every form, and where it leads, is below the prefix."""
    browser = Browser(MOUNTED)
    await browser.fill()
    assert 'action="/finger/me/sign-in"' in (await browser.ask("GET", "/me")).body
    await browser.sign_in()
    assert 'action="/finger/me/status"' in (await browser.ask("GET", "/me")).body
    assert await browser.done("/me/status", status="Away") == "Your status is set."


async def test_other_cookies(browser: Browser, autojump_clock: MockClock) -> None:
    """T28: where the cookie's name says who may set it, one of another name is none."""
    browser = Browser(HTTPS)
    await browser.fill()
    browser.cookies = {"token": browser.token, "other": "x"}
    assert not (await browser.ask("GET", "/me")).page.is_signed_in
    browser.cookies["__Host-token"] = browser.token
    assert (await browser.ask("GET", "/me")).page.is_signed_in


async def test_cookies_count_nowhere_else(signed_in: Browser, autojump_clock: MockClock) -> None:
    """T28: other doors do not know the cookie, so nothing that is sent to them can abuse it."""
    client: Any = signed_in.app.test_client(use_cookies=False)
    headers = {"Cookie": f"token={signed_in.token}", "Origin": "http://localhost:8000"}
    headers["Host"] = "localhost:8000"
    for method in ("PUT", "DELETE"):
        response = await client.open("/~moshez/status", method=method, data="x", headers=headers)
        assert response.status_code == 401
    assert signed_in.texts == BEFORE


@pytest.mark.parametrize("end", ["revoked", "expired"])
async def test_end_of_a_token(browser: Browser, end: str, autojump_clock: MockClock) -> None:
    """A token that is good no more signs out at once: the page says so, the cookie goes."""
    soon = NOW + timedelta(hours=1)
    for method in ("GET", "POST"):
        token = await browser.hand_out("shawn", soon)
        await browser.sign_in(token)
        assert browser.now < soon
        if end == "revoked":
            await browser.store.revoke_token(token.partition(".")[0])
        else:
            browser.now = soon
        if method == "GET":
            answered = await browser.ask("GET", "/me")
        else:
            answered = await browser.post("/me/status", status=HOSTILE)
            assert answered.page.texts["q"] == [HOSTILE]  # so that it is not lost
        assert answered.code == 401
        assert answered.said == SIGNED_OUT
        assert not answered.page.is_signed_in
        assert browser.cookies == {}
        assert (await browser.ask("GET", "/me")).code == 200
        browser.now = NOW
    assert browser.texts == BEFORE


@pytest.mark.parametrize(
    "cookie",
    [
        *("token=x", "token=.", 'token="a;b"', "token=" + "a" * 5000, "token=\xe9", "token=%00"),
        *("token=x; token=y", "token==", "token=%s{0}{{7*7}}", "token='><script>"),
    ],
)
async def test_garbage_for_a_cookie(
    browser: Browser, cookie: str, autojump_clock: MockClock
) -> None:
    """Whatever a cookie holds instead of a token is no token, and is not shown."""
    for method, path in (("GET", "/me"), ("POST", "/me/status")):
        with capture_logs() as records:
            answered = await browser.ask(method, path, "status=x", Cookie=cookie)
        assert answered.code == 401
        assert answered.said == SIGNED_OUT
        assert answered.cookie["max-age"] == "0"
        assert "<script>" not in answered.body
        assert cookie.partition("=")[2] not in str(records) or len(cookie) < 10
    assert browser.texts == BEFORE


# Other sites

OTHER_SITES: dict[str, dict[str, str | None]] = {
    "foreign": {"Origin": "http://evil.example"},
    "null": {"Origin": "null"},
    "empty": {"Origin": ""},
    "another port": {"Origin": "http://localhost:8001"},
    "none": {"Origin": None},
    "cross-site": {"Sec_Fetch_Site": "cross-site"},
    "same-site": {"Sec_Fetch_Site": "same-site"},
    "cross-site alone": {"Origin": None, "Sec_Fetch_Site": "cross-site"},
    "nonsense alone": {"Origin": None, "Sec_Fetch_Site": ""},
    "rebound": {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
    "rebound alone": {
        "Host": "evil.example:8000",
        "Origin": None,
        "Sec_Fetch_Site": "same-origin",
    },
    "rebound none": {"Host": "evil.example", "Origin": None, "Sec_Fetch_Site": "none"},
    "no host": {"Host": "", "Origin": None, "Sec_Fetch_Site": "same-origin"},
}


@pytest.mark.parametrize("headers", OTHER_SITES.values(), ids=OTHER_SITES)
async def test_other_sites(
    signed_in: Browser, headers: dict[str, str | None], autojump_clock: MockClock
) -> None:
    """T28: a form that is not known to be of ours does nothing, even with cookie and token."""
    cookies = dict(signed_in.cookies)
    with capture_logs() as records:
        for path in ("/me/status", "/me/sign-in", "/me/sign-out"):
            answered = await signed_in.post(path, status="Away", token=signed_in.token, how=headers)
            assert answered.code == 403
            missing = "The browser does not say where this form is from."
            assert answered.said == (missing if headers == {"Origin": None} else FOREIGN)
            assert "Set-Cookie" not in answered.headers
    assert signed_in.cookies == cookies
    assert signed_in.texts == BEFORE
    assert [record["event"] for record in records] == ["denied"] * 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8000", "Sec_Fetch_Site": "same-origin"},
        {"Origin": None, "Sec_Fetch_Site": "same-origin"},
        {"Host": "192.0.2.7", "Origin": "http://192.0.2.7"},
        {"Host": "finger.example", "Origin": "https://finger.example"},
    ],
)
async def test_our_own_site(signed_in: Browser, headers: dict[str, str | None]) -> None:
    """What a page of ours sends counts, whichever of the two headers says so."""
    assert (await signed_in.post("/me/status", status="Away", how=headers)).code == 303
    assert signed_in.texts == BEFORE | {"moshez": "Away"}


@pytest.mark.parametrize("path", ["/me/status", "/me/sign-in", "/me/sign-out"])
async def test_nothing_by_get(signed_in: Browser, path: str) -> None:
    """T28: an address does nothing, nor is a token taken from one."""
    query = urlencode({"status": "Away", "token": signed_in.token, "action": "set"})
    for method in ("PUT", "DELETE"):
        assert (await signed_in.ask(method, f"{path}?{query}")).code == 405
    for method in ("GET", "HEAD"):
        answered = await signed_in.ask(method, f"{path}?{query}")
        assert (answered.code, answered.headers["Location"]) == (303, "/me")
    assert signed_in.texts == BEFORE
    assert signed_in.cookies


async def test_no_token_from_the_address(browser: Browser, autojump_clock: MockClock) -> None:
    """A token that stands in an address signs nobody in."""
    query = urlencode({"token": browser.token})
    assert not (await browser.ask("GET", f"/me?{query}")).page.is_signed_in
    assert (await browser.ask("POST", f"/me/sign-in?{query}", "")).code == 401


# What is refused

TOO_LONG = "s" * (MAX_STATUS + 1)
REFUSED = {
    "empty": ({"status": ""}, "The status is empty."),
    "blank": ({"status": " \t "}, "The status is empty."),
    "nothing seen": ({"status": "\u200b"}, "The status is empty."),
    "missing": ({"lasts": "1h"}, "The status is empty."),
    "too long": ({"status": TOO_LONG}, f"The status is longer than {MAX_STATUS} bytes."),
    "two lines": ({"status": "a\nb"}, "A status is one line."),
    "no action": ({"status": "a", "action": "drop"}, "A status is either set or cleared."),
    "no time": (
        {"status": "a", "lasts": "soon"},
        'Expected a duration such as "30s", "5m" or "1h", got "soon".',
    ),
    "far off": (
        {"status": "a", "lasts": "9999d"},
        "The end is more than ten years ahead; leave it out instead.",
    ),
    "hostile": (
        {"status": HOSTILE, "lasts": HOSTILE},
        f'Expected a duration such as "30s", "5m" or "1h", got "{HOSTILE}".',
    ),
}


@pytest.mark.parametrize(("fields", "words"), REFUSED.values(), ids=REFUSED)
async def test_refused(signed_in: Browser, fields: dict[str, str], words: str) -> None:
    """What makes no sense is a 400 that says why, with what was typed; nothing is set (T13)."""
    plain = (await signed_in.ask("GET", "/me?done=set")).page
    answered = await signed_in.post("/me/status", **fields)
    assert answered.code == 400
    assert answered.said == words
    assert answered.page.fields["status"] == fields.get("status", "")
    options = {"", "30m", "1h", "4h", "1d", "7d"}
    lasts = fields.get("lasts", "")
    assert answered.page.fields.get("for") == (lasts if lasts in options else None)
    chosen, unchosen = ("option", ("value", "selected")), ("option", ("value",))
    assert [unchosen if part == chosen else part for part in answered.page.shape] == [
        unchosen if part == chosen else part for part in plain.shape
    ]
    assert signed_in.texts == BEFORE


@given(texts("<>&\"'{}%"))
async def test_any_text(text: str) -> None:
    """T13: whatever is typed is shown again as it was, and is nothing but text."""
    browser = Browser()
    await browser.fill()
    browser.cookies = {"token": browser.token}
    text = text.encode("utf-8", "replace").decode()
    answered = await browser.post("/me/status", status=text, lasts="never", action="set")
    assert answered.code == 400
    assert answered.page.fields["status"] == text
    plain = await browser.post("/me/status", status="x", lasts="never", action="set")
    assert answered.page.shape == plain.page.shape


async def test_hostile_status(signed_in: Browser) -> None:
    """T13: what was set is text on the page, and so is a name."""
    await signed_in.done("/me/status", status="Away")
    plain = (await signed_in.ask("GET", "/me")).page.shape
    await signed_in.done("/me/status", status=HOSTILE)
    assert (await signed_in.ask("GET", "/me")).page.shape == plain
    await signed_in.sign_in(await signed_in.hand_out("<b>{{7*7}}&amp;'\"></b>"))
    page = (await signed_in.ask("GET", "/me")).page
    assert page.texts["h1"] == ["<b>{{7*7}}&amp;'\"></b>"]
    assert "b" not in {tag for tag, _ in page.shape}


async def test_name_that_cannot_be(browser: Browser) -> None:
    """A token for what is no name sets nothing, and says why."""
    await browser.sign_in(await browser.hand_out("a b"))
    answered = await browser.post("/me/status", status="Away")
    assert (answered.code, answered.said) == (400, "A name cannot hold white space.")
    assert answered.page.fields["status"] == "Away"
    assert browser.texts == BEFORE


async def test_only_whom_the_file_names(browser: Browser, autojump_clock: MockClock) -> None:
    """Where no user may be created, one who is not there is told so, and stays signed in."""
    browser.users.create = False
    await browser.sign_in(await browser.hand_out("new"))
    answered = await browser.post("/me/status", status="Away")
    assert answered.code == 403
    assert answered.said == "Only users whom the users file names can be set."
    assert answered.page.fields["status"] == "Away"
    assert browser.cookies
    assert browser.texts == BEFORE


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        ("multipart/form-data; boundary=x", "--x--\r\n", 415),
        ("multipart/form-data", "status=Away", 415),
        ("text/plain", "status=Away", 415),
        ("application/json", '{"status": "Away"}', 415),
        (None, "status=Away", 415),
        (FORM, b"status=\xff", 400),
        (FORM, "status=%ff", 400),
        (FORM, "status=%ed%a0%80", 400),
        (FORM, "status=a&status=b", 400),
        (FORM, "&".join(f"f{number}=x" for number in range(21)), 400),
        (FORM, "a&" * 60_000, 400),
        (FORM, b"status=" + bytes(128 * 1024), 413),
    ],
)
async def test_what_is_no_form(
    signed_in: Browser, kind: str | None, data: bytes | str, code: int, autojump_clock: MockClock
) -> None:
    """Only a form as ours are sent, of bounded size, is taken (T16); the page stays theirs."""
    answered = await signed_in.ask("POST", "/me/status", data, Content_Type=kind)
    assert answered.code == code
    assert answered.said
    assert answered.page.is_signed_in
    answered = await signed_in.ask("POST", "/me/sign-in", data, Content_Type=kind)
    assert answered.code == code
    assert signed_in.texts == BEFORE
    # It does not keep anybody from being told that they are not signed in.
    answered = await signed_in.ask("POST", "/me/status", data, Content_Type=kind, Cookie=None)
    assert (answered.code, answered.said) == (401, "Setting a status takes a token.")


async def test_forms_of_other_browsers(signed_in: Browser) -> None:
    """The kind of content may say more, a form may have a field that we do not know."""
    data = "utf8=%E2%9C%93&status=%C3%A0+la+mode&for="
    answered = await signed_in.ask(
        "POST", "/me/status", data, Content_Type=f"{FORM}; charset=UTF-8"
    )
    assert answered.code == 303
    assert signed_in.texts == BEFORE | {"moshez": "à la mode"}


async def test_store_is_full(signed_in: Browser) -> None:
    """What cannot be kept is a 503 that says so, with what was typed, and an error in the log."""
    signed_in.store.is_full = True
    with capture_logs() as records:
        answered = await signed_in.post("/me/status", status="Away", lasts="4h")
    assert (answered.code, answered.said) == (503, "The disk is full.")
    assert (answered.page.fields["status"], answered.page.fields["for"]) == ("Away", "4h")
    assert [record["event"] for record in records] == ["not kept"]
    assert signed_in.texts == BEFORE


async def test_store_is_gone(signed_in: Browser) -> None:
    """Where the store cannot tell whose a token is, that is a 503, nobody's fault, and no end."""
    signed_in.store.is_gone = True
    with capture_logs() as records:
        answers = [
            await signed_in.ask("GET", "/me"),
            await signed_in.post("/me/sign-in", token=signed_in.token),
            await signed_in.post("/me/status", status="Away"),
        ]
    assert {(answered.code, answered.said) for answered in answers} == {(503, "The disk is gone.")}
    assert answers[2].page.texts["q"] == ["Away"]
    assert records == []
    signed_in.store.is_gone = False
    assert (await signed_in.ask("GET", "/me")).page.is_signed_in


# Failures


async def test_failures_are_slowed_down(browser: Browser, autojump_clock: MockClock) -> None:
    """T28: whoever guesses tokens, in whichever way, is slowed down as at the other doors.

    They share one count with those, and to sign in does not forgive: to set something does.
    """
    start = trio.current_time()
    delays = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4, 4]
    for number in range(0, len(delays), 2):
        assert (await browser.post("/me/sign-in", token="guess")).said == WRONG
        start += delays[number]
        assert trio.current_time() == pytest.approx(start)
        assert (await browser.ask("GET", "/me", Cookie="token=guess")).code == 401
        start += delays[number + 1]
        assert trio.current_time() == pytest.approx(start)
    with capture_logs() as records:
        await browser.post("/me/sign-in", token="guess", how={"peer": "192.0.2.2"})
        await browser.sign_in()
        await browser.post("/me/sign-in", token="guess")
        await browser.done("/me/status", status="Away")
        await browser.post("/me/sign-in", token="guess")
    assert [
        (record["peer"], record["path"], record["failures"])
        for record in records
        if record["event"] == "denied"
    ] == [
        ("192.0.2.2", "/me/sign-in", 1),
        ("192.0.2.1", "/me/sign-in", 9),
        ("192.0.2.1", "/me/sign-in", 1),
    ]


async def test_no_token_is_told(browser: Browser, autojump_clock: MockClock) -> None:
    """T28: whatever comes to pass, a token stands in no page, no address and no log."""
    other = await browser.hand_out("shawn")
    await browser.store.revoke_token(other.partition(".")[0])
    with capture_logs() as records:
        answers = [
            await browser.post("/me/sign-in", token=browser.token),
            await browser.ask("GET", "/me"),
            await browser.post("/me/status", status="Away"),
            await browser.post("/me/status", status="Away", lasts="x", token=browser.token),
            await browser.post("/me/sign-in", token=browser.token, how={"Origin": "null"}),
            await browser.post("/me/sign-in", token=browser.token, status=browser.token + "x"),
            await browser.post("/me/sign-in", token=other),
            await browser.ask("GET", f"/me?token={browser.token}"),
            await browser.post("/me/sign-out"),
            await browser.ask("GET", "/me", Cookie=f"token={other}"),
        ]
    codes = [303, 200, 303, 400, 403, 303, 401, 200, 303, 401]
    assert [answered.code for answered in answers] == codes
    kept = [line for answered in answers for line in answered.headers.getlist("Set-Cookie")]
    assert len(kept) == 4
    for token in (browser.token, other):
        secret = token.partition(".")[2]
        assert secret not in str(records)
        for answered in answers:
            assert secret not in answered.body
            assert secret not in answered.headers.get("Location", "")
    assert {"denied", "set"} == {record["event"] for record in records}


# Over HTTP


class Client:
    """A browser of the standard library, with a cookie jar."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.jar = CookieJar()
        self._opener: OpenerDirector = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.jar))

    def head(self) -> tuple[int, bytes, Any]:
        """Ask for the page without having it; return the code, the body and the headers."""
        request = Request(f"{self.url}/me", method="HEAD")
        with self._opener.open(request, timeout=20) as response:
            return response.status, response.read(), response.headers

    def open(self, path: str, origin: str | None = None, **fields: str) -> tuple[int, str, str]:
        """Send a form, if there are fields; return the code, what is said, and the address."""
        data = urlencode(fields).encode() if fields else None
        request = Request(f"{self.url}{path}", data)
        if fields:
            request.add_header("Origin", self.url if origin is None else origin)
        try:
            with self._opener.open(request, timeout=20) as response:
                body = response.read().decode()
                return response.status, Seen(body).said, response.url
        except HTTPError as error:
            with error:
                return error.code, Seen(error.read().decode()).said, error.url


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let refusals, of which there are few, take no time."""
    monkeypatch.setattr("trio_finger.services.web._access._FIRST_DELAY", 0)


@pytest.mark.usefixtures("quick")
async def test_over_http(browser: Browser) -> None:
    """A client with a cookie jar signs in, sets, clears and signs out over a real connection."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = Client(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}")
    users, token, url = browser.users, browser.token, client.url
    await users.set(SetRequest("shawn", "Alive"), by=ANYBODY)
    stop = trio.Event()

    def text() -> str | None:
        status = users.get("moshez")
        return status.text if status is not None else None

    def talk() -> None:
        assert client.open("/me") == (200, "", f"{url}/me")
        assert client.open("/me/sign-in", token="x") == (401, WRONG, f"{url}/me/sign-in")
        done = f"{url}/me?done="
        assert client.open("/me/sign-in", token=token) == (
            200,
            "You are signed in.",
            f"{done}signed-in",
        )
        (cookie,) = client.jar
        assert (cookie.name, cookie.value, cookie.path) == ("token", token, "/")
        set_ = client.open("/me/status", status="Away", action="set")
        assert set_ == (200, "Your status is set.", f"{done}set")
        assert text() == "Away"
        client.open("/me/status", status="Lunch", lasts="x", **{"for": "1h"})
        status = users.get("moshez")
        assert status == Status("moshez", "Lunch", NOW, NOW + timedelta(hours=1))
        assert client.open("/moshez")[0] == 200  # the cookie goes there, too
        code, body, headers = client.head()
        assert (code, body) == (200, b"")
        assert int(headers["Content-Length"]) > 1000
        assert headers["Cache-Control"] == "no-store"
        for origin in ("http://evil.example", "null"):
            assert client.open("/me/status", origin, status="Gone")[:2] == (403, FOREIGN)
        large = client.open("/me/status", status="s" * 200_000)
        assert large[:2] == (413, "This is too long by far.")
        assert text() == "Lunch"
        cleared = client.open("/me/status", status="", action="clear")
        assert cleared == (200, "Your status is cleared.", f"{done}cleared")
        assert text() == "from the file"
        signed_out = client.open("/me/sign-out", x="")
        assert signed_out == (200, "You are signed out.", f"{done}signed-out")
        assert list(client.jar) == []

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await serve_web(HTTP, Directory(users), listeners, stop=stop, counts=Counts())

            nursery.start_soon(serve)
            await trio.to_thread.run_sync(talk)
            stop.set()
    assert browser.texts == BEFORE | {"shawn": "Alive"}
