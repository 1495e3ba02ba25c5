"""The lane for simple requests, which are answered before the app hears of them.

A page takes Hypercorn and Quart some two milliseconds, and this file less than a tenth of one.
It knows little of HTTP, so it takes only what leaves nothing to know: a request that is
here as a whole, alone, with headers of no consequence, for what we know by ourselves of one
user, as a page, or by XML-RPC. Whatever else comes on a connection goes to the app, with the
bytes read so far, and all that comes on it after that. So what clients do wrong, or slowly, is
none of the lane's business.

What is answered is made by the same functions for both, and is the same to the byte.
"""

import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import lru_cache
from typing import Final, NoReturn
from wsgiref.handlers import format_date_time

import trio

from trio_finger.counts import Counts
from trio_finger.net import Connection, finish
from trio_finger.protocol.accept import Form, choose_form
from trio_finger.services.web._answer import NEVER_KEPT, XML, Answer
from trio_finger.services.web._head import Head, is_begun, parse_head
from trio_finger.services.web._pages import Pages
from trio_finger.services.web._plausible import HOST
from trio_finger.services.web._user import tell_user
from trio_finger.services.web._wire import FIRST_AT_STOP, KEEP_ALIVE, Wire
from trio_finger.services.web.xmlrpc import answer_reading
from trio_finger.sources import Asker

_LOOK: Final = 1  # seconds between two looks at who waits

# Names that need no decoding. Others are for the app.
_USER: Final = re.compile(r"/(?P<tilde>~)?(?P<name>[A-Za-z0-9._-]+)(?P<online>/online)?")

# What proxies say of a client. All that could change is who is told of the address of a page.
_FORWARDED: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)

# Headers that change nothing about what is answered here, but by being looked at below.
_HEADERS: Final = frozenset(
    {
        *("host", "accept", "user-agent", "connection"),
        *("accept-encoding", "accept-language", "dnt", "priority", "referer", "cache-control"),
        *("content-type", "content-length"),
        *_FORWARDED,
        *("upgrade-insecure-requests", "sec-gpc", "pragma"),
        *("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform"),
        *("sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site", "sec-fetch-user"),
    }
)

# What clients want is of a few kinds.
_choose_form = lru_cache(maxsize=256)(choose_form)

# Of the user map alone it does not matter who asks.
_NOBODY: Final = Asker()

# Scopes of those who wait, and since when.
Waiting = dict[trio.CancelScope, float]

# Goes on with a connection of its own kind.
Door = Callable[[Connection, Head], Awaitable[None]]


class Lane:
    """What comes on connections before the app does.

    Args:
      pages: tells of users.
      paths: those that are not users.
      doors: who goes on with connections that ask for a path of their own.
      counts: counts what is answered.
      stop: nothing is waited for once it is set.
    """

    def __init__(
        self,
        pages: Pages,
        paths: Collection[str],
        doors: Mapping[str, Door],
        counts: Counts,
        stop: trio.Event,
    ) -> None:
        self._pages = pages
        self._directory = pages.directory
        self._paths = paths
        self._doors = doors
        self._counts = counts
        self._stop = stop
        # Since when who waits for a first request, and for a next one. One task looks at them
        # now and then: a deadline for each request would take a fifth of the time for it.
        self._first: Waiting = {}
        self._next: Waiting = {}

    async def end_waiting(self) -> NoReturn:
        """End what waits too long, and when the stop comes what waits, for ever: cancel this."""
        while True:
            now, stopping = trio.current_time(), self._stop.is_set()
            for scope, since in self._first.items():
                if since + (FIRST_AT_STOP if stopping else KEEP_ALIVE) <= now:
                    scope.cancel()
            for scope, since in self._next.items():
                if stopping or since + KEEP_ALIVE <= now:
                    scope.cancel()
            if stopping:
                await trio.sleep(_LOOK)
            else:
                with trio.move_on_after(_LOOK):
                    await self._stop.wait()

    async def run(self, stream: Connection, data: bytes = b"") -> bytes | None:
        """Answer what is simple on *stream*, one request after the other.

        Args:
          stream: the connection.
          data: what has been read of a request; nothing on a new connection.

        Returns:
          What has been read and is not answered; ``None`` if the connection is over.

        Raises:
          trio.BrokenResourceError: the client is gone.
          trio.TooSlowError: it does not ask, or does not read what it has asked for.
        """
        wire = Wire(stream)
        while True:
            handed_on, data = await self._answer_all(wire, stream, data)
            if handed_on:
                return data or None
            if not data:
                await finish(stream)
                return None
            # It came at the very moment at which its wait was ended, and is to be answered.

    async def _answer_all(self, wire: Wire, stream: Connection, data: bytes) -> tuple[bool, bytes]:
        """Do the same, until there is to be no more waiting.

        Returns:
          Whether others have gone on with the connection, or shall; and what has been read and
          is not answered.
        """
        waiting = self._first
        # One for the whole connection, since one for each wait would take a third of the time
        # for a request. It is cancelled while something is waited for; what has been read by
        # then is left to the next.
        with trio.CancelScope() as scope:
            if not data:
                data = await self._receive(wire, waiting, scope)
            while data and not scope.cancel_called:
                if is_begun(data):
                    data = await self._receive_rest(wire, scope, data)
                    if scope.cancel_called:
                        break
                head = parse_head(data)
                if head is None:
                    return True, data
                path = self._path(head)
                if head.method == "GET" and path in self._doors:
                    await self._doors[path](stream, head)
                    return True, b""
                answer = await self._answer(head, path)
                if answer is None:
                    return True, data
                self._counts.answered[answer.kind] += 1
                await wire.send(format_answer(answer))
                if self._stop.is_set():
                    return False, b""
                waiting, data = self._next, b""
                data = await self._receive(wire, waiting, scope)
        if scope.cancelled_caught:
            if (data or waiting is self._first) and not self._stop.is_set():
                raise trio.TooSlowError
            more = wire.receive_nowait()
            return False, data + more if more else b""
        return False, data

    async def _receive_rest(self, wire: Wire, scope: trio.CancelScope, data: bytes) -> bytes:
        """Return *data*, and what is still to come of the head that it is the beginning of."""
        since = trio.current_time()
        while is_begun(data) and not scope.cancel_called:
            self._first[scope] = since  # it is owed an answer, at a stop, too
            try:
                more = await wire.receive()
            finally:
                del self._first[scope]
            if not more:
                break
            data += more
        return data

    async def _receive(self, wire: Wire, waiting: Waiting, scope: trio.CancelScope) -> bytes:
        """Return what comes next, and be among those who wait until it does."""
        waiting[scope] = trio.current_time()
        try:
            return await wire.receive()
        finally:
            del waiting[scope]

    def _path(self, head: Head) -> str:
        """Return the path that is asked for, as it is within our own."""
        path = head.target.partition("?")[0]
        base = self._pages.base
        return path.removeprefix(base) or "/" if f"{path}/".startswith(f"{base}/") else path

    async def _answer(self, head: Head, path: str) -> Answer | None:
        """Return the answer, if nobody but the user map and the store is needed for it."""
        headers = head.headers
        if not headers.keys() <= _HEADERS or not HOST.fullmatch(headers["host"]):
            return None
        if headers.get("connection", "keep-alive").lower() != "keep-alive":
            return None
        if not self._directory.is_plain:
            return None  # somebody may have to be asked
        if head.method == "POST":
            return await self._answer_call(head.body) if path == "/RPC2" else None
        if head.body or (asked := _USER.fullmatch(path)) is None:
            return None
        if asked["online"]:
            name, users = asked["name"], self._directory.users
            return self._pages.online(name, users) if asked["tilde"] else None
        if not asked["tilde"] and path in self._paths:
            return None
        form = _choose_form(headers.get("accept", ""), headers.get("user-agent", ""))
        url = self._pages.site.url or ""
        if form is Form.JSON and not url:
            return None  # it depends on who was asked, and how
        told = await tell_user(self._pages, asked["name"], form, url, _NOBODY)
        return told if isinstance(told, Answer) else None

    async def _answer_call(self, body: bytes) -> Answer | None:
        response = await answer_reading(body, self._directory)
        return None if response is None else Answer(response, XML, headers=NEVER_KEPT)


def format_answer(answer: Answer) -> bytes:
    """Return all that is sent, as Hypercorn sends it."""
    return b"%bdate: %b\r\n\r\n%b" % (answer.head, _format_date(int(time.time())), answer.body)


@lru_cache(maxsize=1)
def _format_date(seconds: int) -> bytes:
    return format_date_time(seconds).encode()
