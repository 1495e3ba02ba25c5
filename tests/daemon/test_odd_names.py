"""A user whose name is odd works at every door, or is refused by all alike."""

import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen
from xml.etree import ElementTree

import pytest
import trio

from tests.running import PATIENCE, Running, run_daemon

PATHS = ["RPC2", "me", "live", "live.sse", "feed.atom", "feed.json", "static", "api", "healthz"]
PATHS += [".well-known", "readyz", "favicon.ico", "robots.txt", "online", "status"]
CHARACTERS = ["?", "a#", "%", "&", "+", ";", '"', "'", "<", "é", "語", "?#%&+;\"'<é語"]
NAMES = [
    *PATHS,
    *CHARACTERS,
    "~",
    "~moshez",
    "%2e%2e",
    "%2F",
    "a%20b",
    "...",
    "a\\b",
    "=",
    "*",
]

IN_FILE = {"moshez", "shawn"}

# White space of any kind and what cannot be seen, and what has a meaning at some door.
REFUSED = ["a b", "a\u00a0b", "a\u2003b", "a\u3000b", "a\u200bb", "a\u202eb", "a\tb", "a/b", "a@b"]
REFUSED += ["a:b", "a!b", "#a", "a,b", "..", ".", "x" * 65]


def fetch(url: str, accept: str = "text/html") -> tuple[int, str]:
    """Return the code and the body of what is at *url*."""
    try:
        with urlopen(Request(url, headers={"Accept": accept}), timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


async def get(daemon: Running, path: str, accept: str = "text/html") -> tuple[int, str]:
    return await trio.to_thread.run_sync(fetch, f"{daemon.url}{path}", accept)


async def listed(daemon: Running) -> set[str]:
    """Return who is listed."""
    users = json.loads((await get(daemon, "/", "application/json"))[1])["users"]
    return {user["name"] for user in users}


async def hear(daemon: Running, name: str) -> dict[str, object]:
    """Return what a follower of *name* is told by live events when something is set."""
    target = f"/live.sse?user={quote(name, safe='')}&since=1"
    async with await trio.open_tcp_stream("127.0.0.1", daemon.port("web")) as stream:
        await stream.send_all(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        heard = b""
        while b"event: status" not in heard or not heard.endswith(b"\n\n"):
            data = await stream.receive_some()
            assert data, heard
            heard += data
    line = next(
        line for line in heard.split(b"\n") if b'"type":"status"' in line.replace(b" ", b"")
    )
    told: dict[str, object] = json.loads(line.removeprefix(b"data: "))
    return told


async def test_odd_names(tmp_path: Path) -> None:
    """Whatever a name holds that a name may hold, every door tells of that very user."""
    async with run_daemon(tmp_path) as daemon:
        for name in NAMES:
            text = f"This is {name}."
            assert await daemon.set(name, text) == b"ok\r\n"
            assert await daemon.finger(f"{name}\r\n".encode()) == f"{text}\r\n".encode()
            assert await daemon.call("getUser", name) == text
            path = f"/~{quote(name, safe='')}"
            code, page = await get(daemon, path)
            assert (code, "<h1>" in page) == (200, True), name
            code, body = await get(daemon, path, "application/json")
            user = json.loads(body)
            assert (code, user["name"], user["status"]) == (200, name, text)
            assert user["url"] == f"{daemon.url}{path}"
            assert await get(daemon, path, "text/plain") == (
                200,
                body_of(name, text, user["since"]),
            )
            assert await get(daemon, f"{path}/online") == (200, f"{text}\n")
            code, feed = await get(daemon, f"{path}/feed.atom")
            assert code == 200
            titles = [
                element.text for element in ElementTree.fromstring(feed).iter() if element.text
            ]
            assert f"{name}: {text}" in titles
            told = await hear(daemon, name)
            assert (told["name"], told["status"]) == (name, text)
        assert await listed(daemon) == IN_FILE | set(NAMES)
        assert (await get(daemon, "/healthz"))[1] == "ok\n"  # it is still what it is
        assert "<h1>me</h1>" not in (await get(daemon, "/me"))[1]


def body_of(name: str, text: str, since: str) -> str:
    return f"{name}: {text}\nSince: {since[:10]} {since[11:16]} UTC\n"


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
async def test_refused_names(tmp_path: Path, name: str) -> None:
    """What no name may hold is refused where it is set, and unknown where it is asked for."""
    async with run_daemon(tmp_path) as daemon:
        assert (await daemon.set(name, "Odd")).startswith(b"error: ")
        if name.isprintable() and not {"/", "@"} & set(name):
            query = f"{name}\r\n".encode()
            assert b"Odd" not in await daemon.finger(query)
        assert await daemon.call("getUser", name) == "No such user"
        path = f"/~{quote(name, safe='')}"
        assert (await get(daemon, path))[0] == 404
        assert (await get(daemon, f"{path}/online"))[0] == 404
        assert await listed(daemon) == IN_FILE
