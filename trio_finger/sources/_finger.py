"""Statuses from another finger server, which is asked as people ask it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from trio_finger.config import FingerSource
from trio_finger.net import ReachError, connect, peer_host
from trio_finger.protocol.address import IpAddress, parse_ip
from trio_finger.protocol.finger import Query, format_query
from trio_finger.protocol.finger_answer import ReadAnswer, read_answer
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_STATUS, clean, fold, shorten
from trio_finger.protocol.users_toml import MAX_TEXT
from trio_finger.sources._source import Asker, Circle, Found, SourceError, too_long

_CHUNK = 16 * 1024  # bytes

# Characters from which on to read an answer is left to a thread: cleaning takes 1 µs for each.
_LONG = 2048

# The whole answer of a server that cannot say. It is about the server, and nobody's status.
_EXCUSES = frozenset(
    {
        "Server error -- try later",
        "Internal error in server",
        "Too many queries from your address; try again later",
        "Your address is not served here",
    }
)


class Fingers:
    """A finger server as a source.

    Args:
      config: which one, and how long an answer may be.
    """

    def __init__(self, config: FingerSource) -> None:
        self._config = config
        # The questions under way: who is asked for, and where. There are no more of them than
        # whoever asks us has.
        self._under_way: Counter[tuple[str, IpAddress]] = Counter()

    async def ask(self, name: str, asker: Asker) -> Found | None:
        """Ask that server about *name*, unless that is our own question.

        Raises:
          SourceError: it could not say.
        """
        if self.circle(name, asker) is Circle.PERHAPS:
            return None
        try:
            text = await self._receive_answer(name)
        except ReachError as error:
            raise SourceError(str(error)) from None
        except trio.BrokenResourceError:
            raise SourceError("the connection broke") from None
        if text.strip() in _EXCUSES:
            raise SourceError(f"the server says: {text.strip()}")
        if len(text) < _LONG:
            answer = _read(text)
        else:
            answer = await trio.to_thread.run_sync(_read, text, abandon_on_cancel=True)
        if answer is None:
            return None
        profile = Profile(
            full_name=shorten(answer.full_name, MAX_TEXT),
            plan=answer.plan,
            project=shorten(answer.project, MAX_TEXT),
        )
        return Found(shorten(answer.status, MAX_STATUS), profile=profile)

    def circle(self, name: str, asker: Asker) -> Circle:
        """Return whether that very server's host wants to know what we are asking it just now."""
        if asker.host is None or (fold(name), parse_ip(asker.host)) not in self._under_way:
            return Circle.NO
        return Circle.PERHAPS

    async def aclose(self) -> None:
        """Do nothing: no connection outlives its question."""

    async def _receive_answer(self, name: str) -> str:
        """Return what the server answers.

        Raises:
          ReachError: there is no getting there.
          SourceError: it does not stop.
          trio.BrokenResourceError: it is gone before the end.
        """
        host, port = self._config.host.host, self._config.host.port
        answer = bytearray()
        async with await connect(host, port) as stream:
            with self._noted(name, peer_host(stream)):
                await stream.send_all(format_query(Query((name,))))
                while data := await stream.receive_some(_CHUNK):
                    answer += data
                    if len(answer) > self._config.max_size:
                        raise too_long(self._config.max_size)
        return answer.decode("utf-8", "replace")

    @contextmanager
    def _noted(self, name: str, host: str | None) -> Iterator[None]:
        """Have it known meanwhile that *host* is asked about *name*."""
        if host is None:
            raise SourceError("the connection broke")
        question = fold(name), parse_ip(host)
        self._under_way[question] += 1
        try:
            yield
        finally:
            self._under_way[question] -= 1
            if not self._under_way[question]:
                del self._under_way[question]


def _read(text: str) -> ReadAnswer | None:
    """Return what *text*, a whole answer, says.

    Raises:
      SourceError: there is nothing to be seen in it.
    """
    if not clean(text).strip():
        raise SourceError("the connection was closed without an answer")
    return read_answer(text)
