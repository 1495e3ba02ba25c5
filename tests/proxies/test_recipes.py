"""The recipes of docs/proxy.md on the real nginx and Caddy: what is asked through them."""

import json
from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.proxies.recipes import APPENDING, NONE, STRIPPING, UNIX
from tests.proxies.running import CLIENT, Front, run_front
from trio_finger.config import load_config
from trio_finger.protocol.address import UnixAddress

WAYS = {"as it is": NONE, "prefix taken off": STRIPPING, "unix": UNIX, "appending": APPENDING}
INVENTED = ("-H", "X-Forwarded-For: 192.0.2.66", "-H", "Forwarded: for=192.0.2.66")


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest) -> str:
    """Which proxy."""
    return str(request.param)


@pytest.fixture(params=["as it is", "prefix taken off", "unix"])
def way(request: pytest.FixtureRequest) -> str:
    """In which way its recipe is changed."""
    return str(request.param)


@pytest.fixture
async def front(proxy: str, way: str, tmp_path: Path) -> AsyncIterator[Front]:
    """A daemon behind a proxy, in a way that the document has."""
    change: Mapping[str, str] = WAYS[way][proxy]
    async with run_front(proxy, tmp_path, change, unix=way == "unix") as running:
        yield running


@pytest.fixture
async def plain_front(proxy: str, tmp_path: Path) -> AsyncIterator[Front]:
    """A daemon behind a proxy with the very recipe."""
    async with run_front(proxy, tmp_path, {}) as running:
        yield running


class Links(HTMLParser):
    """The addresses on this site that a page names.

    Attributes:
      followed: those that can be asked for.
      sent_to: where forms go.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.followed: set[str] = set()
        self.sent_to: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and value.startswith("/"):
                if name in ("href", "src"):
                    self.followed.add(value)
                elif name in ("action", "formaction"):
                    self.sent_to.add(value)


HTML = ("-H", "Accept: text/html")


async def test_every_link_is_under_the_prefix(front: Front) -> None:
    """Pages are right, and every address in them leads to something on this site."""
    origin = front.url.removesuffix("/finger")
    seen = {"/finger/"}
    todo = ["/finger/"]
    while todo:
        link = todo.pop()
        reply = await front.ask(link, *HTML, url=origin)
        assert reply.code < 500, link
        assert reply.code != 404, link
        if "text/html" in reply.head:
            links = Links(reply.body)
            found = links.followed | links.sent_to
            assert all(link.startswith("/finger/") for link in found), found
            todo += links.followed - seen
            seen |= links.followed
    assert {"/finger/~moshez", "/finger/~finger", "/finger/~Zo%C3%AB"} <= seen
    assert any(link.startswith("/finger/static/style.css") for link in seen)


async def test_user_pages(front: Front) -> None:
    """Users are found by the path that stands for them, odd ones as well."""
    for name, status in (
        ("moshez", "Happy and well"),
        ("~moshez", "Happy and well"),
        ("~finger", "Pointing"),
        ("~Zo%C3%AB", "à la mode"),
        ("~a%3Fb%2525", "Odd"),
    ):
        reply = await front.ask(f"/{name}", *HTML)
        assert reply.code == 200
        assert f"<p>{status}</p>" in reply.body
    assert (await front.ask("/~moshez/online")).body == "Happy and well\n"
    assert (await front.ask("/~nobody", *HTML)).code == 404


async def test_prefix_without_a_slash(plain_front: Front) -> None:
    """The prefix alone is the first page, or leads there."""
    reply = await plain_front.ask("", *HTML)
    if reply.code == 301:
        assert f"ocation: {plain_front.url}/" in reply.head
    else:
        assert reply.code == 200
        assert "/finger/~moshez" in reply.body


async def test_whole_addresses(front: Front) -> None:
    """Where a page has to name a whole address, it is the public one."""
    page = await front.ask("/", *HTML)
    assert f"{front.url}/~" in page.body
    assert "http://" not in page.body
    reply = await front.ask("/~moshez", "-H", "Accept: application/json")
    assert json.loads(reply.body)["url"] == f"{front.url}/~moshez"


async def test_feeds(plain_front: Front) -> None:
    """Feeds have the public address wherever they have one."""
    for kind in ("atom", "json"):
        reply = await plain_front.ask(f"/~moshez/feed.{kind}")
        assert reply.code == 200
        assert f"{plain_front.url}/~moshez" in reply.body
        assert "127.0.0.1" not in reply.body


async def test_webfinger(front: Front) -> None:
    """WebFinger is asked for at the root of the host, and answered by the daemon."""
    origin = front.url.removesuffix("/finger")
    reply = await front.ask("/.well-known/webfinger", url=origin)
    assert reply.code == 400  # what is asked for is missing
    reply = await front.ask(
        f"/.well-known/webfinger?resource={front.url}/~moshez&rel=nothing", url=origin
    )
    assert reply.code in (200, 404)  # as moshez wants it
    assert "access-control-allow-origin: *" in reply.head.lower()


async def test_setting(front: Front) -> None:
    """A status is set by PUT with a token, and cleared again."""
    token = await front.token("moshez")
    reply = await front.ask("/~moshez/status", "-X", "PUT", "-d", "By proxy", "-H", token)
    assert (reply.code, reply.body) == (200, "ok\r\n")
    assert await front.daemon.finger(b"moshez\r\n") == b"By proxy\r\n"
    assert (await front.ask("/~moshez/status", "-X", "DELETE", "-H", token)).code == 200
    assert await front.daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"


async def test_t28_other_sites(plain_front: Front) -> None:
    """T28: a browser may set something from the public address, and from no other site."""
    token = await plain_front.token("moshez")
    put = ("-X", "PUT", "-H", "Content-Type: text/plain", "-H", token)
    ours = plain_front.url.removesuffix("/finger")
    reply = await plain_front.ask("/~moshez/status", *put, "-d", "1", "-H", f"Origin: {ours}")
    assert reply.code == 200
    for origin in ("https://evil.example", "null", ours.replace("https:", "http:")):
        reply = await plain_front.ask("/~moshez/status", *put, "-d", "2", "-H", f"Origin: {origin}")
        assert reply.code == 403, origin
    assert await plain_front.daemon.finger(b"moshez\r\n") == b"1\r\n"


async def test_xmlrpc(front: Front) -> None:
    """XML-RPC is spoken under the prefix."""
    call = "<methodCall><methodName>getUser</methodName><params><param><value>moshez</value>"
    reply = await front.ask("/RPC2", "-d", f"{call}</param></params></methodCall>")
    assert "<string>Happy and well</string>" in reply.body


async def test_t28_client_in_the_log(front: Front) -> None:
    """T28: whoever is denied is named as the client, and not as the proxy."""
    reply = await front.ask("/~moshez/status", "-X", "PUT", "-d", "Away")
    assert (reply.code, reply.body) == (401, "error: setting a status takes a token\r\n")
    assert await front.denied() == CLIENT


@pytest.mark.parametrize("way", WAYS, indirect=True)
async def test_t28_invented_client(front: Front) -> None:
    """T28: what a client says of itself is not believed, whatever the proxy does with it."""
    await front.ask("/~moshez/status", "-X", "PUT", "-d", "Away", *INVENTED)
    assert await front.denied() == CLIENT


async def test_proxy_in_front_of_the_proxy(proxy: str, tmp_path: Path) -> None:
    """Of a chain, what the farthest proxy of ours says is believed, and nothing left of that."""
    trusted, chain = '["127.0.0.0/8"]', "X-Forwarded-For: 192.0.2.66, 198.51.100.7"
    async with run_front(proxy, tmp_path, APPENDING[proxy], trusted=trusted) as front:
        await front.ask("/~moshez/status", "-X", "PUT", "-d", "Away", "-H", chain)
        assert await front.denied() == "198.51.100.7"


async def test_t28_past_the_proxy(plain_front: Front) -> None:
    """T28: whoever reaches the daemon itself, and is no proxy, is not believed either."""
    direct = plain_front.daemon.url
    await plain_front.ask("/~moshez/status", "-X", "PUT", "-d", "Away", *INVENTED, url=direct)
    assert await plain_front.denied() == CLIENT


@pytest.mark.parametrize("way", ["as it is", "unix"], indirect=True)
async def test_what_the_document_says(front: Front) -> None:
    """The daemon's part of the recipe means what it says."""
    web = load_config(front.daemon.folder / "config.toml").web
    assert web is not None
    assert web.url == front.url
    assert len(web.trusted_proxies) == 1
    assert isinstance(web.listen[0], UnixAddress) == front.unix
