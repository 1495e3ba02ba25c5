"""Answers to a follower that are no WebSocket: which are final, and which are not."""

from contextlib import AbstractAsyncContextManager

import pytest
import trio
from trio.testing import MockClock

from tests.client.live_door import (
    ACCEPTED,
    Following,
    Handler,
    answering,
    cut,
    hello,
    in_memory,
    in_memory_raw,
    rejecting,
    saying,
    status,
)
from trio_finger.client import RefusedError, leaf

LIVE = "http://door.example/live"


async def refusal(follower: AbstractAsyncContextManager[Following]) -> str:
    """Follow in vain; return why."""
    words = ""
    try:
        async with follower as following:
            await following.get()
    except* RefusedError as group:
        words = str(leaf(group))
    return words


@pytest.mark.parametrize(
    ("door", "why"),
    [
        (rejecting(404), "there is no live door there (the server answered 404)"),
        (rejecting(404, body=b"No such page"), "there is no live door there"),
        (rejecting(200, body=b"<h1>A page</h1>"), "the server answered 200"),
        (rejecting(400), "the server answered 400"),
        (rejecting(403), "the server answered 403"),
        (rejecting(501), "the server answered 501"),
        (
            rejecting(301, extra_headers=[(b"Location", b"https://h/live")]),
            "the server answered 301: it is at https://h/live",
        ),
    ],
)
async def test_final(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, door: Handler, why: str
) -> None:
    """What will not be otherwise in a minute ends it at once, and it is said why."""
    assert (await refusal(in_memory(monkeypatch, door))).startswith(why)
    assert trio.current_time() == 0


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_passing(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, code: int
) -> None:
    """What may be otherwise in a minute is asked again."""
    doors = rejecting(code), rejecting(code, body=b"Not now"), saying(hello(), status(1))
    async with in_memory(monkeypatch, *doors) as follower:
        await follower.get()
    assert follower.words == [
        f"cannot follow {LIVE}: the server answered {code}; trying again in 1 s",
        f"cannot follow {LIVE}: the server answered {code}; trying again in 2 s",
        f"connected to {LIVE}",
    ]


@pytest.mark.parametrize("code", [200, 403, 404])
async def test_not_final_any_more(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, code: int
) -> None:
    """Where there was a door before, a proxy may say what it likes while the daemon starts."""
    doors = saying(hello(), then=1001), rejecting(code), saying(hello(), status(1))
    async with in_memory(monkeypatch, *doors) as follower:
        await follower.get()
    assert follower.words[1].startswith(f"cannot follow {LIVE}: ")
    assert f"the server answered {code}" in follower.words[1]
    assert follower.words[1].endswith("; trying again in 2 s")
    assert follower.words[2] == "connected again"


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (b"HTTP/1.0 404 Not Found\r\n\r\nno length", True),
        (b"HTTP/1.0 404 Not Found\r\n\r\nno end", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 9999999\r\n\r\nno end", False),
        (b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 404", True),
        (b"HTTP/1.1 404 Not Found\n\n", False),
    ],
)
async def test_t10_refusal_without_an_end(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, answer: bytes, end: bool
) -> None:
    """A refusal is understood by its first lines, however it goes on, or ends."""
    assert "404" in await refusal(in_memory_raw(monkeypatch, answering(answer, end=end)))
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "the connection was closed without an answer"),
        (b"HT", "the connection was closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the server speaks something else than HTTP there"),
        (b"\x15\x03\x01\0\2\2\x50", "the server speaks something else than HTTP there"),
        (b"HTTP/1.1 101 OK\r\n\r\n", "the server does not keep to the protocol"),
        (ACCEPTED + b"x\r\n\r\n", "the server does not keep to the protocol"),
        (b"HTTP/1.1 099 \r\n\r\n", "the server does not keep to the protocol"),
        (b"HTTP/1.1 103 Hints\r\n\r\n" * 9999, "the server answered 103"),
        (b"HTTP/1.1 101 OK\r\nX: " + b"x" * (1 << 20), "the server does not keep to the protocol"),
        (b"HTTP/1.1 404 " + b"x" * (1 << 20), "the server does not keep to the protocol"),
    ],
)
async def test_t10_no_answer(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, answer: bytes, why: str
) -> None:
    """What is no answer is not waited for any longer than until that is clear."""
    async with in_memory_raw(monkeypatch, answering(answer, end=True)) as follower:
        await trio.sleep(0.5)
    assert follower.words == [f"cannot follow {LIVE}: {why}; trying again in 1 s"]


async def test_closed_at_once(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """A server that hangs up instead of answering is asked again soon, not after a time-out."""
    async with in_memory_raw(monkeypatch, cut) as follower:
        await trio.sleep(2)
    assert len(follower.door.times) == 2
