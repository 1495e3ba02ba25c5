"""The store that keeps what was told for as long as the daemon runs."""

from collections import deque
from collections.abc import Sequence
from heapq import nlargest
from itertools import chain
from operator import itemgetter

import trio

from trio_finger.protocol.text import fold
from trio_finger.store._interface import Dropped, Field, Past, Token, Told


class MemoryStore:
    """Keeps everything in this process alone: ``memory:``.

    Args:
      history: how many statuses of each user are remembered.
    """

    def __init__(self, history: int = 0) -> None:
        self._length = history
        self._kept: dict[tuple[str, Field], Told] = {}
        # Each with its number, which grows from one status to the next, whoever's it is.
        self._history: dict[str, deque[tuple[int, Past]]] = {}
        self._remembered = 0
        self._tokens: dict[str, Token] = {}

    async def load(self) -> list[Told]:
        await trio.lowlevel.checkpoint()
        return list(self._kept.values())

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        await trio.lowlevel.checkpoint()
        for write in writes:
            key = fold(write.name)
            if isinstance(write, Dropped):
                self._kept.pop((key, write.field), None)
                continue
            self._kept[key, write.field] = write
            if write.field == "status" and self._length and not write.unseen:
                past = self._history.setdefault(key, deque(maxlen=self._length))
                self._remembered += 1
                entry = Past(write.name, write.text, write.since, write.until)
                past.appendleft((self._remembered, entry))

    async def history(self, name: str) -> list[Past]:
        await trio.lowlevel.checkpoint()
        return [past for _, past in self._history.get(fold(name), ())]

    async def latest(self, limit: int) -> list[Past]:
        await trio.lowlevel.checkpoint()
        everything = chain.from_iterable(self._history.values())
        return [past for _, past in nlargest(limit, everything, key=itemgetter(0))]

    async def remembered(self) -> list[str]:
        await trio.lowlevel.checkpoint()
        return list(self._history)

    async def add_token(self, token: Token) -> None:
        await trio.lowlevel.checkpoint()
        self._tokens[token.id] = token

    async def find_token(self, token_id: str) -> Token | None:
        await trio.lowlevel.checkpoint()
        return self._tokens.get(token_id)

    async def tokens(self) -> list[Token]:
        await trio.lowlevel.checkpoint()
        return list(self._tokens.values())

    async def revoke_token(self, token_id: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self._tokens.pop(token_id, None) is not None
