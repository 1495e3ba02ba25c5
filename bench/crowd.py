"""P10: ten thousand connections that say nothing, and what others notice of them.

The idle ones have each sent one byte of a query, or the kernel could hold them back and the
server would not know of them.
"""

import resource
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from bench.others import RATE, Both, ask_both
from bench.ours import run_ours
from bench.peers.running import run_constant, run_twisted
from bench.process import descriptors, rss
from bench.report import Goal, Section, render, table
from bench.servers import Server
from bench.slow import besiege
from bench.waiting import settle, until

USERS = 10_000
IDLE = 10_000
ROUNDS = 3
SECONDS = 4  # of others' queries, each time
BEFORE = 0.5  # second of queries before all of them leave
ACCEPT = 20  # seconds until the server must have taken all connections in
UNCHANGED = 1.25  # what a ratio may be and count as the noise of the machine

OURS = "trio-finger"


@dataclass(frozen=True, slots=True)
class Crowd:
    """What a crowd came to.

    Attributes:
      held: how many idle connections the server had.
      each: how much its memory grew for each, in bytes.
      before: what came of others' queries before.
      meanwhile: while they were there.
      leaving: and while all of them left at the same moment.
    """

    held: int
    each: float
    before: Both
    meanwhile: Both
    leaving: Both


async def measure(rounds: int = ROUNDS) -> Section:
    """Return P10."""
    section = Section("P10: crowds")
    count = min(IDLE, _raise_limit() - 500)
    if count < IDLE:
        section.say(f"Only {count:,} descriptors are allowed here: see `ulimit -Hn`.")
    results: dict[str, list[Crowd]] = {}
    async with AsyncExitStack() as up:
        folder = Path(up.enter_context(TemporaryDirectory()))
        control = await up.enter_async_context(run_constant(folder))
        patient = {"finger": {"timeout": "1h"}}
        for server in (
            await up.enter_async_context(run_ours(folder, users=USERS, name=OURS, changes=patient)),
            await up.enter_async_context(run_twisted(folder)),
        ):
            results[server.name] = [await _crowd(server, control, count) for _ in range(rounds)]
            last = results[server.name][-1]
            print(f"{server.name}: {last.held} held, {last.each:.0f} bytes", file=sys.stderr)
        siege = await besiege(folder, control)
    section.say(
        f"{count:,} idle connections are opened, held and all closed at once, {rounds} times; "
        f"others ask {RATE} times a second, timed from when that was due, and before each round "
        "the server has come to rest. Medians, in milliseconds; C is asked at the same time, and "
        "what it makes queries wait is the machine's doing. The memory is the server's own (RSS) "
        "of the first time, before there is any to be used again."
    )
    section.say(*_table(results))
    section.say(*siege)
    ours = results[OURS]
    change = statistics.median(one.meanwhile[0].p99 / one.before[0].p99 for one in ours)
    section.goals += [
        Goal("P10", "idle connections held", min(one.held for one in ours), IDLE, "", True),
        Goal("P10", "memory for each", ours[0].each / 1024, 8, "KiB"),
        Goal("P10", "p99 of others, while against before", change, UNCHANGED),
    ]
    return section


async def _crowd(server: Server, control: Server, count: int) -> Crowd:
    """Have *count* connections held by *server*."""
    await settle(server.pid)
    before = await ask_both(server, control, seconds=SECONDS, names=USERS)
    await settle(server.pid)
    open_before, memory = descriptors(server.pid), rss(server.pid)

    async def is_full() -> bool:
        return descriptors(server.pid) - open_before >= count

    leaving: list[Both] = []

    async def ask() -> None:
        leaving.append(await ask_both(server, control, seconds=SECONDS, names=USERS))

    async with trio.open_nursery() as nursery, hold(server, count):
        with trio.move_on_after(ACCEPT):
            await until(is_full)
        await settle(server.pid)
        held = descriptors(server.pid) - open_before
        each = (rss(server.pid) - memory) / max(held, 1)
        meanwhile = await ask_both(server, control, seconds=SECONDS, names=USERS)
        held = min(held, descriptors(server.pid) - open_before)
        nursery.start_soon(ask)
        await trio.sleep(BEFORE)
    return Crowd(held, each, before, meanwhile, *leaving)


@asynccontextmanager
async def hold(server: Server, count: int) -> AsyncIterator[None]:
    """Hold *count* connections to *server*, a byte of a query sent on each."""
    with ExitStack() as held:
        for _ in range(count):
            connection = held.enter_context(trio.socket.socket())
            await connection.connect(("127.0.0.1", server.port))
            await connection.send(b"u")
        yield


def _table(results: dict[str, list[Crowd]]) -> list[str]:
    head = ["server", "held", "memory for each", "others", "p99", "longest", "C p99", "C longest"]
    rows = []
    for name, crowds in results.items():
        first = [name, f"{min(one.held for one in crowds):,}", f"{crowds[0].each / 1024:.1f} KiB"]
        for when in ("before", "meanwhile", "leaving"):
            both: list[Both] = [getattr(crowd, when) for crowd in crowds]
            times = [
                statistics.median(getattr(one[place], figure) for one in both) / 1000
                for place in (0, 1)
                for figure in ("p99", "max")
            ]
            rows.append([*first, when, *(f"{time:.1f}" for time in times)])
            first = ["", "", ""]
    return table(head, rows)


def _raise_limit() -> int:
    """Allow this process, and the servers that it starts, as many descriptors as it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


async def main() -> None:
    """Print P10; the first argument says how many rounds."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
