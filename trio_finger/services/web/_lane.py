"""The lane for simple requests, which are answered before the app hears of them.

A page takes Hypercorn and Quart some two milliseconds, and this file a fraction of a tenth of
one. It knows little of HTTP, so it takes only what leaves nothing to know: a request that is
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
from typing import Final
from wsgiref.handlers import format_date_time

import trio

from trio_finger.counts import Counts
from trio_finger.net import Connection, finish
from trio_finger.protocol.accept import Form, choose_form
from trio_finger.services.web._answer import NEVER_KEPT, XML, Answer
from trio_finger.services.web._head import Head, parse_head
from trio_finger.services.web._pages import Pages
from trio_finger.services.web._user import tell_user
from trio_finger.services.web._wire import Wire
from trio_finger.services.web.xmlrpc import answer_reading
from trio_finger.sources import Asker, Directory

# How long a connection may wait for a request; and how much of that is left when a stop comes
# to who has just connected, and is owed an answer: on a reload, others take over, and nobody
# may notice. All in seconds.
_KEEP_ALIVE: Final = 15
_FIRST_AT_STOP: Final = 1

# Names that need no decoding. Others are for the app.
_USER: Final = re.compile(r"/(?P<tilde>~)?(?P<name>[A-Za-z0-9._-]+)(?P<online>/online)?")
_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")

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

# Goes on with a connection of its own kind.
Door = Callable[[Connection, Head], Awaitable[None]]


class Lane:
    """What comes on connections before the app does.

    Args:
      pages: tells of users.
      directory: who is there.
      paths: those that are not users.
      doors: who goes on with connections that ask for a path of their own.
      counts: counts what is answered.
      stop: nothing is waited for once it is set.
    """

    def __init__(
        self,
        pages: Pages,
        directory: Directory,
        paths: Collection[str],
        doors: Mapping[str, Door],
        counts: Counts,
        stop: trio.Event,
    ) -> None:
        self._pages = pages
        self._directory = directory
        self._paths = paths
        self._doors = doors
        self._counts = counts
        self._stop = stop
        # What waits for a request, and for how many seconds that goes on when a stop comes.
        self._waiting: dict[trio.CancelScope, float] = {}

    async def shorten_waiting(self) -> None:
        """Wait for the stop, and then end what waits for a request."""
        await self._stop.wait()
        for scope, grace in self._waiting.items():
            scope.deadline = min(scope.deadline, trio.current_time() + grace)

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
        if not data:
            data = await self._receive(wire, _FIRST_AT_STOP)
        while data:
            head = parse_head(data)
            if head is None:
                return data
            path = self._path(head)
            if head.method == "GET" and path in self._doors:
                await self._doors[path](stream, head)
                return None
            answer = await self._answer(head, path)
            if answer is None:
                return data
            self._counts.answered[f"{answer.code // 100}xx"] += 1
            await wire.send(format_answer(answer))
            data = await self._receive(wire, 0)
        await finish(stream)
        return None

    async def _receive(self, wire: Wire, grace: float) -> bytes:
        """Return what comes next; empty if nothing does, or the stop has come.

        Raises:
          trio.TooSlowError: who has connected does not ask for anything.
        """
        patience = grace if self._stop.is_set() else _KEEP_ALIVE
        with trio.move_on_after(patience) as scope:
            self._waiting[scope] = grace
            try:
                return await wire.receive()
            finally:
                del self._waiting[scope]
        if grace and not self._stop.is_set():
            raise trio.TooSlowError
        return b""

    def _path(self, head: Head) -> str:
        """Return the path that is asked for, as it is within our own."""
        path = head.target.partition("?")[0]
        base = self._pages.base
        return path.removeprefix(base) or "/" if f"{path}/".startswith(f"{base}/") else path

    async def _answer(self, head: Head, path: str) -> Answer | None:
        """Return the answer, if nobody but the user map and the store is needed for it."""
        headers = head.headers
        if not headers.keys() <= _HEADERS or not _HOST.fullmatch(headers["host"]):
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
        told = await tell_user(self._pages, self._directory, asked["name"], form, url, _NOBODY)
        return told if isinstance(told, Answer) else None

    async def _answer_call(self, body: bytes) -> Answer | None:
        response = await answer_reading(body, self._directory)
        return None if response is None else Answer(response, XML, headers=NEVER_KEPT)


def format_answer(answer: Answer) -> bytes:
    """Return all that is sent, as Hypercorn sends it."""
    lines = [f"HTTP/1.1 {answer.code} "]
    lines += [f"{name}: {value}" for name, value in answer.all_headers()]
    lines += [f"date: {format_date_time(time.time())}", "\r\n"]
    return "\r\n".join(lines).encode("latin-1") + answer.body
