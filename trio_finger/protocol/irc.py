r"""IRC's messages: a line of bytes in, a `Message` out, and back.

RFC 1459 and RFC 2812 (section 2.3 in both) say what a line is::

    :moshez!user@host PRIVMSG fingerbot :how are you
     `-- source ----' command `-- params ----------'

What comes in is decoded as UTF-8, and what is not UTF-8 in it becomes U+FFFD: IRC
never settled on an encoding, and a stranger's Latin-1 is no reason to hang up. What
goes out is one line, whatever it is made of, or it does not go out at all.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

# RFC 2812, 2.3: a message has at most 512 bytes, CR LF included. IRCv3's message-tags
# let a server put 8,191 bytes of tags before it.
MAX_MESSAGE = 512
MAX_LINE = 8191 + MAX_MESSAGE

# The longest nick that servers in use allow; RFC 2812 (1.2.1) has 9 characters.
MAX_NICK = 32

_COMMAND = re.compile(r"[A-Za-z]+|[0-9]{3}")
_NICK = re.compile(r"[A-Za-z\[-`{-}][A-Za-z0-9\[-`{-}-]*")  # RFC 2812, 2.3.1
_NOT_IN_A_LINE = re.compile(r"[\r\n\0]")

# RFC 2812, 2.2: IRC comes from Scandinavia, where {}|^ are the lower case of []\~.
_FOLD = str.maketrans(string.ascii_uppercase + r"[]\~", string.ascii_lowercase + "{}|^")

# A server puts ":nick!user@host " before what it passes on. Of that we know only the
# nick. Servers cut a user name to about 10 characters (and a "~" before it), a host
# name to 63.
_MAX_USER_AND_HOST = len("!~") + 10 + len("@") + 63


class IrcError(ValueError):
    """Bytes that are no message, or a message that cannot be sent."""


class NickError(ValueError):
    """A text that is no nick; ``str()`` of it says what would be one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
      command: a word in capitals, or three digits.
      params: what follows it; only the last may be empty, hold a space or begin
        with a colon.
      source: the server or person that it comes from, if it says so.
    """

    command: str
    params: tuple[str, ...] = ()
    source: str | None = None


def parse_message(line: bytes) -> Message:
    """Parse one line, without the CR LF at its end. IRCv3 tags are left out.

    Raises:
      IrcError: there is no command in it, or a character that no line may hold.
    """
    text = line.decode("utf-8", "replace")
    if _NOT_IN_A_LINE.search(text):
        raise IrcError("a line cannot hold CR, LF or NUL")
    text = text.lstrip(" ")
    if text.startswith("@"):
        text = _after_space(text)
    source = None
    if text.startswith(":"):
        source = text[1:].partition(" ")[0] or None
        text = _after_space(text)
    command, _, rest = text.partition(" ")
    if not _COMMAND.fullmatch(command):
        raise IrcError("the line has no command")
    # The space makes a last parameter that follows the command at once look like any.
    middle, colon, last = f" {rest}".partition(" :")
    params = [param for param in middle.split(" ") if param]
    if colon:
        params.append(last)
    return Message(command.upper(), tuple(params), source)


def _after_space(text: str) -> str:
    return text.partition(" ")[2].lstrip(" ")


def format_message(message: Message) -> bytes:
    """Return *message* as exactly one line, with its CR LF.

    Raises:
      IrcError: it would be more than one line, more than `MAX_MESSAGE` bytes, or
        something else than *message* once it is parsed.
    """
    command, params, source = message.command, message.params, message.source
    if not _COMMAND.fullmatch(command) or command != command.upper():
        raise IrcError(f"{command!r} is no command")
    words = [command, *params]
    for param in params[:-1]:
        if not _is_word(param):
            raise IrcError(f"{param!r} can only be the last parameter")
    if params and not _is_word(params[-1]):
        words[-1] = f":{params[-1]}"
    if source is not None:
        if not source or " " in source:
            raise IrcError(f"{source!r} is no source")
        words.insert(0, f":{source}")
    text = " ".join(words)
    if _NOT_IN_A_LINE.search(text):
        raise IrcError("a line cannot hold CR, LF or NUL")
    line = _encode(text) + b"\r\n"
    if len(line) > MAX_MESSAGE:
        raise IrcError(f"a message cannot be longer than {MAX_MESSAGE} bytes")
    return line


def _is_word(text: str) -> bool:
    return bool(text) and " " not in text and not text.startswith(":")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise IrcError("a surrogate cannot be sent") from None


class LineSplitter:
    """Cuts what a server sends into lines, in whatever chunks it comes.

    It holds no more than `MAX_LINE` bytes and the latest chunk, as long as its user
    takes every line before feeding it more.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> None:
        """Append *data*."""
        self._buffer += data

    def next_line(self) -> bytes | None:
        """Return the next line without its end, LF or CR LF; ``None`` for none yet.

        Raises:
          IrcError: the line is longer than `MAX_LINE` bytes. There is no going on:
            every further call raises it.
        """
        end = self._buffer.find(b"\n", 0, MAX_LINE + 1)
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                raise IrcError(f"a line is longer than {MAX_LINE} bytes")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")


def parse_nick(text: str) -> str:
    """Return *text* as a nick (RFC 2812, 2.3.1), as long as some server allows it.

    Raises:
      NickError: it is something else.
    """
    if not _NICK.fullmatch(text):
        raise NickError(
            f'"{text}" is not a nick: letters, digits and any of -_[]{{}}\\|^`, '
            "with neither a digit nor - first"
        )
    if len(text) > MAX_NICK:
        raise NickError(f"a nick has at most {MAX_NICK} characters")
    return text


def same_nick(one: str, other: str) -> bool:
    """Whether both are one nick to a server: its letters' case does not count."""
    return one.translate(_FOLD) == other.translate(_FOLD)


def room_for_text(nick: str, target: str) -> int:
    """Return how many bytes of text *nick* can send to *target* in one PRIVMSG.

    The receiver's server passes on no more than 512 bytes, and cuts what is beyond.
    Counted in them is who it comes from, which the receiver's server puts before it.
    """
    around = f":{nick} PRIVMSG {target} :\r\n"
    return MAX_MESSAGE - len(_encode(around)) - _MAX_USER_AND_HOST


def split_text(text: str, room: int) -> Iterator[str]:
    """Cut *text* into pieces of at most *room* bytes of UTF-8; joined, they are *text*.

    Cuts are made after a space if one is near, and never inside a character.

    Args:
      text: what to cut.
      room: 4 or more, the bytes of the longest character.

    Raises:
      IrcError: *room* is less, or *text* cannot be encoded.
    """
    if room < 4:
        raise IrcError("there is no room for text")
    data = _encode(text)
    while len(data) > room:
        end = room
        while data[end] & 0b1100_0000 == 0b1000_0000:  # goes on with a character
            end -= 1
        end = data.rfind(b" ", room // 2, end) + 1 or end
        yield data[:end].decode()
        data = data[end:]
    yield data.decode()
