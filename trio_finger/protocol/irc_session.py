"""One session with an IRC server, without the connection.

In the manner of h11: what the server sent goes in by `IrcSession.receive_data`, what
it means comes out of `IrcSession.next_event`, and what shall be sent is taken out by
`IrcSession.data_to_send`. Nothing here knows of sockets or of time; whoever drives it
asks for the next event until there is none, sends what there is to send, and receives
again::

    session = IrcSession("fingerbot")
    while True:
        while (event := session.next_event()) is None:
            socket.sendall(session.data_to_send())
            session.receive_data(socket.recv(4096))
        ...

A server may say anything at any time. Each thing that it says is matched whole: one
with parameters missing, or of a kind that no case names, is as good as unsaid.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trio_finger.protocol.irc import (
    IrcError,
    LineSplitter,
    Message,
    format_message,
    parse_message,
    room_for_text,
    same_nick,
    split_text,
)

# How many nicks are tried: the one that was asked for, then with "_" after it, "__" ...
MAX_NICKS_TRIED = 4
_SHORT_NICK = 9  # characters; RFC 2812, 1.2.1: any server takes as many

# A nick on the most liberal of servers: what is left out makes it a channel, a server, a
# mask, or a list of several receivers. The limit, in bytes, leaves room for a text beside
# two of them.
_PERSON = re.compile(r"[^\0- !#$%&*+,.:?@~][^\0- !*,.:?@]*")
_MAX_PERSON = 64


@dataclass(frozen=True, slots=True)
class Registered:
    """The server has let us in, and calls us *nick*."""

    nick: str


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A person who can be answered, *sender*, wrote *text* to us alone.

    The text is as it came: neither clean nor short.
    """

    sender: str
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; *reason* says why, perhaps in the server's words."""

    reason: str


Event = Registered | PrivateMessage | Closed


class IrcSession:
    """Registers at once, answers PING by itself, and tells what is left to act upon.

    Args:
      nick: what to be called; `parse_nick` takes it.
    """

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self._wanted = nick
        self._tried = 1
        self._registered = False
        self._closed: Closed | None = None
        self._incoming = LineSplitter()
        self._outgoing = bytearray()
        self._send("NICK", nick)
        # RFC 2812, 3.1.3: user name, no modes, an unused parameter, real name.
        self._send("USER", "finger", "0", "*", "trio-finger")

    # In

    def receive_data(self, data: bytes | bytearray) -> None:
        """Take in what the server sent; ``b""`` says that it will send no more."""
        if data:
            self._incoming.feed(data)
        else:
            self._closed = Closed("the server closed the connection")

    def next_event(self) -> Event | None:
        """Return what happened next; ``None`` until more is received.

        After `Closed` nothing else happens: every further call returns it again.
        """
        while self._closed is None:
            try:
                line = self._incoming.next_line()
            except IrcError as error:
                self._closed = Closed(str(error))
                break
            if line is None:
                return None
            try:
                event = self._handle(parse_message(line))
            except IrcError:
                continue  # no message, or one whose answer no line can hold
            if event is not None:
                return event
        return self._closed

    def _handle(self, message: Message) -> Event | None:
        """Do what *message* asks for; return what it means to whoever drives us."""
        match [message.command, *message.params]:
            case ["PING", token, *_]:
                self._send("PONG", token)
            case ["PRIVMSG", target, text, *_] if self._registered:
                return self._private_message(message.source, target, text)
            case ["NICK", nick, *_] if same_nick(_nick_of(message.source), self.nick):
                self._follow(nick)
            case ["ERROR", *reason]:
                self._closed = Closed(reason[-1] if reason else "the server says ERROR")
            case [numeric, *params] if not self._registered:
                return self._register(numeric, params)
        return None

    def _register(self, numeric: str, params: list[str]) -> Event | None:
        """Go on with registering: RFC 2812, sections 3.1 and 5."""
        match [numeric, *params]:
            case ["001", *given]:  # RPL_WELCOME
                self._registered = True
                if given:
                    self._follow(given[0])  # a server may have cut the nick
                return Registered(self.nick)
            case ["433" | "436" | "437", *_] if self._tried < MAX_NICKS_TRIED:  # it is taken
                self.nick = _another(self._wanted, self._tried)
                self._tried += 1
                self._send("NICK", self.nick)
            case ["431" | "432" | "433" | "436" | "437" | "463" | "464" | "465" | "466", *why]:
                self._closed = Closed(" ".join(["refused:", numeric, *why[1:]]))
        return None

    def _follow(self, nick: str) -> None:
        """Be called *nick* from now on, if that can be."""
        if _is_person(nick):
            self.nick = nick

    def _private_message(self, source: str | None, target: str, text: str) -> Event | None:
        sender = _nick_of(source)
        if (
            _is_person(sender)
            and same_nick(target, self.nick)
            # Some servers give us what we sent back; an answer to that would have no end.
            and not same_nick(sender, self.nick)
            # CTCP: requests to programs, and their answers, between two 0x01.
            and not text.startswith("\x01")
        ):
            return PrivateMessage(sender, text)
        return None

    # Out

    def data_to_send(self) -> bytes:
        """Take what shall be sent next; ``b""`` when there is nothing."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def split_text(self, to: str, text: str) -> Iterator[str]:
        """Cut *text* into pieces, each of which `send_text` gets to *to* whole."""
        return split_text(text, room_for_text(self.nick, to))

    def send_text(self, to: str, text: str) -> None:
        """Send *text* to *to*, as one private message.

        Raises:
          IrcError: it cannot be one. Nothing is sent.
        """
        self._send("PRIVMSG", to, text)

    def send_ping(self) -> None:
        """Ask the server for a sign of life."""
        self._send("PING", "alive")

    def send_quit(self, reason: str) -> None:
        """Take leave. The server closes the connection upon this."""
        self._send("QUIT", reason)

    def _send(self, command: str, *params: str) -> None:
        self._outgoing += format_message(Message(command, params))


def _another(nick: str, tried: int) -> str:
    """Return another nick that looks like *nick*, and is as short as a strict server wants."""
    return nick[: max(len(nick), _SHORT_NICK) - tried] + "_" * tried


def _nick_of(source: str | None) -> str:
    """Return the nick in ``nick!user@host``; empty for a server."""
    nick, bang, _ = (source or "").partition("!")
    return nick if bang else ""


def _is_person(nick: str) -> bool:
    return len(nick.encode()) <= _MAX_PERSON and _PERSON.fullmatch(nick) is not None
