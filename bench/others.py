"""Others, who only want their answers while something goes on at a server."""

from typing import TypeAlias

import trio

from bench.load import Load, load
from bench.servers import Server

RATE = 500  # queries a second
AT_ONCE = 1_000  # at most

Both: TypeAlias = tuple[Load, Load]


async def ask_both(server: Server, control: Server, *, seconds: int, names: int) -> Both:
    """Return what comes of others' queries at *server*, and at *control* at the same time.

    The second is a server to which nothing happens: what it makes queries wait is the
    machine's doing.
    """
    loads: dict[Server, Load] = {}

    async def ask(one: Server) -> None:
        loads[one] = await load(
            one, queries=RATE * seconds, at_once=AT_ONCE, names=names, rate=RATE
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, server)
        nursery.start_soon(ask, control)
    return loads[server], loads[control]
