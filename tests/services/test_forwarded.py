"""Requests behind a proxy: what the app is told of the client, and of where it is mounted."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, cast

import pytest
import trio
from hypercorn.typing import ASGIFramework, HTTPScope, Scope
from hypothesis import given
from hypothesis import strategies as st
from quart import request
from quart_trio import QuartTrio

from trio_finger.config._elsewhere import OWN_PATHS
from trio_finger.counts import Counts
from trio_finger.protocol.forwarded import Proxy
from trio_finger.services.web import Pages, Site, create_app
from trio_finger.services.web._forwarded import Forwarded
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import UserMap

PROXIES: tuple[Proxy, ...] = (ip_network("10.0.0.0/8"), "unix")
SITE = Site("localhost", url="https://status.example.org/finger", trusted_proxies=PROXIES)
NO_PREFIX = Site("localhost", url="https://status.example.org", trusted_proxies=PROXIES)
NO_URL = Site("localhost", trusted_proxies=PROXIES)

PROXY = ("10.0.0.1", 4711)


def http(
    path: str = "/",
    *,
    client: tuple[str, int] | None = PROXY,
    headers: Mapping[str, str] | None = None,
) -> HTTPScope:
    """Return what Hypercorn makes of a GET."""
    return {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.1", "version": "3.0"},
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
        "client": client,
        "server": ("127.0.0.1", 8000),
        "state": cast("Any", {}),
        "extensions": {},
    }


async def told(site: Site, scope: Scope) -> dict[str, Any]:
    """Return what the app around which `Forwarded` is put hears of a request."""
    heard: list[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        heard.append(scope)

    before = dict(scope)
    await Forwarded(cast("ASGIFramework", app), site)(scope, cast("Any", None), cast("Any", None))
    assert dict(scope) == before  # it is the server's
    [found] = heard
    return dict(found)


CLIENT = {"x-forwarded-for": "192.0.2.66, 192.0.2.7", "x-forwarded-proto": "https"}


@pytest.mark.parametrize("client", [PROXY, None, ("::ffff:10.0.0.1", 1)])
async def test_t28_trusted(client: tuple[str, int] | None) -> None:
    """T28: of a proxy that is trusted, be it at a socket, the app hears of the client."""
    found = await told(NO_URL, http(client=client, headers=CLIENT))
    assert found["client"] == ("192.0.2.7", 0)
    assert found["scheme"] == "https"


@pytest.mark.parametrize("client", [("192.0.2.1", 4711), ("::1", 4711)])
async def test_t28_not_trusted(client: tuple[str, int]) -> None:
    """T28: of anybody else it hears what is true, whatever they say."""
    scope = http(client=client, headers=CLIENT | {"forwarded": "for=192.0.2.7;proto=https"})
    assert await told(NO_URL, scope) == scope


async def test_trusted_and_silent() -> None:
    """A trusted proxy that says nothing is served as itself."""
    scope = http(headers={"host": "x"})
    assert await told(NO_URL, scope) == scope


async def test_headers_that_come_twice() -> None:
    """Several headers of a name are one list, in their order."""
    scope = http()
    scope["headers"] = [
        (b"x-forwarded-for", b"192.0.2.66"),
        (b"host", b"x"),
        (b"x-forwarded-for", b"192.0.2.7"),
    ]
    assert (await told(NO_URL, scope))["client"] == ("192.0.2.7", 0)


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
async def test_nothing_harms(one: str, other: str, proto: str) -> None:
    """Whatever headers hold, the client is an IP address, and the scheme one of the two."""
    names = ("x-forwarded-for", "forwarded", "x-forwarded-proto")
    scope = http()
    scope["headers"] = [
        (name.encode(), text.encode())
        for name, text in zip(names, (one, other, proto), strict=True)
    ]
    found = await told(SITE, scope)
    assert found["scheme"] in ("http", "https")
    assert str(ip_address(found["client"][0])) == found["client"][0]


# Where we are mounted

PATHS = [
    ("/finger", "/finger/"),
    ("/finger/", "/finger/"),
    ("/finger/~moshez", "/finger/~moshez"),
    ("/finger/finger", "/finger/finger"),
    ("/finger//x", "/finger//x"),
    ("/", "/finger/"),
    ("/~moshez", "/finger/~moshez"),
    ("/~finger/online", "/finger/~finger/online"),
    ("/fingers", "/finger/fingers"),
    ("/Finger/x", "/finger/Finger/x"),
    ("/.well-known/webfinger", "/finger/.well-known/webfinger"),
    ("//finger/x", "/finger//finger/x"),
]


@pytest.mark.parametrize(("path", "whole"), PATHS)
async def test_prefix(path: str, whole: str) -> None:
    """Whether or not the proxy has taken it off, the path has the prefix, once."""
    found = await told(SITE, http(path))
    assert (found["root_path"], found["path"]) == ("/finger", whole)
    assert found["raw_path"] == whole.encode()


@pytest.mark.parametrize("site", [NO_PREFIX, NO_URL])
async def test_no_prefix(site: Site) -> None:
    """Without one, paths are as they are."""
    assert await told(site, http("/finger/x")) == http("/finger/x")


async def test_spelled_otherwise() -> None:
    """A prefix with an escape in it is the prefix, and the raw path stays as raw as it was."""
    scope = http("/finger/x")
    scope["raw_path"] = b"/%66inger/x"
    found = await told(SITE, scope)
    assert (found["path"], found["raw_path"]) == ("/finger/x", b"/%66inger/x")


# With Quart inside


def behind(site: Site) -> QuartTrio:
    """Return an app that says what Quart makes of a request that comes through `Forwarded`."""
    app = QuartTrio(__name__, static_folder=None)

    @app.get("/")
    @app.get("/~<name>")
    async def say(name: str = "") -> list[str | None]:
        return [request.path, name, request.remote_addr, request.url]

    app.asgi_app = Forwarded(app.asgi_app, site)  # type: ignore[method-assign]
    return app


HEADERS = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Host": "example.org"}


@pytest.mark.parametrize("prefix", ["", "/finger"])
async def test_quart(prefix: str) -> None:
    """Quart finds its routes behind either kind of proxy, and knows the client."""
    client = behind(SITE).test_client()
    with trio.fail_after(10):
        for path, name in (("/", ""), ("/~moshez", "moshez"), ("/~finger", "finger")):
            response = await client.get(
                f"{prefix}{path}", headers=HEADERS, scope_base={"client": PROXY}
            )
            url = f"https://example.org/finger{path}"
            assert await response.get_json() == [path, name, "192.0.2.7", url]


async def test_prefix_alone() -> None:
    """The prefix without a slash is the first page."""
    with trio.fail_after(10):
        response = await behind(SITE).test_client().get("/finger")
        assert (await response.get_json())[0] == "/"


def test_prefixes_that_are_refused() -> None:
    """Every path of the app begins with what no prefix may begin with, or is a user's."""
    directory = Directory(UserMap(MemoryStore()))
    app = create_app(Pages(directory, SITE), Counts())
    first = {rule.rule.split("/")[1] for rule in app.url_map.iter_rules()}
    users = {"", "<name>", "~<name>"}
    assert {"RPC2", "static"} <= first
    assert first - users <= OWN_PATHS
