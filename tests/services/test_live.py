"""The live doors: who is let in, and what they are told, over real sockets."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.net.server import events, until
from tests.net.tls import NAME, client_side
from tests.services.live_door import (
    ACCEPT,
    HANDSHAKE,
    Events,
    LiveDoor,
    format_request,
    open_live,
    texts,
)
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, OPERATOR, Status, UserMap

DOORS = ["/live", "/live.sse"]
FOREIGN = [
    b"Origin: https://evil.example\r\n",
    b"Origin: http://localhost.evil.example\r\n",
    b"Origin: null\r\n",
    b"Sec-Fetch-Site: cross-site\r\n",
    b"Sec-Fetch-Site: same-site\r\n",
]
OURS = [b"", b"Origin: http://localhost\r\n", b"Sec-Fetch-Site: same-origin\r\n"]


@asynccontextmanager
async def follow(door: LiveDoor, *, tls: bool = False) -> AsyncIterator[WebSocketConnection]:
    """Have a client of somebody else's making follow for the length of an ``async with``."""
    plain = await door.server.connect(door.server.tls_port if tls else None)
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = plain
    if tls:
        stream = trio.SSLStream(plain, client_side(), server_hostname=NAME)
    async with trio.open_nursery() as nursery:
        yield await wrap_client_stream(
            nursery, stream, "localhost", "/live", message_queue_size=5000
        )
        nursery.cancel_scope.cancel()


async def next_of(client: WebSocketConnection) -> dict[str, Any]:
    """Return what the next message holds."""
    found: dict[str, Any] = json.loads(await client.get_message())
    return found


async def follow_events(door: LiveDoor, target: str = "/live.sse", *headers: bytes) -> Events:
    """Return a client of server-sent events that has been let in."""
    client = Events(await door.ask(target, *headers))
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    return client


async def test_every_change_is_a_message() -> None:
    """A hello comes first, and then each change, in order, with numbers that grow."""
    async with open_live() as door, follow(door) as client:
        hello = await next_of(client)
        assert hello == {
            "type": "hello",
            "server": "trio-finger",
            "id": str(door.users.last_change),
            "missed": False,
        }
        await door.tell("moshez", "Happy")
        await door.users.set(SetRequest("Zoë", "à la mode", lasts="1h"), by=ANYBODY)
        await door.tell("moshez", "")
        first, second, third = [await next_of(client) for _ in range(3)]
        assert (first["type"], first["name"], first["status"]) == ("status", "moshez", "Happy")
        assert first["since"].endswith("Z")
        assert first["until"] is None
        assert (second["name"], second["status"]) == ("Zoë", "à la mode")
        assert second["until"].endswith("Z")
        assert third == {"type": "gone", "id": third["id"], "name": "moshez"}
        numbers = [int(each["id"]) for each in (hello, first, second, third)]
        assert numbers == sorted(set(numbers))
        assert door.live.following == 1


async def test_every_change_is_an_event() -> None:
    """Server-sent events tell the same, and nobody in between may keep or delay them."""
    async with open_live() as door:
        client = Events(await door.ask("/live.sse"))
        head = (await client.head()).lower()
        for header in (
            b"content-type: text/event-stream\r\n",
            b"cache-control: no-store\r\n",
            b"x-accel-buffering: no\r\n",
            b"x-content-type-options: nosniff\r\n",
            b"connection: close\r\n",
        ):
            assert b"\r\n" + header in head
        assert (await client.next())["missed"] is False
        await door.tell("moshez", "Happy")
        assert (await client.next())["status"] == "Happy"
        assert door.counts.answered == {"2xx": 1}


async def test_only_those_who_are_asked_for() -> None:
    """Names are compared as everywhere, and a change of anybody else is not told."""
    async with open_live() as door:
        client = await follow_events(door, "/live.sse?user=MOSHEZ&user=zo%C3%AB")
        await client.next()
        for name in ("shawn", "moshez", "acapnotic", "Zoë", "shawn"):
            await door.tell(name, f"I am {name}")
        assert texts([await client.next() for _ in range(2)]) == ["I am moshez", "I am Zoë"]


async def test_hidden_users_are_never_told_of() -> None:
    """What a hidden user sets is nobody's to hear, now or on coming back."""
    users = UserMap(MemoryStore())
    await users.load()
    since = users.last_change
    await users.replace_file(
        {"ghost": Status("ghost", "Boo", datetime.now(UTC))},
        {"ghost": Profile("", "", "", hidden=True)},
    )
    async with open_live(users) as door:
        client = await follow_events(door)
        await client.next()
        await users.set(SetRequest("ghost", "Booh"), by=OPERATOR)
        await door.tell("moshez", "Happy")
        assert (await client.next())["name"] == "moshez"
        again = await follow_events(door, f"/live.sse?since={since}")
        await again.next()
        assert (await again.next())["name"] == "moshez"


@pytest.mark.parametrize("by_header", [False, True], ids=["since", "Last-Event-ID"])
async def test_who_comes_back_misses_nothing(*, by_header: bool) -> None:
    """What has changed meanwhile is told first; nothing is told twice or left out."""
    async with open_live() as door:
        client = await follow_events(door)
        await client.next()
        await door.tell("moshez", "1")
        last = (await client.next())["id"]
        for number in range(2, 400):
            await door.tell("moshez", f"{number} {'x' * 300}")
        target = "/live.sse?since=5" if by_header else f"/live.sse?since={last}"
        headers = [f"Last-Event-ID: {last}\r\n".encode()] if by_header else []
        again = await follow_events(door, target, *headers)
        for number in range(400, 450):
            await door.tell("moshez", f"{number} {'x' * 300}")
        hello = await again.next()
        assert (hello["id"], hello["missed"]) == (last, False)
        found = [await again.next() for _ in range(2, 450)]
        assert [int(text.split()[0]) for text in texts(found)] == list(range(2, 450))


async def test_who_comes_back_too_late_is_told_so() -> None:
    """A number from which on not everything is known gets what there is, and no promise."""
    async with open_live() as door:
        await door.tell("moshez", "Happy")
        client = await follow_events(door, "/live.sse?since=1")
        hello = await client.next()
        assert (hello["missed"], hello["id"]) == (True, "1")
        await door.tell("moshez", "Happier")
        assert texts([await client.next(), await client.next()]) == ["Happy", "Happier"]


async def test_number_that_is_yet_to_come() -> None:
    """Who has heard of more than there is, as the clock was put back, begins where we are."""
    async with open_live() as door:
        await door.tell("moshez", "Happy")
        client = await follow_events(door, f"/live.sse?since={'9' * 18}")
        hello = await client.next()
        assert (hello["missed"], hello["id"]) == (True, str(door.users.last_change))
        await door.tell("moshez", "Happier")
        assert (await client.next())["status"] == "Happier"


@pytest.mark.parametrize("since", ["", "x", "-1", "1.5", "9" * 40, "%C2%B2", "%00"])
async def test_a_number_that_is_none(since: str) -> None:
    """What cannot be a number is left out, wherever it stands."""
    async with open_live() as door:
        client = await follow_events(door, f"/live.sse?since={since}", b"Last-Event-ID: x\r\n")
        assert (await client.next())["missed"] is False


async def tell_at_once(door: LiveDoor, count: int) -> None:
    """Set so many statuses without a turn for anybody, but for the first."""
    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(door.tell, f"u{number}", "Happy")


async def test_many_changes_at_once() -> None:
    """More than wait for the hub at once are told all the same, while they are remembered."""
    async with open_live() as door, follow(door) as client:
        await next_of(client)
        await tell_at_once(door, 1500)
        found = [await next_of(client) for _ in range(1500)]
        assert {each["name"] for each in found} == {f"u{number}" for number in range(1500)}
        numbers = [int(each["id"]) for each in found]
        assert numbers == sorted(set(numbers))


async def test_more_changes_at_once_than_are_remembered() -> None:
    """Who was told everything so far hears that something is missing, and stays (T24)."""
    async with open_live() as door, follow(door) as client:
        await next_of(client)
        await tell_at_once(door, 4000)
        while (found := await next_of(client))["type"] != "hello":
            pass
        assert found["missed"] is True
        assert found["id"] == str(door.users.last_change)
        await door.tell("moshez", "Happy")
        assert (await next_of(client))["status"] == "Happy"


@pytest.mark.parametrize("door_path", DOORS)
@pytest.mark.parametrize("header", FOREIGN)
async def test_pages_of_others_may_not_listen(door_path: str, header: bytes) -> None:
    """A browser that shows another site is refused, and that is logged (T28)."""
    with capture_logs() as log:
        async with open_live() as door:
            answer = await door.answer(door_path, HANDSHAKE, header)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert b"hello" not in answer
            assert door.counts.answered == {"4xx": 1}
    assert ("warning", "denied") in events(log)


@pytest.mark.parametrize("door_path", DOORS)
@pytest.mark.parametrize("header", OURS)
async def test_our_own_pages_may(door_path: str, header: bytes) -> None:
    """Our own pages, and programs that are no browsers, are let in."""
    async with open_live() as door:
        client = await door.ask(door_path, HANDSHAKE, header)
        answer = await Events(client).head()
        assert answer[:13] in (b"HTTP/1.1 101 ", b"HTTP/1.1 200 ")


async def test_the_handshake_is_as_in_the_rfc() -> None:
    """The example of RFC 6455, 1.3, is answered as it says there."""
    async with open_live() as door:
        answer = await Events(await door.ask("/live", HANDSHAKE)).head()
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\n" + ACCEPT in answer
        assert door.counts.answered == {"1xx": 1}


KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        (426, b""),
        (426, HANDSHAKE.replace(b"Upgrade: WebSocket", b"Upgrade: h2c")),
        (426, HANDSHAKE.replace(b"keep-alive, Upgrade", b"keep-alive")),
        (426, HANDSHAKE.replace(b"13", b"8")),
        (426, HANDSHAKE.replace(b"Sec-WebSocket-Version: 13\r\n", b"")),
        (400, HANDSHAKE.replace(KEY + b"\r\n", b"")),
        (400, HANDSHAKE.replace(KEY, b"Sec-WebSocket-Key: short")),
        (400, HANDSHAKE.replace(KEY, b"Sec-WebSocket-Key: ====")),
    ],
)
async def test_a_handshake_that_is_none(code: int, headers: bytes) -> None:
    """It is refused with what is wrong (RFC 6455, 4.2.2 and 4.4; RFC 9110, 15.5.22)."""
    async with open_live() as door:
        answer = (await door.answer("/live", headers)).lower()
        assert answer.startswith(f"http/1.1 {code} ".encode())
        if code == 426:
            assert b"\r\nupgrade: websocket\r\n" in answer


async def test_too_many_names() -> None:
    """A hundred names may be asked for, and no more; nor anything else as often (T1)."""
    async with open_live() as door:
        names = [f"user=u{number}" for number in range(100)]
        await follow_events(door, "/live.sse?" + "&".join(names))
        for query in ([*names, "user=one"], [f"x{number}=1" for number in range(200)]):
            answer = await door.answer("/live.sse?" + "&".join(query))
            assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("name", ["", "%20", "a%20b", "z%E2%80%8Bw", "n%C2%A0b", "a%2Fb"])
async def test_names_whom_there_cannot_be(name: str) -> None:
    """They are refused as at every door, instead of being waited for."""
    async with open_live() as door:
        answer = await door.answer(f"/live.sse?user=moshez&user={name}")
        assert answer.startswith(b"HTTP/1.1 400 ")


async def test_lists_in_several_headers() -> None:
    """Proxies add headers of their own, and a client may offer extensions in several."""
    more = b"X-Forwarded-For: 192.0.2.1\r\nVia: 1.1 a\r\nSec-WebSocket-Extensions: x\r\n"
    async with open_live() as door:
        client = await door.ask("/live", HANDSHAKE, more, more.replace(b"x", b"y"))
        assert (await client.receive_some()).startswith(b"HTTP/1.1 101 ")
        await client.aclose()


async def test_many_changes_at_once_over_tls() -> None:
    """Nobody is too slow who reads as fast as they can, be it through their task alone."""
    async with open_live() as door, follow(door, tls=True) as client:
        await next_of(client)
        await tell_at_once(door, 2000)
        found = [await next_of(client) for _ in range(2000)]
        assert {each["name"] for each in found} == {f"u{number}" for number in range(2000)}


async def test_too_many_followers() -> None:
    """Who comes when it is full is asked to come later, and may when somebody has gone."""
    async with open_live(limit=1) as door:
        first = await door.ask("/live.sse")
        await Events(first).head()
        answer = await door.answer("/live", HANDSHAKE)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: " in answer
        await first.aclose()
        await until(lambda: door.live.following == 0)
        await follow_events(door)


@pytest.mark.parametrize("door_path", DOORS)
async def test_who_leaves_is_gone_at_once(door_path: str) -> None:
    """A client that closes, half-closes or is reset is a follower no more."""
    async with open_live() as door:
        for way in ("close", "half", "reset"):
            client = await door.ask(door_path, HANDSHAKE)
            await Events(client).head()
            await until(lambda: door.live.following == 1)
            if way == "half":
                await client.send_eof()
            else:
                linger = (1).to_bytes(4, "little") + bytes(4)
                if way == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                await client.aclose()
            await until(lambda: door.live.following == 0)
            await door.tell("moshez", way)


async def test_a_stop_is_said_at_once() -> None:
    """Over a WebSocket it is 1001, and events just end."""
    async with open_live() as door, follow(door) as client:
        await next_of(client)
        other = await follow_events(door)
        await other.next()
        door.stop.set()
        with pytest.raises(ConnectionClosed) as closed:
            await client.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001
        with pytest.raises(AssertionError, match="the end"):
            await other.next()
        late = await follow_events(door)
        with pytest.raises(AssertionError, match="the end"):
            await late.next()


async def test_who_does_not_read_is_sent_away_and_others_go_on() -> None:
    """Whoever is too far behind gets what was on its way, and 1013; nobody waits for it (T24)."""
    async with open_live() as door:
        door.buffer = 4096
        slow = await door.server.connect()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await slow.send_all(format_request("/live", HANDSHAKE))
        await until(lambda: door.live.following == 1)
        async with follow(door) as client:
            await next_of(client)
            for number in range(1400):
                await door.tell("moshez", f"{number} {'x' * 400}")
            found = [await next_of(client) for _ in range(1400)]
            assert [int(text.split()[0]) for text in texts(found)] == list(range(1400))
            data = b""
            while not data.endswith(b"\x88\x0a\x03\xf5too slow"):
                chunk = await slow.receive_some()
                assert chunk, "the end"
                data += chunk
            await slow.aclose()
            assert len(data) < 1400 * 400
            await until(lambda: door.live.following == 1)
            assert door.counts.refused == {"slow": 1}


async def test_over_tls() -> None:
    """There it is the same, up to the end, which is said."""
    async with open_live() as door, follow(door, tls=True) as client:
        await next_of(client)
        for number in range(50):
            await door.tell("moshez", str(number))
        assert texts([await next_of(client) for _ in range(50)]) == list(map(str, range(50)))
        door.stop.set()
        with pytest.raises(ConnectionClosed) as closed:
            await client.get_message()
        assert closed.value.reason is not None
        assert closed.value.reason.code == 1001


async def test_events_over_tls() -> None:
    """Events over TLS end as they should, so that nobody can cut a stream unnoticed."""
    async with open_live() as door:
        stream = await door.server.connect_tls()
        await stream.send_all(format_request("/live.sse"))
        client = Events(stream)
        await client.head()
        await client.next()
        await door.tell("moshez", "Happy")
        assert (await client.next())["status"] == "Happy"
        door.stop.set()
        assert await stream.receive_some() == b""


async def test_a_thousand_followers() -> None:
    """One change reaches every one of many, and a stop as well."""
    async with open_live() as door:
        clients = [Events(await door.ask(DOORS[n % 2], HANDSHAKE)) for n in range(1000)]
        for client in clients:
            await client.head()
        await until(lambda: door.live.following == 1000)
        await door.tell("moshez", "Heard by all")
        for client in clients:
            await client._until(b"Heard by all")
