"""IRC's messages: parse and format are inverses, and nothing breaks out of a line."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trio_finger.protocol.irc import (
    MAX_LINE,
    MAX_MESSAGE,
    MAX_NICK,
    IrcError,
    LineSplitter,
    Message,
    NickError,
    format_message,
    parse_message,
    parse_nick,
    room_for_text,
    same_nick,
    split_text,
)

# A text that leans towards what means something to the grammar.
text = st.text(st.sampled_from(" :@!\r\n\0\x01a1é\u2028\ud800") | st.characters(), max_size=30)
word = st.text(st.characters(exclude_characters="\r\n\0 ", exclude_categories=["Cs"]), min_size=1)
last = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
messages = st.builds(
    Message,
    command=st.from_regex(r"[A-Z]{1,9}|[0-9]{3}", fullmatch=True).filter(str.isascii),
    params=st.builds(
        lambda middle, last: (*middle, *last),
        st.lists(word.filter(lambda word: not word.startswith(":")), max_size=4),
        st.lists(last, max_size=1),
    ),
    source=st.none() | word,
)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"PING", Message("PING")),
        (b"ping x", Message("PING", ("x",))),
        (b"PING :", Message("PING", ("",))),
        (b"PING :a b", Message("PING", ("a b",))),
        (b"  PING   x  ", Message("PING", ("x",))),
        (b":irc.example 001 bot :Hi :)", Message("001", ("bot", "Hi :)"), "irc.example")),
        (b":n!u@h PRIVMSG bot a:b", Message("PRIVMSG", ("bot", "a:b"), "n!u@h")),
        (b"PRIVMSG  bot  :  x ", Message("PRIVMSG", ("bot", "  x "))),
        (b"@time=12;a :n!u@h PRIVMSG bot x", Message("PRIVMSG", ("bot", "x"), "n!u@h")),
        (b": PING x", Message("PING", ("x",))),
        (b"PING \xff\xc3\xa9", Message("PING", ("\ufffdé",))),
        # Only the space of ASCII separates.
        ("PING a\u2003b\tc".encode(), Message("PING", ("a\u2003b\tc",))),
    ],
)
def test_parse(line: bytes, message: Message) -> None:
    """Every form of RFC 2812, 2.3.1 is parsed, and some that servers are known for."""
    assert parse_message(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b":",
        b":source",
        b":source ",
        b"@tags",
        b"@tags :source",
        b"12",
        b"1234",
        b"PING2 x",
        b"PRIV-MSG x",
        "\u017fing x".encode(),
        "\u0661\u0662\u0663".encode(),
        b"PING \0",
        b"PING \r x",
        b"PING \n x",
    ],
)
def test_no_message(line: bytes) -> None:
    """A line that holds no command, or what no line may hold, is an IrcError."""
    with pytest.raises(IrcError):
        parse_message(line)


@given(st.binary() | text.map(lambda text: text.encode("utf-8", "replace")))
def test_parse_raises_nothing_else(line: bytes) -> None:
    """Whatever comes in, parsing gives a message or an IrcError; a message formats."""
    try:
        message = parse_message(line)
    except IrcError:
        return
    assert parse_message(format_message(message).removesuffix(b"\r\n")) == message


@given(messages)
def test_inverses(message: Message) -> None:
    """What was formatted is parsed as what it was."""
    parts = (message.source or "", message.command, *message.params)
    assume(len(" ".join(parts).encode()) <= MAX_MESSAGE - len(" : :\r\n"))
    assert parse_message(format_message(message)[:-2]) == message


@given(text, st.lists(text, max_size=4), st.none() | text)
def test_one_line(command: str, params: list[str], source: str | None) -> None:
    """Whatever is formatted is one line of 512 bytes at most, or an IrcError (T19)."""
    for name in command, "PRIVMSG":
        message = Message(name, tuple(params), source)
        try:
            line = format_message(message)
        except IrcError:
            continue
        assert len(line) <= MAX_MESSAGE
        assert line.endswith(b"\r\n")
        assert not set(b"\r\n\0") & set(line[:-2])
        assert parse_message(line[:-2]) == message


@pytest.mark.parametrize("evil", ["\r", "\n", "\0", "\r\nQUIT"])
@pytest.mark.parametrize("place", ["command", "source", "target", "text"])
def test_injection(evil: str, place: str) -> None:
    """CR, LF and NUL are refused wherever they stand (T19)."""
    parts = {"command": "PRIVMSG", "source": "me", "target": "you", "text": "hi"}
    parts[place] += evil
    with pytest.raises(IrcError):
        format_message(Message(parts["command"], (parts["target"], parts["text"]), parts["source"]))


def test_longest_message() -> None:
    """512 bytes pass, 513 do not."""
    fixed = len("QUIT x\r\n") - 1
    assert len(format_message(Message("QUIT", ("x" * (MAX_MESSAGE - fixed),)))) == MAX_MESSAGE
    with pytest.raises(IrcError):
        format_message(Message("QUIT", ("x" * (MAX_MESSAGE - fixed + 1),)))


def _split(chunks: list[bytes]) -> list[bytes | None]:
    """Return the lines in *chunks*, and ``None`` where the splitter gave up."""
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


pieces = st.sampled_from([b"\r", b"\n", b"\r\n", b"PING x", b"y" * MAX_LINE, b"z" * 5000])


@given(st.lists(pieces | st.binary(max_size=20)), st.data())
def test_any_chunking(parts: list[bytes], data: st.DataObject) -> None:
    """However the bytes come in, the lines are the same."""
    whole = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=20).map(sorted))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in pairwise(edges)]
    assert _split(chunks) == _split([whole])


def test_byte_by_byte() -> None:
    """Lines end in LF or CR LF, also when these come one by one; the rest waits."""
    assert _split([bytes([byte]) for byte in b"a\r\n\nb\nc"]) == [b"a", b"", b"b"]


def test_longest_line() -> None:
    """A line of the limit passes; one byte more, ended or not, is the end (T21)."""
    longest = b"x" * MAX_LINE
    assert _split([b"a\n", longest + b"\n"]) == [b"a", longest]
    assert _split([b"a\n", longest + b"x\n", b"b\n"]) == [b"a", None]
    assert _split([b"a\n", longest, b"x", b"b\n"]) == [b"a", None]


@pytest.mark.parametrize("nick", ["fingerbot", "a", "[]\\`_^{|}", "A-1", "x" * MAX_NICK])
def test_nick(nick: str) -> None:
    """What RFC 2812 calls a nickname is one, if some server allows its length."""
    assert parse_nick(nick) == nick


@pytest.mark.parametrize(
    "text", ["", "1a", "-a", "a b", "a\n", "a!b", "a@b", "#a", "a:b", "é", "\u0661", "x" * 33]
)
def test_no_nick(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(NickError, match="nick"):
        parse_nick(text)


@given(text)
def test_nick_raises_nothing_else(text: str) -> None:
    """A nick can be sent; what is none is a NickError."""
    try:
        nick = parse_nick(text)
    except NickError:
        return
    assert parse_message(format_message(Message("NICK", (nick,)))[:-2]).params == (nick,)


def test_same_nick() -> None:
    """Case does not count, and []\\~ are the capitals of {}|^ (RFC 2812, 2.2)."""
    assert same_nick("FingerBot", "fingerbot")
    assert same_nick(r"a[]\~", "A{}|^")
    assert not same_nick("a_", "a-")
    assert not same_nick("É", "é")


@given(st.text(), st.integers(4, 40))
def test_split_text(text: str, room: int) -> None:
    """Pieces fit, are whole characters, and joined give the text."""
    assume(text.isprintable())
    pieces = list(split_text(text, room))
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= room for piece in pieces)
    assert all(pieces) or text == ""


def test_split_between_words() -> None:
    """A cut is made after a space, unless that made a piece of less than half the room."""
    assert list(split_text("I: Donaudampfschiff", 12)) == ["I: Donaudamp", "fschiff"]
    assert list(split_text("Giving a tutorial", 12)) == ["Giving a ", "tutorial"]
    assert list(split_text("Donaudampfschiff", 12)) == ["Donaudampfsc", "hiff"]
    assert list(split_text("ééééé", 5)) == ["éé", "éé", "é"]


@pytest.mark.parametrize(("text", "room"), [("abc", 3), ("abc", -1), ("\ud800", 100)])
def test_cannot_split(text: str, room: int) -> None:
    """No room, or a text that is none, is an IrcError."""
    with pytest.raises(IrcError):
        list(split_text(text, room))


def test_room_for_text() -> None:
    """What was cut to the room is passed on whole, however long our host's name is."""
    room = room_for_text("fingerbot", "moshez")
    user_and_host = "~" + "u" * 10 + "@" + "h" * 63
    relayed = Message(
        "PRIVMSG", ("moshez", "x " * 2 + "x" * (room - 4)), f"fingerbot!{user_and_host}"
    )
    assert len(format_message(relayed)) == MAX_MESSAGE
