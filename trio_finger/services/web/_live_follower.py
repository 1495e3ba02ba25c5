"""One who follows the live feed: what they are told, as fast as they take it, and no faster.

Mostly a follower has been told everything, and the socket has room. Then whoever has news
writes it there at once, without waiting: thousands of tasks that are woken for one line each
take several times as long. What the socket has no room for is the task's to send, and what
comes meanwhile waits its turn. There is an end to that: the one who does not read is sent away.
"""

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import ClassVar, Final

import trio

from trio_finger.net import Stream, finish, send_in_pieces, socket_of
from trio_finger.protocol.live import GOING_AWAY, TRY_AGAIN_LATER, Batch, make_hello
from trio_finger.services.web._live_past import Past

# Changes that wait for one follower, at most: who is further behind is sent away. Messages are
# shared by all who follow everybody, so what waits for one of them takes some eight kilobytes;
# for one who has picked users it is a batch each, some two hundred.
MOST_BEHIND: Final = 1024

_MOST_ASIDE: Final = 1024  # bytes of small things; when there are more, they are left out
_END_SECONDS: Final = 2  # for the last words, and for the client to close the connection


class Follower(ABC):
    """One who follows.

    Args:
      stream: the connection, on which the head of the answer has been sent.
      keys: the folded names of whom they follow; ``None`` for everybody.

    Attributes:
      stream: the same.
      keys: the same.
      is_over: nothing is told any more.
      lingers: the end of the connection needs care, since the client may be sending still, or
        speaks TLS, where an end has to be said.
    """

    # The HTTP status with which it begins.
    code: ClassVar[int]

    # How often something is sent, so that nobody in between thinks the connection dead.
    beat_seconds: ClassVar[float]

    # What is sent then.
    sign_of_life: ClassVar[bytes]

    # Whether the client answers the last words.
    is_answered: ClassVar[bool]

    def __init__(self, stream: Stream, keys: Collection[str] | None) -> None:
        self.stream = stream
        self.is_over = False
        self.lingers = isinstance(stream, trio.SSLStream)
        self.keys = keys
        # Over TLS nothing can be sent without waiting, nor where there is no socket.
        self._socket = None if self.lingers else socket_of(stream)
        self._is_idle = False  # everything has been sent
        self._is_slow = False
        self._wake = trio.Event()
        self._life = trio.CancelScope()
        # What is to be sent, in this order.
        self._rest: bytes | memoryview = b""  # of what has been sent in part
        self._past: Past | None = None
        self._aside = b""  # small things that need not wait
        self._waiting: deque[Batch] = deque()
        self._goodbye = b""
        self._behind = 0  # changes that wait
        self._after = 0  # changes up to this number do not belong here

    @abstractmethod
    def form(self, batch: Batch) -> bytes:
        """Return *batch* as it is told here."""

    @abstractmethod
    def progress(self, number: int) -> bytes:
        """Return what says that everything is told up to a change of that *number*."""

    @abstractmethod
    def last_words(self, code: int | None, reason: str) -> bytes:
        """Return what is said last; see `end`."""

    @abstractmethod
    async def listen(self) -> None:
        """Hear what the client says, until it has gone, or has said that this is over.

        Raises:
          trio.TooSlowError: it does not say what it has to.
        """

    # What others call; nothing here waits.

    def greet(self, past: Past) -> None:
        """Have *past* told first."""
        self._past = past
        self._after = past.until

    def tell(self, batch: Batch) -> None:
        """Tell what is news of *batch*."""
        news = batch.only(self._after, self.keys)
        if news is None or self.is_over:
            return
        if self._is_idle:
            self._send(self.form(news))
            return
        self._waiting.append(news)
        self._behind += len(news)
        if self._behind > MOST_BEHIND:
            self._is_slow = True
            self.end(TRY_AGAIN_LATER, "too slow")

    def skip(self, number: int) -> None:
        """Tell nothing up to a change of that *number*, but that there was something."""
        if self.is_over or self._after >= number:
            return
        self._after = number
        self._waiting.clear()
        self._behind = 1
        self._waiting.append(Batch([make_hello(number, missed=True)]))
        self._wake_up()

    def beat(self, number: int) -> None:
        """Say something, only to say something.

        Who follows few users may not have heard anything for long. When they come back, what
        they heard last is not remembered any more; so they are told how far they are.

        Args:
          number: of the change up to which everybody is told everything.
        """
        if self.keys is not None and self._is_idle and number > self._after:
            self._after = number
            self._send(self.progress(number))
        self.say(self.sign_of_life)

    def say(self, data: bytes) -> None:
        """Say something small and whole, unless too much of that kind waits already."""
        if self.is_over:
            return
        if self._is_idle:
            self._send(data)
        elif len(self._aside) < _MOST_ASIDE:
            self._aside += data

    def end(self, code: int | None = GOING_AWAY, reason: str = "") -> None:
        """Say no more than the last words, and end the connection.

        Args:
          code: how it ends, as WebSocket has it; ``None`` says nothing.
          reason: why, in a few words.
        """
        if self.is_over:
            return
        self.is_over = True
        self._life.deadline = trio.current_time() + _END_SECONDS
        self._past, self._aside = None, b""
        self._waiting.clear()
        if self._is_idle:
            self._send(self.last_words(code, reason))
        else:
            self._goodbye = self.last_words(code, reason)
        self._wake_up()

    # The task

    async def run(self) -> None:
        """Send what is told, until the client has gone or this is over.

        Raises:
          trio.TooSlowError: the client is, and has been sent away.
        """
        try:
            with self._life:
                await self._run()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away, which it may at any moment
        except* trio.TooSlowError:
            self._is_slow = True
        finally:
            self._is_idle = False
        if self._is_slow:
            raise trio.TooSlowError

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery.cancel_scope)
            await self._send_all()
            if not self.is_answered:
                nursery.cancel_scope.cancel()
        if self.is_over and self.lingers:
            await finish(self.stream)

    async def _listen(self, scope: trio.CancelScope) -> None:
        try:
            await self.listen()
        except trio.TooSlowError:
            self._is_slow = True
            self.end(TRY_AGAIN_LATER, "no answer to a ping")
        if not self.is_over:
            scope.cancel()  # the client has gone

    async def _send_all(self) -> None:
        """Send whatever cannot be sent without waiting, the last words too."""
        while True:
            while data := self._take():
                await send_in_pieces(self.stream, data)
            if self.is_over:
                return
            self._wake = trio.Event()
            self._is_idle = True
            await self._wake.wait()

    def _take(self) -> bytes:
        """Return what is to be sent next; nothing, if that is all."""
        if self._rest:
            data, self._rest = bytes(self._rest), b""
            return data
        if self._past is not None:
            if batch := self._past.take():
                return self.form(batch)
            self._past = None
        if self._aside:
            data, self._aside = self._aside, b""
            return data
        if self._waiting:
            batch = self._waiting.popleft()
            self._behind -= len(batch)
            return self.form(batch)
        data, self._goodbye = self._goodbye, b""
        return data

    def _send(self, data: bytes) -> None:
        """Send as much as can be sent without waiting, and leave the rest to the task."""
        sent = 0
        if self._socket is not None:
            # It fails if there is no room, or nobody any more, as the task will see.
            with suppress(OSError):
                sent = os.write(self._socket.fileno(), data)
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._wake_up()

    def _wake_up(self) -> None:
        self._is_idle = False
        self._wake.set()
