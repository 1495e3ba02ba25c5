"""A thousand who never finish a query, and what others notice of them.

Each sends a byte a second for as long as it is let, and connects again at once when it is
cut off. Once they all begin at the same moment, so that all of them are cut off at the same
moment, too; and once one after the other, as strangers would.
"""

from functools import partial
from pathlib import Path

import trio

from bench.others import RATE, Both, ask_both
from bench.ours import run_ours
from bench.process import cpu_seconds
from bench.report import table
from bench.servers import Server

USERS = 10_000
SLOW = 1_000
SPREAD = 10  # seconds over which those begin who do not begin all at once
QUIET = 5  # seconds, before
SECONDS = 25  # long enough for each to be cut off twice


async def besiege(folder: Path, control: Server) -> list[str]:
    """Return what came of it, in Markdown."""
    rows: list[list[str]] = []
    for spread, words in ((0, "while, all at once"), (SPREAD, "while, spread")):
        async with run_ours(folder / f"slow-{spread}", users=USERS) as server:
            before = await ask_both(server, control, seconds=QUIET, names=USERS)
            with trio.CancelScope() as siege:
                async with trio.open_nursery() as slow:
                    cuts = Cuts()
                    for number in range(SLOW):
                        wait = spread * number / SLOW
                        slow.start_soon(partial(drip, server, number, after=wait, cuts=cuts))
                    await trio.sleep(spread)
                    began = cpu_seconds(server.pid)
                    meanwhile = await ask_both(server, control, seconds=SECONDS, names=USERS)
                    share = (cpu_seconds(server.pid) - began) / meanwhile[0].seconds
                    siege.cancel()
            if not rows:
                rows.append([*_row("before", before), "", ""])
            rows.append([*_row(words, meanwhile), f"{cuts.count:,}", f"{share:.0%}"])
    times = ["median", "p99", "p99.9", "longest", "C p99", "C longest"]
    head = ["others' queries, ms", *times, "cut off", "processor"]
    return [
        f"{SLOW:,} connections, each from its own address, send a byte a second and connect "
        f"again when they are cut off, after 10 s; others ask {RATE} times a second, for "
        f"{SECONDS} s, and C at the same time:",
        "",
        *table(head, rows),
    ]


class Cuts:
    """How often somebody was cut off."""

    count = 0


async def drip(server: Server, number: int, *, after: float, cuts: Cuts) -> None:
    """Send a query that never ends, a byte a second, again and again."""
    await trio.sleep(after)
    source = f"127.2.{number // 250}.{number % 250 + 1}"
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", server.port, local_address=source)
            async with stream:
                while True:
                    await stream.send_all(b"u")
                    await trio.sleep(1)
        except (OSError, trio.BrokenResourceError):
            cuts.count += 1


def _row(words: str, both: Both) -> list[str]:
    server, control = both
    times = (server.median, server.p99, server.p999, server.max, control.p99, control.max)
    return [words, *(f"{time / 1000:.1f}" for time in times)]
