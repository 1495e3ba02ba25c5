"""Answers that may be long: made piece by piece, as fast as they are read and no faster.

A page of ten thousand users, or with a plan of megabytes, is made for everybody who asks, and
none of them may cost more than a piece of it, however slowly they read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import trio
from quart import Response

from trio_finger.services.web._answer import Answer, respond

SHORT: Final = 64 * 1024  # characters; what is no longer is made at once

_PIECE: Final = 16 * 1024  # characters that are made between two turns


@dataclass(frozen=True, slots=True)
class Long:
    """An answer that may be long.

    Attributes:
      pieces: its content, each made when it is asked for.
      content_type: what kind of content it is.
      headers: besides those that every answer has; names in small letters.
      turns: who makes a piece of any has one of these meanwhile.
    """

    pieces: Iterator[str]
    content_type: str
    headers: tuple[tuple[str, str], ...]
    turns: trio.CapacityLimiter

    async def take(self) -> str:
        """Return a piece that is worth sending; empty if there are no more."""
        async with self.turns:
            return take(self.pieces)


async def respond_in_pieces(long: Long) -> Response:
    """Return *long* as Quart sends it: at once if it is short, which makes it conditional, too."""
    texts: list[str] = []
    while sum(map(len, texts)) < SHORT:
        if not (text := await long.take()):
            body = "".join(texts).encode()
            return await respond(Answer(body, long.content_type, headers=long.headers))
        texts.append(text)
    content = _Content(texts, long)
    return Response(content, 200, {"content-type": long.content_type, **dict(long.headers)})


class _Content:
    """The bytes of an answer, made while it is sent."""

    def __init__(self, made: list[str], long: Long) -> None:
        self._made = made[::-1]
        self._long = long

    def __aiter__(self) -> "_Content":
        return self

    async def __anext__(self) -> bytes:
        text = self._made.pop() if self._made else await self._long.take()
        if not text:
            raise StopAsyncIteration
        return text.encode()


def cut(text: str) -> Iterator[str]:
    """Yield *text* in pieces."""
    return (text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE))


def take(pieces: Iterator[str]) -> str:
    """Return as many of *pieces* as make one that is worth sending; empty if there are none."""
    texts: list[str] = []
    length = 0
    while length < _PIECE and (text := next(pieces, None)) is not None:
        texts.append(text)
        length += len(text)
    return "".join(texts)
