"""A session with an IRC server: what it says upon what it hears, and what it makes of it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.protocol.irc import MAX_LINE, MAX_MESSAGE
from trio_finger.protocol.irc_session import (
    MAX_NICKS_TRIED,
    Closed,
    Event,
    IrcSession,
    PrivateMessage,
    Registered,
)

WELCOME = b":irc.example 001 fingerbot :Welcome\r\n"


def events_of(session: IrcSession, data: bytes) -> list[Event]:
    """Return everything that *data* means, up to and including the end of the session."""
    session.receive_data(data)
    events: list[Event] = []
    while (event := session.next_event()) is not None:
        events.append(event)
        if isinstance(event, Closed):
            break
    return events


def registered() -> IrcSession:
    """Return a session that was just let in, with nothing left to send."""
    session = IrcSession("fingerbot")
    assert events_of(session, WELCOME) == [Registered("fingerbot")]
    session.data_to_send()
    return session


def test_registers() -> None:
    """NICK and USER go out at once (RFC 2812, 3.1); 001 is the welcome."""
    session = IrcSession("fingerbot")
    assert session.data_to_send() == b"NICK fingerbot\r\nUSER finger 0 * trio-finger\r\n"
    assert session.data_to_send() == b""
    assert events_of(session, b":irc.example NOTICE * :*** Looking up your hostname\r\n") == []
    assert events_of(session, WELCOME + WELCOME) == [Registered("fingerbot")]
    assert session.data_to_send() == b""


@pytest.mark.parametrize("nick", ["fingerb", "Fingerbot"])
def test_server_decides_the_nick(nick: str) -> None:
    """We are called what the welcome calls us."""
    session = IrcSession("fingerbot")
    assert events_of(session, f":irc 001 {nick} :Hi\r\n".encode()) == [Registered(nick)]
    assert session.nick == nick


@pytest.mark.parametrize("line", [b"001", b"001 *", b"001 a,b", b"001 :", b"001 " + b"x" * 99])
def test_welcome_without_a_nick(line: bytes) -> None:
    """A welcome that calls us nothing possible leaves us what we asked to be."""
    assert events_of(IrcSession("fingerbot"), line + b"\n") == [Registered("fingerbot")]


def test_ping_before_the_welcome() -> None:
    """Servers may want a PONG before they let anybody in."""
    session = IrcSession("fingerbot")
    session.data_to_send()
    assert events_of(session, b"PING :a cookie\r\nPING 12 x\r\n") == []
    assert session.data_to_send() == b"PONG :a cookie\r\nPONG 12\r\n"


def test_ping_afterwards() -> None:
    """PING is answered with what it holds; without anything there is nothing to answer."""
    session = registered()
    assert events_of(session, b":irc.example PING irc.example\r\nPING\r\n") == []
    assert session.data_to_send() == b"PONG irc.example\r\n"


@pytest.mark.parametrize("numeric", ["433", "436", "437"])
def test_nick_in_use(numeric: str) -> None:
    """Where the nick is taken others are tried, but not for ever."""
    session = IrcSession("fingerbot")
    session.data_to_send()
    for underscores in range(1, MAX_NICKS_TRIED):
        assert events_of(session, f":irc {numeric} * x :In use\r\n".encode()) == []
        assert session.data_to_send() == b"NICK %b\r\n" % b"fingerbot"[:-underscores].ljust(9, b"_")
    [closed] = events_of(session, f":irc {numeric} * fingerb__ :In use\r\n".encode())
    assert closed == Closed(f"refused: {numeric} fingerb__ In use")


def test_another_nick_is_ours() -> None:
    """Once let in under another nick we are written to under that."""
    session = IrcSession("fingerbot")
    events_of(session, b":irc 433 * fingerbot :In use\r\n")
    assert events_of(session, b":irc 001 fingerbo_ :Hi\r\n") == [Registered("fingerbo_")]
    assert events_of(session, b":a!b@c PRIVMSG fingerbot :x\r\n") == []
    assert events_of(session, b":a!b@c PRIVMSG FINGERBO_ :x\r\n") == [PrivateMessage("a", "x")]


@pytest.mark.parametrize("numeric", ["431", "432", "463", "464", "465", "466"])
def test_refused(numeric: str) -> None:
    """A refusal that trying again at once would not change ends the session."""
    session = IrcSession("fingerbot")
    line = f":irc {numeric} * :No\r\n".encode()
    assert events_of(session, line + WELCOME) == [Closed(f"refused: {numeric} No")]


def test_refusals_when_in() -> None:
    """After the welcome the same numerics are about something else."""
    session = registered()
    assert events_of(session, b":irc 433 * x :In use\r\n:irc 432 * :No\r\n432\r\n") == []
    assert session.data_to_send() == b""


def test_private_message() -> None:
    """What a person writes to us alone is told, as it came."""
    session = registered()
    assert events_of(session, b":moshez!m@host PRIVMSG fingerbot :how \x02are\x02 you \r\n") == [
        PrivateMessage("moshez", "how \x02are\x02 you ")
    ]
    assert events_of(session, b"@id=1 :J\xc3\xb6rg!j@host PRIVMSG FingerBot x\n") == [
        PrivateMessage("Jörg", "x")
    ]


@pytest.mark.parametrize(
    "line",
    [
        b":moshez!m@host NOTICE fingerbot :moshez",
        b":moshez!m@host PRIVMSG #fingerbot :moshez",
        b":moshez!m@host PRIVMSG #fingerbot,fingerbot :moshez",
        b":moshez!m@host PRIVMSG $$*.example :moshez",
        b":moshez!m@host PRIVMSG other :moshez",
        b":moshez!m@host PRIVMSG fingerbot",
        b":moshez!m@host PRIVMSG",
        b":moshez!m@host PRIVMSG fingerbot :\x01VERSION\x01",
        b":moshez!m@host PRIVMSG fingerbot :\x01DCC SEND x",
        b":fingerbot!m@host PRIVMSG fingerbot :moshez",
        b":irc.example PRIVMSG fingerbot :moshez",
        b":moshez PRIVMSG fingerbot :moshez",
        b"PRIVMSG fingerbot :moshez",
        b":!m@host PRIVMSG fingerbot :moshez",
        b":#channel!m@host PRIVMSG fingerbot :moshez",
        b":@#channel!m@host PRIVMSG fingerbot :moshez",
        b":a,b!m@host PRIVMSG fingerbot :moshez",
        b":::a!m@host PRIVMSG fingerbot :moshez",
        b":" + b"x" * 65 + b"!m@host PRIVMSG fingerbot :moshez",
    ],
)
def test_not_for_us(line: bytes) -> None:
    """NOTICE, CTCP, servers, channels, ourselves, nobody: none is a question (T20)."""
    session = registered()
    assert events_of(session, line + b"\r\n") == []
    assert session.data_to_send() == b""


def test_nothing_private_before_the_welcome() -> None:
    """We are nobody yet, and could not answer."""
    line = b":a!b@c PRIVMSG fingerbot :x\r\n"
    assert events_of(IrcSession("fingerbot"), line) == []


def test_own_nick_changes() -> None:
    """A change of our nick is followed, another's is not."""
    session = registered()
    assert events_of(session, b":other!o@h NICK fingerbot2\r\n:fingerbot NICK x\r\n") == []
    assert session.nick == "fingerbot"
    assert events_of(session, b":FingerBot!f@h NICK :Guest42\r\n:Guest42!f@h NICK\r\n") == []
    assert session.nick == "Guest42"
    assert events_of(session, b":a!b@c PRIVMSG guest42 :x\r\n") == [PrivateMessage("a", "x")]


def test_error() -> None:
    """After ERROR the session is over, whatever else was sent."""
    session = registered()
    line = b"ERROR :Closing Link: flooding\r\n"
    assert events_of(session, line + b"PING x\r\n") == [Closed("Closing Link: flooding")]
    assert session.next_event() == Closed("Closing Link: flooding")
    assert session.data_to_send() == b""
    assert events_of(registered(), b"ERROR\r\n") == [Closed("the server says ERROR")]


def test_end_of_data() -> None:
    """When the server sends no more, what it had sent before is still told."""
    session = registered()
    session.receive_data(b":a!b@c PRIVMSG fingerbot :x\r\n:a!b@c PRIV")
    assert session.next_event() == PrivateMessage("a", "x")
    assert events_of(session, b"") == [Closed("the server closed the connection")]


def test_giant_line() -> None:
    """A line without an end ends the session; what came before it counts (T21)."""
    session = registered()
    line = b":a!b@c PRIVMSG fingerbot :x\r\n"
    message, closed = events_of(session, line + b"x" * (MAX_LINE + 1))
    assert message == PrivateMessage("a", "x")
    assert isinstance(closed, Closed)
    assert "longer" in closed.reason


def test_giant_ping() -> None:
    """A PING whose PONG no line could hold goes unanswered, and harms nobody (T21)."""
    session = registered()
    assert events_of(session, b"PING :" + b"x" * MAX_MESSAGE + b"\r\nPING 1\r\n") == []
    assert session.data_to_send() == b"PONG 1\r\n"


def test_sends() -> None:
    """What we have to say is one line each."""
    session = registered()
    session.send_text("moshez", "moshez: Happy and well")
    session.send_ping()
    session.send_quit("bye")
    assert session.data_to_send() == (
        b"PRIVMSG moshez :moshez: Happy and well\r\nPING alive\r\nQUIT bye\r\n"
    )


# What a hostile or broken server says: fragments of what we listen to, put together
# at random, with ends of lines among them.
fragments = st.sampled_from(
    [b":irc ", b":a!b@c ", b":fingerbot!f@h ", b"@tag ", b"001 ", b"432 ", b"433 ", b"PING ",
     b"PRIVMSG ", b"NICK ", b"NOTICE ", b"ERROR ", b"fingerbot ", b"* ", b"#c ", b":", b" ",
     b":hello", b"\x01", b"\0", b"\r", b"\n", b"\r\n", b"\xff", "é".encode() * 40, b"x" * 500]
)  # fmt: skip
speech = st.lists(fragments | st.binary(max_size=8), max_size=60).map(b"".join)


@given(speech, st.booleans(), st.data())
def test_any_chunking(speech: bytes, let_in: bool, data: st.DataObject) -> None:
    """However the bytes come in, they mean the same, and the same is sent."""
    speech = WELCOME * let_in + speech
    cuts = data.draw(st.lists(st.integers(0, len(speech)), max_size=20).map(sorted))
    edges = [0, *cuts, len(speech)]
    at_once, piecemeal = IrcSession("fingerbot"), IrcSession("fingerbot")
    events: list[Event] = []
    for start, end in pairwise(edges):
        if start < end and not (events and isinstance(events[-1], Closed)):
            events += events_of(piecemeal, speech[start:end])
    assert events == (events_of(at_once, speech) if speech else [])
    assert piecemeal.data_to_send() == at_once.data_to_send()


@given(speech, st.booleans())
def test_hostile_server(speech: bytes, let_in: bool) -> None:
    """Whatever a server says nothing is raised, what we say is whole lines that are no
    longer than allowed, and whoever is told of can be answered (T19, T21)."""
    session = IrcSession("fingerbot")
    for event in events_of(session, WELCOME * let_in + speech + b"\n"):
        if isinstance(event, PrivateMessage):
            for piece in session.split_text(event.sender, "é" * 500):
                session.send_text(event.sender, piece)
    sent = session.data_to_send()
    assert sent.endswith(b"\r\n")
    for line in sent.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= MAX_MESSAGE - 2
        assert not set(b"\r\n\0") & set(line)
        assert line.split(b" ")[0] in {b"NICK", b"USER", b"PONG", b"PRIVMSG"}


@pytest.mark.parametrize("length", [1, 32, 64])
def test_the_longest_nicks_can_be_answered(length: int) -> None:
    """Two people with the longest of nicks still have room for a text between them."""
    session = registered()
    ours, theirs = "a" * length, "b" * length
    speech = f":fingerbot!f@h NICK {ours}\n:{theirs}!b@h PRIVMSG {ours} :x\n"
    assert events_of(session, speech.encode()) == [PrivateMessage(theirs, "x")]
    text = "word " * 200
    pieces = list(session.split_text(theirs, text))
    assert "".join(pieces) == text
    assert len(pieces) <= 4
