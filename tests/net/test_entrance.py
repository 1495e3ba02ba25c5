"""Where connections come in: who is answered on the spot, handed on, or sent away; and ends."""

import errno
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from fcntl import ioctl
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.net.server import events, everything, serve, until
from tests.net.tls import TlsClient, client_side
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import (
    AcceptedStream,
    Connection,
    Gate,
    Limits,
    _entrance,
    finish,
    peer_host,
    peer_user,
    serve_connections,
)
from trio_finger.net._entrance import AnswerAtOnce, Entrance
from trio_finger.protocol.rate import Rate

BATCH = 32
QUERY, ANSWER, WORDS = b"moshez\r\n", b"Happy and well\r\n", b"Too many\r\n"
SORRY = b"Internal error in server\r\n"
RESET = b"\1\0\0\0\0\0\0\0"


def answer(received: bytes, _: str | None) -> bytes | None:
    """Answer a query, and nothing else."""
    return ANSWER if received == QUERY else None


def make_gate(connections: int = 100, **limits: Any) -> Gate:
    return Gate(Limits(connections, **limits), Counts(), get_log("test"))


class Door:
    """An entrance, and what is around it.

    Attributes:
      entrance: the entrance.
      gate: its gate.
      place: where it is.
    """

    def __init__(self, entrance: Entrance, gate: Gate, place: Any) -> None:
        self.entrance = entrance
        self.gate = gate
        self.place = place

    def connect(self, *said: bytes, reset: bool = False) -> socket.socket:
        """Return a client that has said something, and may be gone already."""
        family = socket.AF_UNIX
        if not isinstance(self.place, str):
            family = socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET
        client = socket.socket(family)
        client.settimeout(10)
        client.connect(self.place)
        for data in said:
            client.sendall(data)
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        return client

    async def accept_all(self, condition: Callable[[], bool]) -> None:
        """Let connections in until *condition* is the case."""

        async def accept(scope: trio.CancelScope) -> None:
            with scope:
                while True:
                    await (await self.entrance.accept()).aclose()

        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(accept, scope)
            await until(condition)
            scope.cancel()


@asynccontextmanager
async def opened(
    gate: Gate | None = None,
    at_once: AnswerAtOnce | None = answer,
    *,
    host: str = "127.0.0.1",
    sendbuf: int | None = None,
    words: bool = True,
) -> AsyncIterator[Door]:
    """Have an entrance for the length of an ``async with``."""
    try:
        (listener,) = await trio.open_tcp_listeners(0, host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    if sendbuf is not None:  # whoever is accepted has it, too
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sendbuf)
    gate = gate or make_gate()
    place = listener.socket.getsockname()[:2]
    async with Entrance(listener, gate, at_once=at_once, words=words) as entrance:
        yield Door(entrance, gate, place)


def said_to(client: socket.socket) -> bytes:
    """Return all that *client* is told, and close it."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


# On the spot


async def test_answered_on_the_spot() -> None:
    """A question that is there with its connection is answered without a task of its own."""
    async with opened() as door:
        clients = [door.connect(QUERY) for _ in range(3)]
        await door.accept_all(lambda: door.gate.counts.accepted == 3)
        assert [said_to(client) for client in clients] == [ANSWER] * 3
        assert door.gate.counts.open == 0


@pytest.mark.parametrize(
    "said", [(), (b"mos",), (b"mos", b"hez\r\n"), (QUERY, b"x"), (b"x" * 10_000,), (b"\0" * 4096,)]
)
async def test_handed_on(said: tuple[bytes, ...]) -> None:
    """What is not answered on the spot is handed on, with all that was read of it."""
    async with opened(at_once=lambda _, __: None) as door:
        client = door.connect(*said)
        client.shutdown(socket.SHUT_WR)
        with trio.fail_after(10):
            stream = await door.entrance.accept()
        assert (door.gate.counts.accepted, door.gate.counts.open) == (1, 1)
        assert await everything(stream) == b"".join(said)
        await stream.send_all(ANSWER)
        await stream.aclose()
        assert said_to(client) == ANSWER
        assert door.gate.counts.open == 0


async def test_handed_on_where_nothing_is_answered_on_the_spot() -> None:
    """Without anything to answer with, all are handed on at once, whatever they have sent."""
    async with opened(at_once=None) as door:
        for said in ((), (QUERY,)):
            client = door.connect(*said)
            stream = await door.entrance.accept()
            client.shutdown(socket.SHUT_WR)
            assert await everything(stream) == b"".join(said)
            await stream.aclose()
            client.close()


async def test_silent_ones_are_not_waited_for() -> None:
    """Who has sent nothing is handed on, too, and holds up nobody."""
    async with opened() as door:
        option = door.entrance._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
        assert option > 0
        door.entrance._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
        silent, asking = door.connect(), door.connect(QUERY)
        stream = await door.entrance.accept()
        await door.accept_all(lambda: door.gate.counts.accepted == 2)
        assert said_to(asking) == ANSWER
        silent.sendall(QUERY)
        assert await stream.receive_some() == QUERY
        await stream.aclose()
        silent.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_where_it_comes_from(host: str) -> None:
    """Both ways of answering know the same source."""
    hosts: list[str | None] = []

    def note(_: bytes, host: str | None) -> bytes | None:
        hosts.append(host)
        return None

    async with opened(at_once=note, host=host) as door:
        with door.connect(QUERY):
            async with await door.entrance.accept() as stream:
                assert hosts == [host] == [peer_host(stream)]


async def test_ipv4_by_way_of_ipv6() -> None:
    """An IPv4 client of a socket of IPv6 is the same host, answered on the spot or not."""
    hosts: list[str | None] = []

    def note(_: bytes, host: str | None) -> bytes | None:
        hosts.append(host)
        return None

    try:
        listening = trio.socket.socket(socket.AF_INET6)
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        await listening.bind(("::", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    listening.listen()
    gate = make_gate()
    async with Entrance(trio.SocketListener(listening), gate, at_once=note) as entrance:
        door = Door(entrance, gate, ("127.0.0.1", entrance._socket.getsockname()[1]))
        with door.connect(QUERY):
            async with await door.entrance.accept() as stream:
                assert peer_host(stream) == "127.0.0.1"
                assert hosts == ["127.0.0.1"]


async def test_unix(tmp_path: Path) -> None:
    """On a UNIX socket there is no address, and the kernel says who asks."""
    hosts: list[str | None] = []

    def note(received: bytes, host: str | None) -> bytes | None:
        hosts.append(host)
        return answer(received, host)

    listening = trio.socket.socket(socket.AF_UNIX)
    await listening.bind(str(tmp_path / "socket"))
    listening.listen()
    everybody = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    gate = make_gate(deny=everybody, rate=Rate(1, 3600), proxies=everybody)
    async with Entrance(trio.SocketListener(listening), gate, at_once=note) as entrance:
        door = Door(entrance, gate, str(tmp_path / "socket"))
        clients = [door.connect(QUERY) for _ in range(3)]
        await door.accept_all(lambda: gate.counts.accepted == 3)
        assert [said_to(client) for client in clients] == [ANSWER] * 3
        with door.connect(b"x"):
            async with await entrance.accept() as stream:
                assert stream.source is None
                assert peer_user(stream) == os.getuid()
    assert hosts == [None] * 4
    assert gate.counts.refused == {}


async def test_t29_fault_on_the_spot() -> None:
    """T29: a fault in answering on the spot is left to a handler, where it is contained."""
    faults = 0

    def fail(received: bytes, host: str | None) -> bytes | None:
        nonlocal faults
        if received == b"fail\r\n":
            faults += 1
            raise RuntimeError("the password is swordfish")
        return answer(received, host)

    async def handle(stream: Connection) -> None:
        received = await stream.receive_some()
        if received == b"fail\r\n":
            raise RuntimeError("the password is swordfish")
        await stream.send_all(b"handled " + received)
        await finish(stream)

    with capture_logs() as log:
        async with serve(handle, Limits(10), sorry=SORRY, at_once=fail) as server:
            sibling = await server.connect()
            await sibling.send_all(b"x")
            for _ in range(3):
                assert await server.ask(b"fail\r\n") == SORRY
                assert await server.ask(QUERY) == ANSWER
            assert await everything(sibling) == b"handled x"
            assert faults == 3
            assert server.counts.faults == 3
    assert server.counts.open == 0
    assert events(log) == [("error", "fault in a connection")] * 3


# Whole answers


async def test_t34_input_that_comes_while_it_is_answered() -> None:
    """T34: the answer is not lost to what a client goes on sending, whenever that arrives.

    Here it does between reading and answering: there is no moment that would be worse.
    """
    clients: list[socket.socket] = []

    def send_on(received: bytes, host: str | None) -> bytes | None:
        clients[-1].sendall(b"and more")
        return answer(received, host)

    async with opened(at_once=send_on) as door:
        for count in range(50):
            clients.append(door.connect(QUERY))
            await door.accept_all(lambda count=count: door.gate.counts.accepted > count)  # type: ignore[misc]
            with clients[-1] as client:
                assert client.recv(100) == ANSWER


async def test_t34_input_that_comes_just_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """T34: nor is it lost to what arrives after the last look, right before closing."""
    clients: list[socket.socket] = []

    def look_and_send_on(*arguments: Any) -> Any:
        found = ioctl(*arguments)
        clients[-1].sendall(b"and more")
        return found

    monkeypatch.setattr(_entrance, "ioctl", look_and_send_on)
    async with opened() as door:
        for count in range(50):
            clients.append(door.connect(QUERY))
            await door.accept_all(lambda count=count: door.gate.counts.accepted > count)  # type: ignore[misc]
            with clients[-1] as client:
                assert client.recv(100) == ANSWER


@pytest.mark.parametrize("size", [1, 4096, 200_000])
async def test_t34_words_for_those_who_sent_more(size: int) -> None:
    """T34: who is refused is told so, however much they have sent."""
    async with opened(make_gate(rate=Rate(1, 3600), words={"rate": WORDS})) as door:
        with capture_logs():
            door.connect(b"x").close()
            for count in range(20):
                client = door.connect(bytes(size))
                await door.accept_all(lambda c=count: door.gate.counts.refused["rate"] > c)  # type: ignore[misc]
                with client:
                    assert client.recv(100) == WORDS


LONG = b"".join(b"%07d\n" % number for number in range(100_000))  # 800 kB


@asynccontextmanager
async def serving_long(gate: Gate) -> AsyncIterator[tuple[str, int]]:
    """Answer on the spot with more than a socket takes."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    place = listener.socket.getsockname()[:2]
    stop = trio.Event()

    async def handle(stream: Connection) -> None:
        await stream.receive_some()
        await stream.send_all(b"handled")
        await finish(stream)

    async def run() -> None:
        await serve_connections(handle, [listener], stop=stop, gate=gate, at_once=at_once)

    def at_once(received: bytes, _: str | None) -> bytes | None:
        return LONG if received == QUERY else None

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            yield place
            stop.set()


async def test_t34_answer_that_the_socket_does_not_take() -> None:
    """T34: an answer larger than the socket takes at once arrives whole, and counts once."""
    gate = make_gate()
    async with serving_long(gate) as place:
        for _ in range(5):
            async with await trio.open_tcp_stream(*place) as client:
                await client.send_all(QUERY)
                assert await everything(client) == LONG
    assert (gate.counts.accepted, gate.counts.open) == (5, 0)
    assert gate.counts.refused == {}


async def test_t34_no_room_for_the_rest() -> None:
    """T34: a client never takes half an answer for all of it, even when everything is full."""
    gate = make_gate(1)
    with capture_logs():
        async with (
            serving_long(gate) as place,
            await trio.open_tcp_stream(*place) as client,
        ):
            gate.enter()  # somebody else is there already
            await client.send_all(QUERY)
            got = b"cut, and known to be"
            with suppress(trio.BrokenResourceError):
                got = await everything(client)
            gate.leave()
            assert got in (LONG, b"cut, and known to be", b"")


async def test_t24_slow_reader_of_the_rest(mock_clock: MockClock) -> None:
    """T24: one who does not read the rest of such an answer is cut at the deadline."""
    gate = make_gate()
    with capture_logs() as log:
        async with serving_long(gate) as place, await trio.open_tcp_stream(*place) as client:
            await client.send_all(QUERY)
            await until(lambda: gate.counts.open == 1)
            for _ in range(10):
                await wait_all_tasks_blocked(0.002)
                mock_clock.jump(9.9)
                if log:
                    break
            await until(lambda: gate.counts.open == 0)
    assert events(log) == [("info", "client too slow")]
    assert gate.counts.refused == {"slow": 1}


# Those who are refused


async def test_refused_before_anything_is_read() -> None:
    """Who is refused for a reason is told so, and is neither answered nor handed on."""
    asked: list[bytes] = []

    def note(received: bytes, host: str | None) -> bytes | None:
        asked.append(received)
        return answer(received, host)

    words = {"rate": WORDS, "network": b"No\r\n"}
    gate = make_gate(rate=Rate(2, 3600), words=words)
    async with opened(gate, note) as door:
        with capture_logs():
            clients = [door.connect(QUERY) for _ in range(4)]
            await door.accept_all(lambda: gate.counts.refused["rate"] == 2)
        assert [said_to(client) for client in clients] == [ANSWER, ANSWER, WORDS, WORDS]
    assert asked == [QUERY] * 2
    assert (gate.counts.accepted, gate.counts.open) == (2, 0)
    async with opened(make_gate(deny=(ip_network("127.0.0.1"),), words=words)) as door:
        with capture_logs():
            client = door.connect(QUERY)
            await door.accept_all(lambda: door.gate.counts.refused["network"] == 1)
        assert said_to(client) == b"No\r\n"


async def test_refused_without_words() -> None:
    """Over TLS, where nothing can be said so early, it is just closed."""
    gate = make_gate(deny=(ip_network("127.0.0.1"),), words={"network": b"No\r\n"})
    async with opened(gate, None, words=False) as door:
        with capture_logs():
            client = door.connect()
            await door.accept_all(lambda: gate.counts.refused["network"] == 1)
        assert said_to(client) == b""


async def test_t27_proxies_are_not_answered_on_the_spot() -> None:
    """T27: what a proxy sends is looked at by nobody before its header is."""
    gate = make_gate(proxies=(ip_network("127.0.0.1"),), rate=Rate(1, 3600))
    async with opened(gate) as door:
        for _ in range(3):  # nor is the proxy itself limited
            with door.connect(QUERY):
                async with await door.entrance.accept() as stream:
                    assert await stream.receive_some() == QUERY
    assert gate.counts.refused == {}


async def test_t25_no_room() -> None:
    """T25: with no room for more, who would need some is closed, and the others are answered."""
    gate = make_gate(1)
    async with opened(gate) as door:
        first = door.connect(b"x")
        stream = await door.entrance.accept()
        with capture_logs():
            clients = [door.connect(b"y"), door.connect(QUERY), door.connect(b"z")]
            await door.accept_all(lambda: gate.counts.refused["connections"] == 2)
            assert [said_to(client) for client in clients] == [b"", ANSWER, b""]
        await stream.aclose()
        with door.connect(b"y"):
            await (await door.entrance.accept()).aclose()
        first.close()
    assert gate.counts.open == 0


async def test_clients_that_are_gone() -> None:
    """Who is gone before being accepted is nobody, and those behind them are served."""
    gate = make_gate()
    async with opened(gate) as door:
        for _ in range(50):
            door.connect(reset=True)
            door.connect(QUERY, reset=True)
            door.connect(b"x", reset=True)
        client = door.connect(QUERY)
        received: list[bytes] = []

        async def look() -> None:
            with trio.move_on_after(5) as scope, suppress(trio.ClosedResourceError):
                while not scope.cancel_called:
                    stream = await door.entrance.accept()
                    received.append(b"?")
                    await stream.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look)
            got = await trio.to_thread.run_sync(said_to, client)
            nursery.cancel_scope.cancel()
        assert got == ANSWER
    assert gate.counts.open == 0


# Others get their turn


async def turns_taken(door: Door, looks: list[int], condition: Callable[[], bool]) -> None:
    """Have another task count its turns in the last of *looks* while everybody is let in."""

    def look() -> bool:
        looks[-1] += 1
        return condition()

    await door.accept_all(look)


async def test_t23_fair_to_others_while_answering() -> None:
    """T23: a flood of questions that are answered on the spot leaves every other task its turns.

    Trio gives each task a turn before any has another, in whatever order: so there are at
    most twice as many between two turns of one task.
    """
    turn, at = [0], Counter[int]()

    def note(received: bytes, host: str | None) -> bytes | None:
        at[turn[-1]] += 1
        return answer(received, host)

    async with opened(at_once=note) as door:
        clients = [door.connect(QUERY) for _ in range(300)]
        await turns_taken(door, turn, lambda: door.gate.counts.accepted == 300)
        for client in clients:
            assert said_to(client) == ANSWER
    assert sum(at.values()) == 300
    assert max(at.values()) <= 2 * BATCH


async def test_t23_fair_to_others_while_refusing() -> None:
    """T23: so does a flood of those who are refused."""
    turn, at = [0], Counter[int]()
    gate = make_gate(deny=(ip_network("127.0.0.1"),))
    refuse = gate.refuse

    def note(host: str | None, now: float) -> Any:
        at[turn[-1]] += 1
        return refuse(host, now)

    gate.refuse = note  # type: ignore[method-assign]
    async with opened(gate) as door:
        with capture_logs():
            clients = [door.connect(QUERY) for _ in range(300)]
            await turns_taken(door, turn, lambda: gate.counts.refused["network"] == 300)
        for client in clients:
            client.close()
    assert max(at.values()) <= 2 * BATCH


class Failing:
    """A listening socket that fails as *errors* say, and then works.

    Attributes:
      turn: counts the turns of others.
      at: how often it was asked to accept in each.
    """

    def __init__(self, real: socket.socket, errors: Iterable[int], turn: list[int]) -> None:
        self._real = real
        self._errors = list(errors)
        self.turn = turn
        self.at = Counter[int]()

    def _accept(self) -> Any:
        self.at[self.turn[-1]] += 1
        if self._errors:
            number = self._errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self._real._accept()  # type: ignore[attr-defined]

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


def fail(door: Door, *errors: int, turn: list[int] | None = None) -> Failing:
    """Have accepting fail as *errors* say."""
    failing = Failing(door.entrance._socket, errors, turn or [0])
    door.entrance._socket = cast("socket.socket", failing)
    return failing


BROKEN = [
    *(errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.ENETDOWN, errno.ENOPROTOOPT),
    *(errno.EHOSTDOWN, errno.ENONET, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH),
]
EXHAUSTED = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS]


@pytest.mark.parametrize("error", BROKEN)
async def test_broken_while_it_waited(error: int) -> None:
    """A connection that broke before it was accepted is nobody's fault, and the next is served."""
    with capture_logs() as log:
        async with opened() as door:
            fail(door, error, error, error)
            client = door.connect(QUERY)
            await door.accept_all(lambda: door.gate.counts.accepted == 1)
            assert said_to(client) == ANSWER
    assert log == []
    assert door.gate.counts.refused == {}


async def test_t23_fair_to_others_while_connections_break() -> None:
    """T23: a flood of connections that break leaves the others their turns, too."""
    async with opened() as door:
        turn = [0]
        failing = fail(door, *[errno.ECONNABORTED] * 1000, turn=turn)
        client = door.connect(QUERY)
        await turns_taken(door, turn, lambda: door.gate.counts.accepted == 1)
        assert said_to(client) == ANSWER
    assert max(failing.at.values()) <= 2 * BATCH


@pytest.mark.parametrize("error", EXHAUSTED)
async def test_t25_exhausted(error: int, autojump_clock: MockClock) -> None:
    """T25: when the system has run out of something it is given time, not asked in a loop."""
    gate = make_gate()
    began = trio.current_time()
    with capture_logs() as log:
        async with opened(gate) as door, gate.damper.running():
            failing = fail(door, *[error] * 100)
            client = door.connect(QUERY)
            with trio.fail_after(60):
                while not gate.counts.accepted:
                    with trio.move_on_after(0.05) as scope:
                        await door.entrance.accept()
                    assert scope.cancelled_caught
                    if not failing._errors:
                        await door.accept_all(lambda: gate.counts.accepted == 1)
                        break
                    await trio.sleep(0.05)
            assert said_to(client) == ANSWER
    assert gate.counts.refused == {"descriptors": 100}
    assert set(events(log)) == {("error", "cannot accept")}
    assert len(log) <= 3  # in ten seconds
    assert log[0]["reason"] == os.strerror(error)
    assert trio.current_time() - began >= 10 - 0.2


async def test_t25_exhausted_for_long(autojump_clock: MockClock) -> None:
    """T25: ten tries a second, and a record every ten seconds, for as long as that lasts."""
    gate = make_gate()
    with capture_logs() as log:
        async with opened(gate) as door, gate.damper.running():
            failing = fail(door, *[errno.EMFILE] * 10_000)
            with trio.move_on_after(60):
                await door.entrance.accept()
    assert 590 <= failing.at[0] <= 610
    assert gate.counts.refused["descriptors"] == failing.at[0]
    assert sum(record.get("times", 1) for record in log) == failing.at[0]
    assert 6 <= len(log) <= 8


async def test_other_errors_are_faults() -> None:
    """What accepting never says is not passed over: somebody has to look at that."""
    async with opened() as door:
        fail(door, errno.EINVAL)
        with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
            await door.entrance.accept()


# Ends


async def test_closed() -> None:
    """Who accepts on what is closed is told so, before, meanwhile and ever after."""
    async with opened() as door:
        errors: list[trio.ClosedResourceError] = []

        async def accept() -> None:
            with pytest.raises(trio.ClosedResourceError) as caught:
                await door.entrance.accept()
            errors.append(caught.value)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accept)
                await wait_all_tasks_blocked()
                await door.entrance.aclose()
            await accept()
            await door.entrance.aclose()
        assert len(errors) == 2


async def test_closed_beneath() -> None:
    """EBADF, which is what closing from elsewhere comes to, is the same."""
    async with opened() as door:
        fail(door, errno.EBADF)
        with pytest.raises(trio.ClosedResourceError):
            await door.entrance.accept()


async def test_nobody_is_lost_to_a_stop() -> None:
    """Whoever has been accepted when accepting is cancelled is served all the same.

    Nobody gets lost between the two: neither without an answer, nor in what is counted.
    """
    gate = make_gate()
    async with opened(gate, None) as door:
        with door.connect(QUERY):
            streams: list[AcceptedStream] = []
            with trio.CancelScope() as scope:
                scope.cancel()
                streams.append(await door.entrance.accept())
            assert gate.counts.open == len(streams)
            if not streams:
                with trio.fail_after(5):
                    streams.append(await door.entrance.accept())
            assert await streams[0].receive_some() == QUERY
            await streams[0].aclose()
    assert gate.counts.open == 0


async def test_a_stop_while_somebody_comes() -> None:
    """However a stop and a new client meet, whoever was let in is served, and counted out."""
    served = 0

    async def handle(stream: Connection) -> None:
        nonlocal served
        await stream.receive_some()
        await stream.send_all(ANSWER)
        await finish(stream)
        served += 1

    for _ in range(50):
        gate = make_gate()
        served = 0
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        stop = trio.Event()
        place = listener.socket.getsockname()[:2]
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:

                async def run(
                    stop: trio.Event = stop,
                    listener: trio.SocketListener = listener,
                    gate: Gate = gate,
                ) -> None:
                    await serve_connections(handle, [listener], stop=stop, gate=gate)

                nursery.start_soon(run)
                await wait_all_tasks_blocked()
                with socket.create_connection(place) as client:
                    client.sendall(QUERY)
                    client.shutdown(socket.SHUT_WR)
                    await trio.lowlevel.checkpoint()  # that the listener is woken
                    stop.set()
        assert (gate.counts.accepted, gate.counts.open) == (served, 0)


async def test_open_ones_are_counted_out() -> None:
    """However a connection ends, it is no longer counted as open then."""

    async def handle(stream: Connection) -> None:
        match await stream.receive_some(4):
            case b"fail":
                raise RuntimeError
            case b"slow":
                raise trio.TooSlowError
            case b"lost":
                raise trio.BrokenResourceError
            case b"shut":
                await stream.aclose()
            case b"wait":
                await trio.sleep_forever()
            case _:
                await stream.send_all(ANSWER)
                await finish(stream)

    def at_once(received: bytes, host: str | None) -> bytes | None:
        if received == b"burst":
            raise RuntimeError
        return answer(received, host)

    with capture_logs():
        async with serve(handle, Limits(50), sorry=SORRY, at_once=at_once) as server:
            for said in (b"fail", b"slow", b"lost", b"shut", b"else", b"burst", QUERY):
                await server.ask(said)
                with suppress(trio.BrokenResourceError):
                    await server.ask(said + bytes(100_000))
                stream = await server.connect()
                await stream.send_all(said)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await stream.aclose()
                client = await server.connect_tls()
                await client.send_all(said)
                with suppress(trio.BrokenResourceError):
                    await everything(client)
                await client.aclose()
                gone = await server.connect(server.tls_port)
                await gone.send_all(said)
                await gone.aclose()
                strange = TlsClient(await server.connect(server.tls_port), client_side())
                strange._outgoing.write(b"no TLS")
                await strange._flush()
                await strange.aclose()
            await until(lambda: server.counts.open == 0)
            assert server.counts.accepted > 30
            waiting = await server.connect()
            await waiting.send_all(b"wait")
            await until(lambda: server.counts.open == 1)
            server.scope.cancel()
            await server.stopped.wait()
            assert server.counts.open == 0
