"""The live doors: whoever asks for one is told of every change, from the moment it is kept.

Each follower takes a small task and no more: with thousands of them, what the app takes for a
WebSocket would be a second for each change. So these doors are served before the app (see
`trio_finger.services.web._lane`), and the app knows nothing of them.
"""

from collections.abc import Collection
from typing import Final

import trio

from trio_finger.net import Connection, Gate, finish, peer_host, peer_name, send_in_pieces
from trio_finger.protocol.forwarded import Claims, Proxy, find_client
from trio_finger.services.web._answer import Answer, plain
from trio_finger.services.web._events import EventStream, format_head
from trio_finger.services.web._head import Head
from trio_finger.services.web._lane import format_answer
from trio_finger.services.web._live_follower import Follower
from trio_finger.services.web._live_hub import Hub
from trio_finger.services.web._live_request import WantedError, parse_wanted
from trio_finger.services.web._origin import is_foreign
from trio_finger.services.web._websocket import WebSocket, shake_hands
from trio_finger.usermap import UserMap

MOST_FOLLOWERS: Final = 10_000

_CLOSE: Final = ("connection", "close")


class Live:
    """Both live doors.

    Args:
      users: what is told.
      names: what browsers may call us, casefolded.
      gate: counts and logs, as for all connections of the web door.
      proxies: who is believed in what they say of a client.
      limit: how many may follow at once.

    Attributes:
      following: how many follow just now.
    """

    def __init__(
        self,
        users: UserMap,
        names: Collection[str],
        gate: Gate,
        proxies: Collection[Proxy] = (),
        *,
        limit: int = MOST_FOLLOWERS,
    ) -> None:
        self._hub = Hub(users, {WebSocket.beat_seconds, EventStream.beat_seconds})
        self._names = names
        self._gate = gate
        self._proxies = proxies
        self._limit = limit
        self.following = 0

    async def run(self, stop: trio.Event) -> None:
        """Tell followers what changes until *stop*, and then have all of them go."""
        await self._hub.run(stop)

    async def websocket(self, stream: Connection, head: Head) -> None:
        """Serve a follower who asks for ``/live`` on *stream*; it is the caller's to close.

        Raises:
          trio.BrokenResourceError: they went away before they were one.
          trio.TooSlowError: they were sent away.
        """
        accepted = shake_hands(head)
        if isinstance(accepted, bytes):
            await self._serve(WebSocket, accepted, stream, head)
        else:
            await self._refuse(stream, accepted)

    async def events(self, stream: Connection, head: Head) -> None:
        """Serve one who asks for ``/live.sse``, likewise."""
        await self._serve(EventStream, format_head(), stream, head)

    async def _serve(
        self, kind: type[Follower], accepted: bytes, stream: Connection, head: Head
    ) -> None:
        if self._is_foreign(stream, head):
            damper = self._gate.damper
            path, words = head.target.partition("?")[0], "another site may not listen here"
            peer = self._find_client(stream, head)
            damper.say(damper.log.warning, "denied", peer=peer, path=path, reason=words)
            await self._refuse(stream, plain(words, 403, _CLOSE))
            return
        try:
            wanted = parse_wanted(head)
        except WantedError as error:
            await self._refuse(stream, plain(str(error), 400, _CLOSE))
            return
        if self.following >= self._limit:
            later = ("retry-after", "30")
            await self._refuse(stream, plain("too many follow already", 503, _CLOSE, later))
            return
        self._count(kind.code)
        self.following += 1
        try:
            await send_in_pieces(stream, accepted)
            await self._hub.serve(kind(stream, wanted.keys), wanted.since)
        finally:
            self.following -= 1

    def _is_foreign(self, stream: Connection, head: Head) -> bool:
        return is_foreign(
            head.headers.get("origin"),
            head.headers.get("sec-fetch-site"),
            head.headers["host"],
            secure=isinstance(stream, trio.SSLStream),
            names=self._names,
        )

    def _find_client(self, stream: Connection, head: Head) -> str:
        """Return who it is, for the log, as a proxy may have said."""
        names = ("x-forwarded-for", "x-forwarded-proto", "forwarded")
        claims = Claims(*(head.headers.get(name, "") for name in names))
        found = find_client(peer_host(stream), claims, self._proxies)
        return peer_name(stream) if found.client is None else str(found.client)

    async def _refuse(self, stream: Connection, answer: Answer) -> None:
        self._count(answer.code)
        await send_in_pieces(stream, format_answer(answer))
        await finish(stream)

    def _count(self, code: int) -> None:
        self._gate.counts.answered[f"{code // 100}xx"] += 1
