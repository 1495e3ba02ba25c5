"""The IRC bot, with the test as its server and the clock jumping ahead."""

import math
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from structlog.typing import EventDict
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair

from tests.irc_lines import Lines
from trio_finger.config import Irc
from trio_finger.counts import Counts
from trio_finger.protocol.address import Address
from trio_finger.protocol.irc import MAX_LINE, MAX_MESSAGE
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_STATUS, fold, is_safe
from trio_finger.services.irc import run_irc
from trio_finger.services.irc._answer import answer
from trio_finger.services.irc._bot import BURST, INTERVAL, QUEUE_SIZE
from trio_finger.services.irc._connection import (
    CONNECT_WITHIN,
    QUIT_WITHIN,
    REGISTER_WITHIN,
    SEND_WITHIN,
    SILENCE,
)
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import Status, UserMap

CONFIG = Irc(server=Address("irc.example", 6667))
LONGEST = "word " * (MAX_STATUS // 5) + "end!"


class Network:
    """What the bot connects through; whoever calls `accept` is its server.

    Args:
      pair: makes the two ends of a connection.
    """

    def __init__(self, pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]]) -> None:
        self._pair = pair
        self._send, self._receive = trio.open_memory_channel[Lines](math.inf)

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        assert (host, port) == ("irc.example", 6667)
        ours, theirs = self._pair()
        await self._send.send(Lines(theirs))
        return ours

    async def accept(self) -> Lines:
        """Wait for the bot to connect."""
        return await self._receive.receive()

    async def welcome(self) -> Lines:
        """Wait for the bot to connect, and let it in."""
        server = await self.accept()
        await server.hear_until("NICK fingerbot")
        await server.hear_until("USER ")
        await server.say(":irc.example 001 fingerbot :Welcome")
        return server


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore())
    people = {"Moshez": "Happy and well", "talker": LONGEST, "idle": "", "ghost": "Boo"}
    now = datetime.now(UTC)
    await users.replace_file(
        {fold(name): Status(name, text, now) for name, text in people.items()},
        {"ghost": Profile(hidden=True)},
    )
    return users


@pytest.fixture
async def network(users: UserMap, nursery: trio.Nursery) -> Network:
    """A bot that runs, and the network that it connects through."""
    network = Network(memory_stream_pair)
    nursery.start_soon(
        lambda: run_irc(CONFIG, Directory(users), counts=Counts(), connect=network.connect)
    )
    return network


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    with capture_logs() as records:
        yield records


def asks(text: str, who: str = "asker") -> str:
    return f":{who}!a@host PRIVMSG fingerbot :{text}"


# Answers


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("moshez", "Moshez: Happy and well"),
        ("  MOSHEZ ", "Moshez: Happy and well"),
        ("Nobody", "Nobody: No such user"),
        ("IDLE", "idle: No status"),
        # A hidden user is nobody (T8).
        ("Ghost", "Ghost: No such user"),
        ("two words", "two words: No such user"),
        ("a:b", "a:b: No such user"),
        ("mo\u200bshez\x02", "moshez: No such user"),
        ("%s {0} {{7*7}}", "%s {0} {{7*7}}: No such user"),
        ("x" * 100, "x" * 64 + ": No such user"),
    ],
)
async def test_answers(
    network: Network, autojump_clock: MockClock, asked: str, answered: str
) -> None:
    """A name is answered with its status, anything else with what was asked for."""
    server = await network.welcome()
    await server.say(asks(asked))
    assert await server.hear() == f"PRIVMSG asker :{answered}"


async def test_no_answer(network: Network, autojump_clock: MockClock) -> None:
    """NOTICE, CTCP, channels, blanks and another bot's answers are left alone (T20)."""
    server = await network.welcome()
    await server.say(
        ":asker!a@host NOTICE fingerbot :moshez",
        ":asker!a@host PRIVMSG #channel :moshez",
        asks("\x01VERSION\x01"),
        asks("   "),
        asks("moshez: Happy and well: No such user"),
        asks("moshez"),
    )
    assert await server.hear() == "PRIVMSG asker :Moshez: Happy and well"


async def test_two_bots_come_to_an_end(users: UserMap) -> None:
    """Answers that are taken for questions are not answered for ever (T20)."""
    text: str | None = "moshez"
    for _ in range(4):
        text = answer(users, text) if text else None
    assert text is None


async def test_long_answer(network: Network, autojump_clock: MockClock) -> None:
    """A long status comes in as many messages as it takes, each whole when passed on."""
    server = await network.welcome()
    await server.say(asks("talker"), asks("moshez"))
    head, text = "PRIVMSG asker :", ""
    while (line := await server.hear()) != "PRIVMSG asker :Moshez: Happy and well":
        assert line is not None
        assert line.startswith(head)
        assert len(f":fingerbot!~finger@{'h' * 63} {line}\r\n".encode()) <= MAX_MESSAGE
        text += line.removeprefix(head)
    assert text == f"talker: {LONGEST}"


@given(st.text())
def test_whatever_is_asked(text: str) -> None:
    """An answer is short, holds nothing that is unsafe to show, and never fails (T9)."""
    answered = answer(UserMap(MemoryStore()), text)
    if answered is not None:
        assert all(map(is_safe, answered))
        assert len(answered) <= 64 + len(": No such user")
        assert answered.endswith(": No such user")


# Pace


async def test_pace(network: Network, autojump_clock: MockClock) -> None:
    """After a burst, answers come at the pace that servers allow (T20)."""
    server = await network.welcome()
    for _ in range(2):
        await server.say(*[asks("moshez")] * (BURST + 3))
        began = trio.current_time()
        heard = []
        for _ in range(BURST + 3):
            await server.hear()
            heard.append(trio.current_time() - began)
        waits = [0.0] * BURST + [INTERVAL, INTERVAL * 2, INTERVAL * 3]
        assert heard == pytest.approx(waits, abs=1e-6)
        await trio.sleep(BURST * INTERVAL)


async def test_flood(network: Network, autojump_clock: MockClock, log: list[EventDict]) -> None:
    """Of more questions than there is room for the rest is dropped, counted, and told in
    few records; PING is answered meanwhile, and so are questions after (T20)."""
    server = await network.welcome()
    await server.say(*[asks("moshez")] * 1000, "PING :still there?")
    began = trio.current_time()
    answers = 0
    with trio.move_on_after(QUEUE_SIZE * INTERVAL * 2):
        while line := await server.hear():
            if line == "PONG :still there?":
                assert trio.current_time() == began
            else:
                answers += 1
    dropped = [record["questions"] for record in log if record["event"] == "dropped"]
    # A burst may have been taken out of the queue while the others came.
    assert QUEUE_SIZE <= answers <= QUEUE_SIZE + BURST + 1
    assert sum(dropped) == 1000 - answers
    assert len(dropped) <= BURST + 1
    await server.say(asks("moshez"))
    assert await server.hear() == "PRIVMSG asker :Moshez: Happy and well"


def slow_pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    """Make two ends of a connection; to send takes the first a second."""
    ours, theirs = memory_stream_pair()
    deliver = ours.send_stream.send_all_hook
    assert deliver is not None

    async def deliver_late() -> None:
        await trio.sleep(1)
        await deliver()

    ours.send_stream.send_all_hook = deliver_late
    return ours, theirs


async def test_ping_while_sending(users: UserMap, autojump_clock: MockClock) -> None:
    """A PING that comes in the middle of an answer is answered after it."""
    network = Network(slow_pair)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_irc(CONFIG, Directory(users), counts=Counts(), connect=network.connect)
        )
        server = await network.welcome()
        await server.say(asks("moshez"))
        await trio.sleep(0.5)
        await server.say("PING x")
        assert await server.hear() == "PRIVMSG asker :Moshez: Happy and well"
        assert await server.hear() == "PONG x"
        nursery.cancel_scope.cancel()


# Coming back


def reasons(log: list[EventDict]) -> list[str]:
    return [record["why"] for record in log if record["event"] == "lost"]


async def test_comes_back(
    network: Network, autojump_clock: MockClock, log: list[EventDict]
) -> None:
    """Whatever ends a connection, there is another one after a while."""
    server = await network.welcome()
    await server.say("ERROR :Closing Link: rehash")
    server = await network.welcome()
    await server.stream.aclose()
    server = await network.welcome()
    await server.say("x" * (MAX_LINE + 1))
    server = await network.accept()
    await server.say(":irc.example 465 * :You are banned from this server")
    server = await network.welcome()
    await server.say(asks("moshez"))
    assert await server.hear() == "PRIVMSG asker :Moshez: Happy and well"
    assert reasons(log) == [
        "Closing Link: rehash",
        "the server closed the connection",
        f"a line is longer than {MAX_LINE} bytes",
        "refused: 465 You are banned from this server",
    ]
    connected = [record for record in log if record["event"] == "connected"]
    assert [record["server"] for record in connected] == ["irc.example:6667"] * 4


async def test_no_welcome(
    network: Network, autojump_clock: MockClock, log: list[EventDict]
) -> None:
    """A server that never lets us in is given up, even if it keeps talking (T21)."""
    server = await network.accept()
    began = trio.current_time()
    await server.say("PING x")
    while (line := await server.hear()) != "QUIT bye":
        assert line is not None
        if line.startswith("PONG"):
            await trio.sleep(1)
            await server.say("PING x")
    assert trio.current_time() - began == pytest.approx(REGISTER_WITHIN)
    await network.welcome()
    assert reasons(log) == [f"no welcome within {REGISTER_WITHIN} s"]


async def test_silence(network: Network, autojump_clock: MockClock, log: list[EventDict]) -> None:
    """After a silence we ask for a sign of life; without one the server is gone (T21)."""
    server = await network.welcome()
    began = trio.current_time()
    await server.hear_until("PING")  # answers it
    assert trio.current_time() - began == pytest.approx(SILENCE)
    while (line := await server.hear()) == "PING alive":
        pass
    assert line == "QUIT bye"
    assert trio.current_time() - began == pytest.approx(3 * SILENCE)
    await network.welcome()
    assert reasons(log) == [f"no sign of life within {2 * SILENCE} s"]


async def test_nobody_there(
    users: UserMap, log: list[EventDict], autojump_clock: MockClock
) -> None:
    """Where connecting fails or takes too long it is tried again, later and later."""
    tries = 0

    async def connect(host: str, port: int) -> trio.abc.Stream:
        nonlocal tries
        tries += 1
        if tries % 2:
            refusals = [OSError("connection refused"), OSError("network unreachable")]
            raise OSError("all failed") from ExceptionGroup("all failed", refusals)
        await trio.sleep_forever()
        raise AssertionError

    with trio.move_on_after(3600):
        await run_irc(CONFIG, Directory(users), counts=Counts(), connect=connect, random=Random(1))
    assert set(reasons(log)) == {
        "connection refused; network unreachable",
        f"no connection within {CONNECT_WITHIN} s",
    }
    delays = [record["retry_in"] for record in log]
    assert delays[0] <= 1
    assert max(delays) <= 300
    assert delays[:8] == sorted(delays[:8])
    assert 12 < tries < 40


def stuck_pair() -> tuple[trio.abc.Stream, trio.abc.Stream]:
    """Make two ends of a connection; the first can send but once."""
    ours, theirs = memory_stream_pair()
    deliver = ours.send_stream.send_all_hook
    assert deliver is not None

    async def deliver_once() -> None:
        ours.send_stream.send_all_hook = trio.sleep_forever
        await deliver()

    ours.send_stream.send_all_hook = deliver_once
    return ours, theirs


async def test_a_server_that_does_not_read(
    users: UserMap, log: list[EventDict], autojump_clock: MockClock
) -> None:
    """Sending has a limit too: such a server is left (T21)."""
    network = Network(stuck_pair)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            lambda: run_irc(CONFIG, Directory(users), counts=Counts(), connect=network.connect)
        )
        server = await network.welcome()
        await server.say(asks("moshez"))
        began = trio.current_time()
        await network.accept()
        assert trio.current_time() - began == pytest.approx(SEND_WITHIN + QUIT_WITHIN, abs=1)
        nursery.cancel_scope.cancel()
    assert reasons(log) == [f"nothing could be sent within {SEND_WITHIN} s"]


async def test_a_bug_comes_out(users: UserMap, autojump_clock: MockClock) -> None:
    """What is not the server's fault is not tried again."""

    async def connect(host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        raise KeyError("bug")

    with pytest.RaisesGroup(KeyError, allow_unwrapped=True):
        await run_irc(CONFIG, Directory(users), counts=Counts(), connect=connect)


# Stopping


async def hear_quit(server: Lines) -> None:
    assert await server.hear() == "QUIT bye"
    await server.say("ERROR :Closing Link: bye")
    await server.stream.aclose()


async def ignore(server: Lines) -> None:
    await trio.sleep_forever()


@pytest.mark.parametrize(("behave", "seconds"), [(hear_quit, 0), (ignore, QUIT_WITHIN)])
@pytest.mark.parametrize("pair", [memory_stream_pair, lockstep_stream_pair])
async def test_stop(
    users: UserMap,
    autojump_clock: MockClock,
    behave: Callable[[Lines], Awaitable[None]],
    seconds: float,
    pair: Callable[[], tuple[trio.abc.Stream, trio.abc.Stream]],
) -> None:
    """Cancelled, the bot takes leave; a server that does not care holds it for no longer
    than a second."""
    network = Network(pair)
    async with trio.open_nursery() as outer:
        with trio.CancelScope() as bot:

            async def stop(server: Lines) -> None:
                bot.cancel()
                await behave(server)

            async with trio.open_nursery() as nursery:
                connect = network.connect
                nursery.start_soon(
                    lambda: run_irc(CONFIG, Directory(users), counts=Counts(), connect=connect)
                )
                server = await network.welcome()
                await trio.testing.wait_all_tasks_blocked()
                began = trio.current_time()
                outer.start_soon(stop, server)
        assert trio.current_time() - began == pytest.approx(seconds, abs=1e-6)
        outer.cancel_scope.cancel()
