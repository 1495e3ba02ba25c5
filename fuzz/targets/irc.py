"""IRC: the same in any pieces, one line for one message, and no server that breaks the bot."""

from fuzz.inputs import pieces, single
from fuzz.target import Target
from trio_finger.protocol.irc import (
    MAX_LINE,
    MAX_MESSAGE,
    IrcError,
    LineSplitter,
    Message,
    NickError,
    format_message,
    parse_message,
    parse_nick,
    split_text,
)
from trio_finger.protocol.irc_session import Closed, Event, IrcSession, PrivateMessage

_WELCOME = b":irc.example 001 fingerbot :Welcome\r\n"


def check(data: bytes) -> None:
    """What a server sends means the same in any pieces, and is answered in whole lines."""
    lines = _split([data])
    assert _split(pieces(data)) == _split(single(data)) == lines
    for line in lines:
        if line is not None:
            assert len(line) <= MAX_LINE
            _check_message(line)
    for speech in (data, _WELCOME + data):
        at_once = _hear([speech])
        assert _hear(pieces(speech)) == at_once
        _check_said(at_once[1])
    text = data.decode("utf-8", "replace")
    _check_nick(text)
    room = 4 + len(data) % 61
    parts = list(split_text(text, room))
    assert "".join(parts) == text
    assert all(len(part.encode()) <= room for part in parts)


def _split(chunks: list[bytes]) -> list[bytes | None]:
    """Return the lines, and ``None`` where the splitter gave up."""
    splitter = LineSplitter()
    lines: list[bytes | None] = []
    for chunk in chunks:
        splitter.feed(chunk)
        try:
            while (line := splitter.next_line()) is not None:
                lines.append(line)
        except IrcError:
            return [*lines, None]
    return lines


def _check_message(line: bytes) -> None:
    try:
        message = parse_message(line)
    except IrcError:
        return
    assert message.command.isascii()
    try:
        written = format_message(message)
    except IrcError:
        assert len(line) * 3 > MAX_MESSAGE - 8  # it is too long; U+FFFD is three bytes for one
        return
    _check_said(written)
    assert parse_message(written[:-2]) == message


def _check_said(data: bytes) -> None:
    assert data.endswith(b"\r\n")
    for line in data.removesuffix(b"\r\n").split(b"\r\n"):
        assert len(line) <= MAX_MESSAGE - 2
        assert not set(b"\r\n\0") & set(line)


def _hear(chunks: list[bytes]) -> tuple[list[Event], bytes]:
    """Return what a session makes of *chunks* and says upon them."""
    session = IrcSession("fingerbot")
    events: list[Event] = []
    for chunk in [*filter(None, chunks), b""]:
        session.receive_data(chunk)
        while (event := session.next_event()) is not None:
            events.append(event)
            if isinstance(event, Closed):
                return events, session.data_to_send()
            if isinstance(event, PrivateMessage):
                for piece in session.split_text(event.sender, "\u00e9" * 300):
                    session.send_text(event.sender, piece)
    raise AssertionError("the end was not told")


def _check_nick(text: str) -> None:
    try:
        nick = parse_nick(text)
    except NickError:
        return
    assert parse_message(format_message(Message("NICK", (nick,)))[:-2]).params == (nick,)


TARGET = Target(
    check,
    seeds=(
        b":irc 001 fingerbot :Hi\r\nPING :a cookie\r\n:a!b@c PRIVMSG fingerbot :moshez\r\n",
        b":irc 433 * x :In use\n:irc 433 * x :In use\n:irc 433 * x\n:irc 437 * x\n",
        b"@time=12;a :FingerBot!f@h NICK :Guest42\r\n:x!y@z PRIVMSG guest42 :\x01VERSION\x01\r\n",
        b"ERROR :Closing Link\r\n:irc 465 x :banned\r\n",
        b"PING :" + b"\xff" * 200 + b"\r\n",
    ),
    tokens=(
        *(b":irc ", b":a!b@c ", b":fingerbot!f@h ", b"@tag ", b"001 ", b"432 ", b"433 ", b"PING "),
        *(b"PRIVMSG ", b"NICK ", b"ERROR ", b"fingerbot ", b" :", b"\x01", b"\r\n", b"\0", b"!"),
    ),
    max_len=1024,
)
