"""``[web] url`` and ``trusted_proxies``: one spelling of the address, and networks or a socket."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from trio_finger.config import ConfigError, Web, load_config
from trio_finger.config._elsewhere import OWN_PATHS


def load(folder: Path, line: str) -> Web:
    """Return ``[web]`` with one line in it."""
    path = folder / "config.toml"
    path.write_text(f"[web]\n{line}\n")
    web = load_config(path).web
    assert web is not None
    return web


def fault(folder: Path, line: str) -> str:
    """Return what is wrong with such a line, which is the second one."""
    with pytest.raises(ConfigError) as caught:
        load(folder, line)
    [words] = str(caught.value).split("\n")
    return words.removeprefix(f"{folder}/config.toml:2: ")


URLS = [
    ("https://status.example.org/finger", "https://status.example.org/finger"),
    ("https://status.example.org/finger/", "https://status.example.org/finger"),
    ("https://status.example.org", "https://status.example.org"),
    ("https://status.example.org/", "https://status.example.org"),
    ("HTTPS://Status.Example.ORG:443/Finger", "https://status.example.org/Finger"),
    ("http://status.example.org:80/a/b", "http://status.example.org/a/b"),
    ("http://status.example.org:443", "http://status.example.org:443"),
    ("https://localhost:8443/x.y_z-~/", "https://localhost:8443/x.y_z-~"),
    ("http://192.0.2.7:8000", "http://192.0.2.7:8000"),
    ("http://[2001:DB8::7]:8000/f", "http://[2001:db8::7]:8000/f"),
    ("http://[::1]", "http://[::1]"),
]


@pytest.mark.parametrize(("text", "url"), URLS)
def test_url(tmp_path: Path, text: str, url: str) -> None:
    """The public address is kept as browsers spell it, without a slash at its end."""
    assert load(tmp_path, f'url = "{text}"').url == url


def test_no_url(tmp_path: Path) -> None:
    """An empty text, as in the file that we ship, is none; and so is no such line."""
    assert load(tmp_path, 'url = ""').url is None
    assert load(tmp_path, "").url is None
    assert load(tmp_path, "").trusted_proxies == ()


WRONG = ["status.example.org", "/finger", "ftp://example.org/", "https://", "https:///finger"]
WRONG += ["https://example.org/?x", "https://example.org/?", "https://example.org/#x", "https:x"]
WRONG += ["https://me@example.org/", "https://me:x@example.org/", "https://@example.org/"]
WRONG += ["https://example.org/a b", "https://example.org/ä", "https://example.org/%61"]
WRONG += ["https://example.org//a", "https://example.org/a//", "https://example.org/./a"]
WRONG += ["https://example.org/a/..", "https://example.org/a;b", "https://example.org/<x>"]
WRONG += ["https://example.org:0/", "https://example.org:x/", "https://[::1/", "https://a..b/"]
WRONG += ["https://{user}.example.org/", "https://example.org/{user}", " https://example.org"]


@pytest.mark.parametrize("text", WRONG)
def test_wrong_url(tmp_path: Path, text: str) -> None:
    """What is no such address is named, with what would be one."""
    words = 'web.url: expected an address such as "https://example.org/finger"'
    assert fault(tmp_path, f'url = "{text}"') == f'{words}, got "{text}"'


@pytest.mark.parametrize("value", ["1", "true", '["https://example.org"]'])
def test_url_of_another_kind(tmp_path: Path, value: str) -> None:
    """So is what is no text."""
    assert fault(tmp_path, f"url = {value}").startswith("web.url: expected a text")


@pytest.mark.parametrize("first", [*sorted(OWN_PATHS), "~moshez"])
def test_prefix_of_our_own(tmp_path: Path, first: str) -> None:
    """A prefix that begins as our own paths do is refused, and one that only looks like it not."""
    for rest in ("", "/", "/more"):
        words = fault(tmp_path, f'url = "https://example.org/{first}{rest}"')
        assert (
            words == f"web.url: paths of ours begin with /{first}; a prefix has to begin otherwise"
        )
    for path in (f"{first}x".lstrip("~"), f"x/{first}"):
        assert load(tmp_path, f'url = "https://example.org/{path}"').url is not None


def test_trusted_proxies(tmp_path: Path) -> None:
    """Proxies are networks, single addresses among them, and the socket."""
    web = load(tmp_path, 'trusted_proxies = ["127.0.0.1", "10.0.0.0/8", "unix", "2001:db8::/32"]')
    assert web.trusted_proxies == (
        ip_network("127.0.0.1/32"),
        ip_network("10.0.0.0/8"),
        "unix",
        ip_network("2001:db8::/32"),
    )


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "unix:run/web.sock", "*", "", "Unix"])
def test_wrong_proxy(tmp_path: Path, text: str) -> None:
    """What is neither is named."""
    words = fault(tmp_path, f'trusted_proxies = ["{text}"]')
    assert words.startswith('web.trusted_proxies: expected a network such as "192.0.2.0/24"')


def test_proxies_of_another_kind(tmp_path: Path) -> None:
    """So is what is no list."""
    words = fault(tmp_path, 'trusted_proxies = "unix"')
    assert words.startswith("web.trusted_proxies: expected a list of texts")
