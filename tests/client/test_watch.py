"""Following a live door, in memory, where time is free."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock
from trio_websocket import WebSocketRequest

from tests.client.live_door import (
    START,
    Door,
    deaf,
    following,
    gone,
    hello,
    in_memory,
    in_memory_raw,
    rejecting,
    saying,
    status,
    until_closed,
)
from trio_finger.client._watch_message import MAX_MESSAGE

LIVE = "http://door.example/live"


# What is passed on


async def test_changes(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Every change is passed on, in order; the hello is none, and nobody is told anything."""
    door = saying(hello(), status(1), gone(2), status(3, "Alive"))
    async with in_memory(monkeypatch, door) as follower:
        assert await follower.get(3) == [(1, "Happy"), (2, None), (3, "Alive")]
    assert (follower.door.requests, follower.words) == (["/live"], [])


async def test_users(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Users are asked for by name, whatever is in it, also when the connection was lost."""
    doors = saying(hello(), then=1001), saying(hello(1), status(1))
    async with in_memory(monkeypatch, *doors, users=("moshez", "josé&x=1")) as follower:
        await follower.get()
    users = "user=moshez&user=jos%C3%A9%26x%3D1"
    assert follower.door.requests == [f"/live?{users}", f"/live?{users}&since={START}"]


# Coming back


async def test_resume(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """After a loss it asks for what came since, and what comes twice is left out."""
    doors = (
        saying(hello(), status(1), status(2), then=1001),
        saying(hello(4), status(1), status(2), status(3), status(4), status(4)),
    )
    async with in_memory(monkeypatch, *doors) as follower:
        assert [number for number, _ in await follower.get(4)] == [1, 2, 3, 4]
        with trio.move_on_after(5):
            raise AssertionError(await follower.get())
    assert follower.door.requests == ["/live", f"/live?since={START + 2}"]
    assert follower.words == [
        "connection lost: the server is going away (1001); trying again in 1 s",
        "connected again",
    ]


async def test_resume_after_hello(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """What changed after the first hello is not lost, even if nothing had come by then."""
    doors = saying(hello(7), then=1001), saying(hello(8), status(8))
    async with in_memory(monkeypatch, *doors) as follower:
        assert await follower.get() == [(8, "Happy")]
    assert follower.door.requests == ["/live", f"/live?since={START + 7}"]


async def test_lost_while_catching_up(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A later hello says what there is to catch up with, not what has come: that is asked again."""
    doors = (
        saying(hello(), status(1), then=1001),
        saying(hello(9), status(5), then=1001),
        saying(hello(9), status(9)),
    )
    async with in_memory(monkeypatch, *doors) as follower:
        assert [number for number, _ in await follower.get(3)] == [1, 5, 9]
    assert follower.door.requests[1:] == [f"/live?since={START + n}" for n in (1, 5)]


async def test_nothing_to_catch_up_with(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The server says how far we are while only others change: it need not remember them."""

    async def quiet(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(hello(1))
        await socket.send_message(hello(1000))
        await socket.aclose(1001)

    doors = saying(hello(), status(1), then=1001), quiet, saying(hello(1001), status(1001))
    async with in_memory(monkeypatch, *doors) as follower:
        await follower.get(2)
    assert follower.door.requests[1:] == [f"/live?since={START + n}" for n in (1, 1000)]


async def test_missed(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """If history does not reach back that far it is said, and what there is is passed on."""
    doors = saying(hello(), then=1001), saying(hello(9, missed=True), status(9))
    async with in_memory(monkeypatch, *doors) as follower:
        assert await follower.get() == [(9, "Happy")]
    assert follower.words[1:] == [
        "connected again",
        "some changes may be missing: the server does not remember all of them",
    ]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1000, "the server closed the connection (1000)"),
        (1001, "the server is going away (1001)"),
        (1013, "the server is too busy, or we are too slow for it (1013)"),
        (4711, "the server closed the connection (4711): ^[[2J no"),
    ],
)
async def test_closed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, code: int, words: str
) -> None:
    """T9: it is said why a server ends the connection; its own words do nothing to a terminal."""

    async def close(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(hello())
        await socket.aclose(code, reason="\x1b[2J no" if code == 4711 else None)

    async with in_memory(monkeypatch, close, saying(hello(), status(1))) as follower:
        await follower.get()
    shown = words.replace("^[", "\\x1b")
    assert follower.words == [
        f"connection lost: {shown}; trying again in 1 s",
        "connected again",
    ]


async def test_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Delays grow up to a minute, and begin anew after a connection that lasted."""

    async def last(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(hello())
        await trio.sleep(100)
        await socket.aclose(1001)

    refuse = rejecting(503)
    async with in_memory(monkeypatch, *[refuse] * 9, last, refuse) as follower:
        await trio.sleep(400)
    times = follower.door.times
    delays = [after - before for before, after in pairwise(times)]
    assert delays[:9] == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60])
    assert delays[9] == pytest.approx(100 + 1)
    assert delays[10] == pytest.approx(2)
    words = [
        f"cannot follow {LIVE}: the server answered 503; trying again in {n} s" for n in (1, 2)
    ]
    assert follower.words[:2] == words
    assert follower.words[9:11] == [
        f"connected to {LIVE}",
        "connection lost: the server is going away (1001); trying again in 1 s",
    ]


# Servers that say nothing


async def test_t21_silent(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """A server that has gone without a word is noticed: it does not answer a ping."""
    async with in_memory_raw(monkeypatch, deaf) as follower:
        await trio.sleep(45)
    assert follower.words[0] == ("connection lost: no sign of life for 40 s; trying again in 1 s")
    assert follower.told[0][0] == pytest.approx(40)


async def test_quiet(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """A server that has nothing to say for a day is not taken for one that has gone."""

    async def quiet(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(hello())
        await trio.sleep(86400)
        await socket.send_message(status(1))

    async with in_memory(monkeypatch, quiet) as follower:
        change = await follower.changes.receive()
        assert change.number == START + 1
        assert follower.words == []


async def test_t24_slow_reader(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Whoever takes changes slowly holds up the server, but does not take it for gone."""
    count = 20

    async with in_memory(monkeypatch, saying(hello(), *map(status, range(1, count)))) as follower:
        await trio.sleep(3600)
        assert [number for number, _ in await follower.get(count - 1)] == list(range(1, count))
    assert follower.words == []


async def test_no_hello(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """A WebSocket of another kind is not followed for ever in silence."""
    async with in_memory(monkeypatch, saying()) as follower:
        await trio.sleep(15.5)
    assert follower.words == [f"cannot follow {LIVE}: no answer within 15 s; trying again in 1 s"]


async def test_unreachable(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Looking up a host and connecting have their time as well."""

    async def connect(host: str, port: int) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    async with following(Door([])) as follower:
        await trio.sleep(15.5)
    assert follower.words == [f"cannot follow {LIVE}: no answer within 15 s; trying again in 1 s"]


# Servers that say what nobody understands

GARBAGE = [
    "",
    "null",
    "[]",
    "[" * 60_000,
    '{"type": "status"',
    "\x1b[2J",
    b"\xff\0",
    status(1).encode(),
    "{}",
    '{"type": 7}',
    '{"type": "weather", "id": "1763735000000005"}',
    hello(id=None),
    hello(missed="no"),
    gone(1).replace("moshez", "mos\\nhez"),
    gone(1).replace("moshez", ""),
    status(1, name=None),
    status(1, name=["moshez"]),
    status(1, status=1e3),
    status(1, id=1),
    status(1, id="-1"),
    status(1, id="9" * 18),
    status(1, id="9" * 5000),
    status(1, id="\u0661"),
    status(1, until=float("nan")),
    '{"id": ' + "9" * 5000 + "}",
    status(1, "x" * MAX_MESSAGE),
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_t10_garbage(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, garbage: str | bytes
) -> None:
    """What is no message is left out and told once a connection, and all goes on."""
    doors = (
        saying(hello(), garbage, garbage, status(1), then=1001),
        saying(hello(), garbage, status(2)),
    )
    async with in_memory(monkeypatch, *doors) as follower:
        assert await follower.get(2) == [(1, "Happy"), (2, "Happy")]
    first, lost, again, second = follower.words
    assert first == second
    assert first.startswith("a message from the server is left out: ")
    assert first.isprintable()
    assert lost.startswith("connection lost: ")
    assert again == "connected again"


async def test_limit(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """T1: a message of exactly 64 KiB is one."""
    room = MAX_MESSAGE - len(status(1, ""))
    async with in_memory(monkeypatch, saying(hello(), status(1, "x" * room))) as follower:
        assert await follower.get() == [(1, "x" * room)]


async def test_t10_endless(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """A message without an end is not kept: the connection is given up at a mebibyte."""
    doors = saying(hello(), "x" * (1 << 21)), saying(hello(), status(1))
    async with in_memory(monkeypatch, *doors) as follower:
        await follower.get()
    assert follower.words[0] == (
        "connection lost: the server sent a message that is far too long (1009); "
        "trying again in 1 s"
    )


# The end


async def test_goodbye(monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock) -> None:
    """Whoever is cancelled takes leave of the server, as is proper (1000)."""
    codes = []

    async def listen(request: WebSocketRequest) -> None:
        socket = await request.accept()
        await socket.send_message(hello())
        await socket.send_message(status(1))
        codes.append(await until_closed(socket))

    async with in_memory(monkeypatch, listen) as follower:
        await follower.get()
        follower.tasks.cancel_scope.cancel()
    await trio.testing.wait_all_tasks_blocked()
    assert (codes, follower.words) == ([1000], [])


async def test_t21_goodbye_to_nobody(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A server that does not answer that cannot keep us: two seconds are enough."""
    async with in_memory_raw(monkeypatch, deaf) as follower:
        await trio.sleep(1)
        follower.tasks.cancel_scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(2)
    assert follower.words == []


@pytest.mark.parametrize("seconds", [0, 0.5, 3])
async def test_stopped_while_not_connected(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, seconds: float
) -> None:
    """Before there is a connection, and between two, there is nobody to take leave of."""
    async with in_memory(monkeypatch, rejecting(503), saying()) as follower:
        await trio.sleep(seconds)
        follower.tasks.cancel_scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began <= 2
