"""Who may set something over the web: no other site, and nobody by trying long enough.

Browsers attach a user's Basic credentials by themselves, so here the credentials are good
all the time, and it is for the rest of a request to tell who had the browser send it.
"""

import hmac
import xmlrpc.client
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from xmlrpc.client import Fault

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from quart import Request
from structlog.testing import capture_logs
from trio.testing import MockClock
from werkzeug.datastructures import Headers

from tests.services.web_app import make_app
from trio_finger.protocol.text import clean
from trio_finger.services.web import Site
from trio_finger.services.web import _access as access
from trio_finger.store import MemoryStore
from trio_finger.usermap import UserMap, make_token

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
SITE = Site("Finger.example")
FOREIGN = "another site may not set anything here"
LOCALHOST = "localhost:8000"


class Browser:
    """Sends requests with good credentials attached."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.users = UserMap(self.store, clock=lambda: SINCE)
        self.app = make_app(self.users, SITE)

    async def log_in(self) -> None:
        """Have credentials to attach."""
        self.token, record = make_token("moshez", SINCE, None)
        await self.store.add_token(record)
        basic = b64encode(f"moshez:{self.token}".encode()).decode()
        self.credentials = f"Basic {basic}"

    async def send(
        self,
        method: str = "PUT",
        path: str = "/~moshez/status",
        data: str = "Away",
        *,
        peer: str = "192.0.2.1",
        scheme: str = "http",
        **headers: Any,
    ) -> tuple[int, str]:
        """Send a request; return the code and the body of its answer."""
        sent = {"Authorization": self.credentials, "Host": LOCALHOST}
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        client: Any = self.app.test_client(use_cookies=False)  # its type wants every argument
        merged = {name: value for name, value in (sent | found).items() if value is not None}
        with trio.fail_after(20):
            response = await client.open(
                path,
                method=method,
                data=data,
                headers=merged,
                scheme=scheme,
                scope_base={"client": (peer, 4711)},
            )
            body = await response.get_data(as_text=True)
        # T28: nothing ever says that another site may see, or do, more than it may anyway.
        allowing = {"access-control", "timing-allow-origin", "cross-origin-resource-policy"}
        for name, _ in response.headers:
            assert not any(name.lower().startswith(word) for word in allowing)
        return response.status_code, body

    async def call(self, **headers: Any) -> tuple[int, object]:
        """Call setUser; return the code, and its result or the code of its fault."""
        call = xmlrpc.client.dumps(("moshez", "Away"), "setUser")
        code, body = await self.send("POST", "/RPC2", call, **headers)
        try:
            return code, xmlrpc.client.loads(body)[0][0]
        except Fault as fault:
            return code, fault.faultCode

    async def is_let_in(self, **headers: Any) -> bool:
        """Whether requests with *headers* set something at every door, rather than at none."""
        codes = [(await self.send(**headers))[0]]
        assert bool(list(self.users)) == (codes == [200])
        codes.append((await self.send("DELETE", **headers))[0])
        assert not list(self.users)
        codes.append((await self.call(**headers))[0])
        assert bool(list(self.users)) == (codes == [200, 200, 200])
        codes.append((await self.send("DELETE", **headers))[0])
        assert len(set(codes)) == 1
        assert set(codes) <= {200, 403}
        return codes[0] == 200

    async def fail(self, peer: str = "192.0.2.1", **headers: Any) -> tuple[int, float]:
        """Fail to say who it is; return the count in the log and how long the answer took."""
        start = trio.current_time()
        with capture_logs() as records:
            code, _ = await self.send(peer=peer, **({"Authorization": None} | headers))
        assert code in {401, 403}
        (record,) = records
        assert record["event"] == "denied"
        assert record["log_level"] == "warning"
        return record["failures"], trio.current_time() - start


@pytest.fixture
async def browser() -> Browser:
    browser = Browser()
    await browser.log_in()
    return browser


# Other sites


@pytest.mark.parametrize(
    "origin",
    [
        # Another host, or the same with another port
        *("http://evil.example", "https://evil.example:8000", "http://finger.example:8000"),
        *("http://localhost", "http://localhost:80", "http://localhost:8001", "http://127.0.0.1"),
        *("http://127.0.0.1:8000", "http://[::1]:8000", "http://[::1]", "http://localhost:08000"),
        *("http://localhost.:8000", "http://localhost.evil.example:8000", "http://xlocalhost:8000"),
        # What is no origin
        *("null", "NULL", "", " ", "*", "localhost:8000", "//localhost:8000", "localhost", "://"),
        *("http://", "http:localhost:8000", "http:///localhost:8000", "http://localhost:8000/"),
        *("http://localhost:8000/x", "http://localhost:8000?", "http://localhost:8000#"),
        *("http://evil.example@localhost:8000", "http://localhost:8000@evil.example"),
        *("http://localhost:8000.evil.example", "http://localhost:8000 http://evil.example"),
        *(
            "http://localhost:8000, http://evil.example",
            "http://[::1",
            "http://[x]:8000",
            "http://[",
        ),
        *("http://localhost:99999999", "http://localhost:x", "http://loc\talhost:8000", "é", "%00"),
        *("ftp://localhost:8000", "file://", "file://localhost:8000", "chrome-extension://abcdef"),
        *("javascript://localhost:8000", "data:localhost:8000", "moz-extension://localhost:8000"),
    ],
)
async def test_other_origins(browser: Browser, origin: str, autojump_clock: MockClock) -> None:
    """T28: what another origin, or none that can be told, has a browser send sets nothing."""
    assert not await browser.is_let_in(Origin=origin)


@pytest.mark.parametrize("word", ["cross-site", "same-site", "Same-Origin", "", "x", "none, none"])
@pytest.mark.parametrize("origin", [None, "http://localhost:8000"])
async def test_sites_that_a_browser_tells_apart(
    browser: Browser, word: str, origin: str | None, autojump_clock: MockClock
) -> None:
    """T28: nothing is set where the browser says that another site asks, whatever else it says."""
    assert not await browser.is_let_in(Sec_Fetch_Site=word, Origin=origin)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example:8000", "0x7f.1:8000"),
        *("localhost.evil.example:8000", "finger.example.evil.example", "x.localhost:8000"),
        *("2130706433:8000", "127.1:8000", "0177.0.0.1:8000", "[::1].evil.example", "localhost."),
        *("", ":8000", "[::1", "[evil.example]:8000", "localhost:8000@evil.example", "a/b", "é"),
        *("[v1.x]:8000", "evil.example:x", "http://localhost:8000", "*", "[fe80::1%25eth0]:8000"),
    ],
)
@pytest.mark.parametrize("word", [None, "same-origin"])
async def test_rebinding(
    browser: Browser, host: str, word: str | None, autojump_clock: MockClock
) -> None:
    """T28: a site that has given its own name our address is not us by being asked for it."""
    assert not await browser.is_let_in(Host=host, Origin=f"http://{host}", Sec_Fetch_Site=word)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),  # some programs say the port anyway
        ("LOCALHOST:8000", "http://localhost:8000"),
        ("localhost:8000", "HTTP://LocalHost:8000"),
        ("finger.example:8000", "http://finger.example:8000"),
        ("FINGER.example", "http://finger.EXAMPLE"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("192.0.2.7", "http://192.0.2.7"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[2001:db8::7]", "http://[2001:db8::7]"),
        ("[2001:DB8::7]:8000", "http://[2001:db8::7]:8000"),
        ("finger.example", "https://finger.example"),  # behind a proxy that speaks TLS
    ],
)
async def test_our_own_origin(browser: Browser, host: str, origin: str) -> None:
    """What a page of ours sends is let in, under each name and address that is ours."""
    assert await browser.is_let_in(Host=host, Origin=origin, Sec_Fetch_Site="same-origin")
    assert await browser.is_let_in(Host=host, Origin=origin)  # an older browser


async def test_origin_over_tls(browser: Browser, autojump_clock: MockClock) -> None:
    """T28: over TLS, what another server at the same name has sent without is not from us."""
    ours = {"Host": "finger.example", "scheme": "https"}
    assert await browser.is_let_in(Origin="https://finger.example", **ours)
    assert not await browser.is_let_in(Origin="http://finger.example", **ours)
    ours["Host"] = "finger.example:443"
    assert await browser.is_let_in(Origin="https://finger.example", **ours)


@pytest.mark.parametrize("word", [None, "none"])
@pytest.mark.parametrize("host", ["localhost:8000", "evil.example", "", None, "[::1]"])
async def test_other_programs(browser: Browser, word: str | None, host: str | None) -> None:
    """Programs that are no browsers say nothing of an origin, and reach us by any name."""
    assert await browser.is_let_in(Host=host, Sec_Fetch_Site=word)


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None],
)
@pytest.mark.parametrize(
    "origin",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}],
)
@pytest.mark.parametrize("multicall", [False, True])
async def test_forms_of_other_sites(
    browser: Browser,
    kind: str | None,
    origin: dict[str, str],
    multicall: bool,
    autojump_clock: MockClock,
) -> None:
    """T28: a form on another site, which needs nobody's leave to be sent, sets nothing.

    As ``text/plain`` its only field, with a name and a value around ``=``, is a whole call.
    """
    part = {"methodName": "setUser", "params": ["moshez", "Away"]}
    call = (
        xmlrpc.client.dumps(([part],), "system.multicall")
        if multicall
        else (xmlrpc.client.dumps(("moshez", "Away"), "setUser"))
    )
    call = '<?xml version="1.0"?>' + call.removeprefix("<?xml version='1.0'?>") + "\r\n"
    code, body = await browser.send("POST", "/RPC2", call, Content_Type=kind, **origin)
    assert FOREIGN in body
    assert code == (200 if multicall else 403)
    assert not list(browser.users)
    # It is the origin that makes the difference: without it the same request sets.
    await browser.send("POST", "/RPC2", call, Content_Type=kind)
    assert [status.text for status in browser.users] == ["Away"]


@pytest.mark.parametrize("path", ["/", "/moshez", "/~moshez/online", "/~moshez/status", "/RPC2"])
@pytest.mark.parametrize("wanted", ["PUT", "DELETE", "POST", "GET"])
async def test_preflight(browser: Browser, path: str, wanted: str) -> None:
    """T28: a browser that asks whether another site may send something is told of no leave."""
    code, body = await browser.send(
        "OPTIONS",
        path,
        Origin="http://evil.example",
        Authorization=None,
        Access_Control_Request_Method=wanted,
        Access_Control_Request_Headers="authorization, content-type",
        Access_Control_Request_Private_Network="true",
    )
    assert (code, body) in {(200, ""), (405, body)}  # `send` looks at the headers
    assert not list(browser.users)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:8000"])
async def test_anybody_reads(browser: Browser, origin: str) -> None:
    """What everybody may read is answered to every site, with no leave to look at the answer."""
    await browser.send()
    for path in ("/", "/moshez", "/~moshez/online"):
        assert (await browser.send("GET", path, Origin=origin))[0] == 200
    call = xmlrpc.client.dumps(("moshez",), "getUser")
    code, body = await browser.send("POST", "/RPC2", call, Origin=origin)
    assert code == 200
    assert "Away" in body


# No digits and no colon: without them nothing is an IP address.
HOSTS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n:0123456789"))


@given(HOSTS, st.sampled_from(["", ":8000", ":80", ":"]), st.just("http://{}") | st.text())
async def test_any_host(host: str, port: str, origin: str) -> None:
    """T28: whatever may stand in these two headers, there is an answer, and it is no."""
    headers = Headers([("Host", host + port), ("Origin", clean(origin.replace("{}", host + port)))])
    scope: Any = {}
    push: Any = None
    request = Request(
        "PUT", "http", "/~moshez/status", b"", headers, "", "1.1", scope, send_push_promise=push
    )
    doorkeeper = access.Doorkeeper(UserMap(MemoryStore()), {"finger.example", "localhost"})
    assert doorkeeper._is_foreign(request)


# Failures


async def test_failures_are_logged(browser: Browser, autojump_clock: MockClock) -> None:
    """T28: each refusal is a warning that says who, what and how often, and nothing secret."""
    other, record = make_token("shawn", SINCE, None)
    await browser.store.add_token(record)
    secrets = ["swordfish", other.partition(".")[2], browser.token.partition(".")[2]]
    basic = b64encode(f"shawn:{browser.token}".encode()).decode()
    secrets.append(basic)
    with capture_logs() as records:
        await browser.send(Authorization=None)
        await browser.send(Authorization="Bearer swordfish")
        await browser.send(Authorization=f"Basic {basic}")
        await browser.send("DELETE", "/~shawn/status?token=swordfish")
        await browser.send(Origin="http://swordfish")
        await browser.call(Authorization=f"Bearer {other}")
    denied = [
        (record["event"], record["log_level"], record["peer"], record["path"], record["reason"])
        for record in records
    ]
    mine, no_token = "/~moshez/status", "setting a status takes a token"
    wrong = "this token is not, or no longer, valid"
    assert denied == [
        ("denied", "warning", "192.0.2.1", *rest)
        for rest in [
            (mine, no_token),
            (mine, wrong),
            (mine, wrong),
            ("/~shawn/status", "you may not set the status of shawn"),
            (mine, FOREIGN),
            ("/RPC2", "you may not set the status of moshez"),
        ]
    ]
    assert [record["failures"] for record in records] == [1, 2, 3, 4, 5, 6]
    for secret in secrets:
        assert secret not in str(records)


@pytest.mark.parametrize(
    ("address", "peer"),
    [("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1")],
)
async def test_peers_in_the_log(
    browser: Browser, address: str, peer: str, autojump_clock: MockClock
) -> None:
    """Whoever is refused, or sets something, has the same word in the log as at other doors."""
    with capture_logs() as records:
        await browser.send(peer=address)
        await browser.send(peer=address, Authorization=None)
    assert [(record["event"], record["peer"]) for record in records] == [
        ("set", peer),
        ("denied", peer),
    ]


async def test_failures_are_slowed_down(browser: Browser, autojump_clock: MockClock) -> None:
    """Every failure is answered later than the one before, up to four seconds."""
    failures = [await browser.fail() for _ in range(9)]
    assert [count for count, _ in failures] == list(range(1, 10))
    delays = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 4, 4, 4]
    assert [delay for _, delay in failures] == pytest.approx(delays)
    for _ in range(1100):  # a power of two with such an exponent is no float
        _, delay = await browser.fail()
        assert delay == pytest.approx(4)


async def test_failures_at_once(browser: Browser, autojump_clock: MockClock) -> None:
    """To fail in many requests at once makes none of them quicker."""
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(browser.send, "PUT", "/~shawn/status")
    assert (await browser.fail())[0] == 21


@pytest.mark.parametrize("kind", ["missing", "wrong", "foreign", "another's"])
async def test_every_kind_of_failure_counts(
    browser: Browser, kind: str, autojump_clock: MockClock
) -> None:
    """It does not matter in which way somebody fails."""
    how: dict[str, dict[str, Any]] = {
        "missing": {"Authorization": None},
        "wrong": {"Authorization": "Bearer x"},
        "foreign": {"Origin": "null"},
        "another's": {"path": "/~shawn/status"},
    }
    for _ in range(3):
        await browser.send(**how[kind])
    assert (await browser.fail())[0] == 4


async def test_success_forgets(browser: Browser, autojump_clock: MockClock) -> None:
    """Whoever sets something has their failures forgotten, and is never slowed down."""
    for door in (browser.send, browser.call):
        for _ in range(5):
            await browser.fail()
        start = trio.current_time()
        await door()
        assert trio.current_time() == start
        assert (await browser.fail())[0] == 1
        await browser.send()


async def test_what_is_no_success(browser: Browser, autojump_clock: MockClock) -> None:
    """Reading, and being known without setting anything, forgets nothing."""
    for _ in range(3):
        await browser.fail()
    await browser.send("GET", "/moshez")
    assert (await browser.send(data=""))[0] == 400
    assert (await browser.send("DELETE"))[0] == 404
    assert (await browser.fail())[0] == 4


async def test_quiet_forgets(browser: Browser, autojump_clock: MockClock) -> None:
    """After five minutes without a failure there were none."""
    for _ in range(5):
        await browser.fail()
    await trio.sleep(299 - 1.6)
    assert (await browser.fail())[0] == 6
    await trio.sleep(300)
    assert (await browser.fail())[0] == 1


PLACES = [
    ("192.0.2.1", "192.0.2.2", "192.0.2.1"),
    ("2001:db8::1", "2001:db8:0:1::1", "2001:db8::ffff:ffff:ffff:ffff"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.1"),  # IPv4 on a socket of IPv6
    ("fe80::1%eth0", "2001:db8::1", "fe80::2"),
    ("nonsense", "", "nonsense"),
]


@pytest.mark.parametrize(("one", "other", "same"), PLACES)
async def test_failures_are_counted_by_place(
    browser: Browser, one: str, other: str, same: str, autojump_clock: MockClock
) -> None:
    """T26: addresses are told apart, except that all of an IPv6 network is one place."""
    assert (await browser.fail(one))[0] == 1
    assert (await browser.fail(other))[0] == 1
    assert (await browser.fail(same))[0] == 2
    await browser.send(peer=other)
    assert (await browser.fail(one))[0] == 3
    assert (await browser.fail(other))[0] == 1


async def test_nobody_says_where_they_are(browser: Browser, autojump_clock: MockClock) -> None:
    """What a client says of its address does not count."""
    for count, header in enumerate(
        ["Remote-Addr", "X-Forwarded-For", "Forwarded", "X-Real-IP", "Remote_Addr"], 1
    ):
        assert (await browser.fail(**{header: f"198.51.100.{count}"}))[0] == count


async def test_places_are_bounded(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """T26: only so many places are remembered; the one that was quiet longest goes first."""
    monkeypatch.setattr(access, "_MAX_PLACES", 3)
    for host in (1, 2, 3, 1, 4):
        await browser.fail(f"192.0.2.{host}")
    assert (await browser.fail("192.0.2.1"))[0] == 3
    assert (await browser.fail("192.0.2.3"))[0] == 2
    assert (await browser.fail("192.0.2.2"))[0] == 1  # and takes the place of 4
    assert (await browser.fail("192.0.2.4"))[0] == 1


async def test_the_table_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """T26: however many places fail, what is remembered of them does not grow for ever."""
    doorkeeper = access.Doorkeeper(UserMap(MemoryStore()), {"x"})
    for host in range(access._MAX_PLACES + 1000):
        doorkeeper._count(str(host))
    assert len(doorkeeper._failures) == access._MAX_PLACES


# Tokens


async def test_secrets_are_compared_in_constant_time(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """T28: how long a refusal takes tells nothing of the secret: `hmac` compares, and all of it."""
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def listen(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", listen)
    token_id = browser.token.partition(".")[0]
    assert (await browser.send())[0] == 200
    for secret in ("", "x", browser.token.partition(".")[2][:-1], "a" * 180):
        code, _ = await browser.send(Authorization=f"Bearer {token_id}.{secret}")
        assert code == 401
    assert len(compared) == 5
    assert {len(digest) for pair in compared for digest in pair} == {32}
    kept = (await browser.store.tokens())[0].digest
    assert all(kept in pair for pair in compared)


async def test_only_digests_are_kept(browser: Browser) -> None:
    """T28: what the store has of a token does not let anybody in."""
    (record,) = await browser.store.tokens()
    secret = browser.token.partition(".")[2]
    assert secret not in repr(record)
    assert secret.encode() not in record.digest
