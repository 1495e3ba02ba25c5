"""What both ways of answering share: the answer, what is counted, and what is logged."""

import re
from collections import Counter
from collections.abc import Iterator

import trio
from structlog.typing import FilteringBoundLogger

from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.net import send_in_pieces
from trio_finger.protocol.finger import MAX_QUERY, parse_query
from trio_finger.services.finger._answer import UNAVAILABLE, Answer, answer_query
from trio_finger.services.finger._match import MAX_USERS
from trio_finger.services.finger._relay import RelayTarget, relay, relay_target
from trio_finger.sources import Asker, Directory
from trio_finger.usermap import Reader

TOO_LONG = f"Query too long (at most {MAX_QUERY} bytes)\r\n".encode()

# Queries that are forwarded at once. Each has a connection, and looks up a name in a thread.
_RELAYS = 64
_RELAYS_OF_ONE = 8  # of one address

# A whole query and no more, and no PROXY header.
_ONE_LINE = re.compile(rb"(?!PROXY )([^\r\n]{0,%d})\r?\n" % MAX_QUERY)


class Door:
    """Answers queries.

    Args:
      config: the section ``[finger]``.
      directory: who is there; only read.
      counts: this door's numbers.
      records: the section ``[log]``: whether each query is a record.
      log: where that goes.
    """

    def __init__(
        self,
        config: Finger,
        directory: Directory,
        counts: Counts,
        records: Log,
        log: FilteringBoundLogger,
    ) -> None:
        self._config = config
        self._directory = directory
        self._answered = counts.answered
        self._relays: Counter[str | None] = Counter()  # under way, by address
        self._log = log
        self._verbose = records.level == "debug"
        self._records = records.access or self._verbose

    def answer_at_once(self, received: bytes, host: str | None) -> bytes | None:
        """Answer what has been *received*, if that is a whole query and no long answer.

        Nor may it take asking anybody else.

        What is more than one line is left to a handler, too: when a connection is closed
        with input unread, or while more is on its way, its answer can get lost.
        """
        match = _ONE_LINE.fullmatch(received)
        if match is None:
            return None
        line = match[1]
        if self._config.relay and b"@" in line:
            return None
        users = self._at_hand(line)
        if users is None:
            return None
        answer = answer_query(line, users, self._config)
        if not isinstance(answer.data, bytes):
            return None
        self._note(line, answer, host)
        return answer.data

    async def answer(self, line: bytes, host: str | None) -> bytes | Iterator[bytes]:
        """Return the answer to *line*, a query without its end that came from *host*.

        If sources have to be asked, that takes as long as their timeouts at most.
        """
        users = self._at_hand(line)
        if users is None:
            users = await self._directory.find(_names(line), Asker(host))
        answer = answer_query(line, users, self._config)
        self._note(line, answer, host)
        return answer.data

    def forward(self, line: bytes, host: str | None) -> RelayTarget | None:
        """Return where *line* is to be forwarded; ``None`` if it is answered here, or refused."""
        if not self._config.relay or b"@" not in line:
            return None
        return relay_target(parse_query(line), self._config.relay)

    async def relay(
        self, target: RelayTarget, line: bytes, host: str | None, stream: trio.abc.SendStream
    ) -> None:
        """Have *target* answer on *stream*, if not too many do already; see `relay`."""
        if self._relays.total() >= _RELAYS or self._relays[host] >= _RELAYS_OF_ONE:
            self._note(line, UNAVAILABLE, host)
            await send_in_pieces(stream, UNAVAILABLE.data)
            return
        self._relays[host] += 1
        try:
            self._note(line, Answer("forwarded", (), b""), host)
            await relay(target, stream)
        finally:
            self._relays[host] -= 1
            self._relays += Counter()  # forgets whom it counts none of

    def refuse_long(self, host: str | None) -> bytes:
        """Return the answer to a query longer than any."""
        self._note(b"", Answer("too long", (), TOO_LONG), host)
        return TOO_LONG

    def _at_hand(self, line: bytes) -> Reader | None:
        """Return whom *line* can be answered from; ``None`` if somebody has to be asked first."""
        if self._directory.is_plain:
            return self._directory.users
        return self._directory.at_hand(_names(line))

    def _note(self, line: bytes, answer: Answer, host: str | None) -> None:
        self._answered[answer.result] += 1
        if self._records:
            # What somebody asked for who is not shown is nobody's business: it may be a
            # hidden user, or a password that was typed in the wrong place.
            asked = {"query": line.decode("utf-8", "backslashreplace")} if self._verbose else {}
            self._log.info(
                "query", peer=host or "unix", result=answer.result, users=answer.found, **asked
            )


def _names(line: bytes) -> tuple[str, ...]:
    """Return whom *line* asks for, unless they are none of ours, or too many."""
    query = parse_query(line)
    return () if query.hosts or len(query.names) > MAX_USERS else query.names
