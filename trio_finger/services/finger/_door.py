"""What both ways of answering share: the answer, what is counted, and what is logged."""

import re
from collections.abc import Iterator

from structlog.typing import FilteringBoundLogger

from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.services.finger._answer import Answer, answer_query
from trio_finger.usermap import UserMap

TOO_LONG = f"Query too long (at most {MAX_QUERY} bytes)\r\n".encode()

# A whole query and no more, and no PROXY header.
_ONE_LINE = re.compile(rb"(?!PROXY )([^\r\n]{0,%d})\r?\n" % MAX_QUERY)


class Door:
    """Answers queries, and never waits.

    Args:
      config: the section ``[finger]``.
      users: who is there; only read.
      counts: this door's numbers.
      records: the section ``[log]``: whether each query is a record.
      log: where that goes.
    """

    def __init__(
        self,
        config: Finger,
        users: UserMap,
        counts: Counts,
        records: Log,
        log: FilteringBoundLogger,
    ) -> None:
        self._config = config
        self._users = users
        self._answered = counts.answered
        self._log = log
        self._verbose = records.level == "debug"
        self._records = records.access or self._verbose

    def answer_at_once(self, received: bytes, host: str | None) -> bytes | None:
        """Answer what has been *received*, if that is a whole query and no long answer.

        What is more than one line is left to a handler, too: when a connection is closed
        with input unread, or while more is on its way, its answer can get lost.
        """
        match = _ONE_LINE.fullmatch(received)
        if match is None:
            return None
        line = match[1]
        answer = answer_query(line, self._users, self._config)
        if not isinstance(answer.data, bytes):
            return None
        self._note(line, answer, host)
        return answer.data

    def answer(self, line: bytes, host: str | None) -> bytes | Iterator[bytes]:
        """Return the answer to *line*, a query without its end that came from *host*."""
        answer = answer_query(line, self._users, self._config)
        self._note(line, answer, host)
        return answer.data

    def refuse_long(self, host: str | None) -> bytes:
        """Return the answer to a query longer than any."""
        self._note(b"", Answer("too long", (), TOO_LONG), host)
        return TOO_LONG

    def _note(self, line: bytes, answer: Answer, host: str | None) -> None:
        self._answered[answer.result] += 1
        if self._records:
            # What somebody asked for who is not shown is nobody's business: it may be a
            # hidden user, or a password that was typed in the wrong place.
            asked = {"query": line.decode("utf-8", "backslashreplace")} if self._verbose else {}
            self._log.info(
                "query", peer=host or "unix", result=answer.result, users=answer.found, **asked
            )
