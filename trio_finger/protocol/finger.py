"""The finger protocol, RFC 1288: queries, as the server reads and the client writes them.

A query is one line. `QueryReader` finds it in whatever pieces it arrives, within a
bound; `parse_query` says what it asks for and `format_query` writes it again.
"""

import re
from dataclasses import dataclass

from trio_finger.protocol.text import is_line

FINGER_PORT = 79  # RFC 1288, 2.1
MAX_QUERY = 1024  # bytes of a line, its end not counted; the RFC names no limit

# Telnet commands that some clients send first: IAC, then WILL, WONT, DO or DONT and
# an option, or a single command.
_TELNET = re.compile(rb"\xff(?:[\xfb-\xfe].|[\xf0-\xfa])", re.DOTALL)

_LINE_END = re.compile(rb"[\r\n]")
_VERBOSE = "/w"


class QueryTooLongError(ValueError):
    """A line that goes on for more than `MAX_QUERY` bytes."""


@dataclass(frozen=True, slots=True)
class Query:
    """What one line asks for.

    Attributes:
      names: the users asked for, as spelled; none asks for the list of all.
      verbose: whether ``/W`` asks for the long answer.
      hosts: where the question shall be forwarded to, the nearest host last, as in
        ``names@host1@host2``. An empty text stands for a host that was left out.
    """

    names: tuple[str, ...] = ()
    verbose: bool = False
    hosts: tuple[str, ...] = ()


class QueryReader:
    """Finds the first line in a stream of bytes.

    Feed what arrives to `receive_data`, which returns the line once it is there;
    ``b""`` says that no more will come. RFC 1288, 2.2 ends a line with CRLF; a bare
    LF, a bare CR and the end of the input are taken for an end as well. Whatever
    follows the line is not part of the query and is dropped.

    Raises:
      QueryTooLongError: from `receive_data`: there is no end within `MAX_QUERY` bytes.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive_data(self, data: bytes | bytearray) -> bytes | None:
        """Take *data* in; return the line, without its end, or ``None`` to ask for more."""
        searched = len(self._buffer)
        # Bounded by MAX_QUERY and one chunk.
        self._buffer += data
        end = _LINE_END.search(self._buffer, searched)
        if end is not None:
            return self._line(end.start())
        if data and len(self._buffer) <= MAX_QUERY:
            return None
        return self._line(len(self._buffer))

    def _line(self, end: int) -> bytes:
        if end > MAX_QUERY:
            raise QueryTooLongError(f"a query has at most {MAX_QUERY} bytes")
        return bytes(self._buffer[:end])


def plain_name(line: bytes) -> str | None:
    """Return the one name that *line* is and that needs no parsing, as in almost every query."""
    return line.decode("ascii") if line.isalnum() else None  # which of bytes ASCII alone is


def parse_query(line: bytes) -> Query:
    """Parse *line*, without its end, by the grammar of RFC 1288, 2.3, liberally.

    ``/W`` counts wherever it stands as a word of its own, in either case. Blanks and
    commas part names. Text that is not UTF-8 can be nobody's name and is kept so
    that it stays nobody's. No line is refused.
    """
    words = _TELNET.sub(b"", line).decode("utf-8", "surrogateescape").replace(",", " ").split()
    names = [word for word in words if word.lower() != _VERBOSE]
    verbose = len(names) < len(words)
    # An "@" in any word makes the whole line a question to another host.
    local, *hosts = " ".join(names).split("@")
    return Query(
        names=tuple(local.split()), verbose=verbose, hosts=tuple(host.strip() for host in hosts)
    )


def format_query(query: Query) -> bytes:
    """Write *query* as the line that a client sends, CRLF at its end.

    `parse_query` gives the query back if its names and hosts are words: not empty,
    and without blanks, commas and ``@``.

    Raises:
      ValueError: a name or a host holds a control character, which could end the
        line early, or stands for ``/W``.
    """
    for word in (*query.names, *query.hosts):
        if not is_line(word) or word.lower() == _VERBOSE:
            raise ValueError(f"{word!r} cannot be asked for")
    local = " ".join(query.names) + "".join(f"@{host}" for host in query.hosts)
    words = ["/W"] * query.verbose + [local] * bool(local)
    return " ".join(words).encode() + b"\r\n"
