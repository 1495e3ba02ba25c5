"""The finger client: one line out, everything until the end of the input in."""

from collections.abc import Sequence

import trio

from trio_finger.net import connect_error
from trio_finger.protocol.finger import format_query
from trio_finger.protocol.target import Target

MAX_ANSWER = 16 * 1024 * 1024  # bytes; a list of a hundred thousand users has some 8 MB
_CHUNK = 64 * 1024


class QueryError(Exception):
    """A server that could not be asked; ``str()`` of it says which, and why."""


async def ask(target: Target) -> bytes:
    """Return what *target* answers; how long that may take is for the caller to say.

    Raises:
      QueryError: it could not be reached, went away, or did not stop.
    """
    answer = bytearray()
    try:
        async with await trio.open_tcp_stream(target.host, target.port) as stream:
            await stream.send_all(format_query(target.query))
            while data := await stream.receive_some(_CHUNK):
                answer += data
                if len(answer) > MAX_ANSWER:
                    raise QueryError(f"{target}: the answer does not end")
    except trio.BrokenResourceError:
        raise QueryError(f"{target}: the connection broke") from None
    except OSError as error:
        raise QueryError(f"{target}: {connect_error(error)}") from None
    return bytes(answer)


async def ask_all(targets: Sequence[Target], seconds: float) -> list[bytes | QueryError]:
    """Ask *targets*, all at once, and return what came of each, in their order.

    Args:
      targets: what to ask, and whom.
      seconds: how long each may take, from connecting to the end of the answer.
    """
    results: list[bytes | QueryError] = [b""] * len(targets)

    async def ask_one(number: int, target: Target) -> None:
        try:
            with trio.fail_after(seconds):
                results[number] = await ask(target)
        except trio.TooSlowError:
            results[number] = QueryError(f"{target}: no whole answer within {seconds:g} seconds")
        except QueryError as error:
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, target in enumerate(targets):
            nursery.start_soon(ask_one, number, target)
    return results
