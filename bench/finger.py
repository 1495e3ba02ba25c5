"""P1 and P2: what a finger query costs the server, and how long it takes.

All servers are up at the same time and take turns, a load each in a round, in another order
each round. What is compared is what they did in the same round; said is the median of that.
"""

import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from bench.load import Load, load
from bench.ours import run_ours
from bench.peers.running import (
    run_constant,
    run_fingerd,
    run_twisted,
    run_uvloop,
    why_no_fingerd,
)
from bench.process import cpu_seconds
from bench.report import Goal, Section, ratio, render, table
from bench.servers import Server
from bench.waiting import settle

USERS = 10_000
AT_ONCE = 64
# One process cannot ask as fast as some of the servers answer. What would be measured is a
# server that waits, and then wakes up for every other query.
ASKING = 2
QUERIES = 40_000  # in each load
FEW_QUERIES = 300  # of fingerd, which takes a hundred times as long
WARM_UP = 2_000
SOURCES = 1_000  # addresses that they come from: what is kept for each is kept for so many
ROUNDS = 11

OURS = "trio-finger"
LOGGING = "with access log"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a server did when it was its turn.

    Attributes:
      load: what came of the queries.
      cpu: what each cost the server, in microseconds of processor time.
    """

    load: Load
    cpu: float


Turns = dict[str, list[Turn]]


async def measure(rounds: int = ROUNDS) -> Section:
    """Return P1 and P2."""
    section = Section("P1, P2: a finger query")
    async with AsyncExitStack() as up:
        folder = Path(up.enter_context(TemporaryDirectory()))
        # Theirs is the users file of ours.
        changes = {"log": {"access": True}}
        servers = [
            await up.enter_async_context(run_ours(folder, users=USERS, name=OURS)),
            await up.enter_async_context(
                run_ours(folder / "logging", users=USERS, name=LOGGING, changes=changes)
            ),
            await up.enter_async_context(run_twisted(folder)),
            await up.enter_async_context(run_uvloop(folder)),
            await up.enter_async_context(run_constant(folder)),
        ]
        if reason := why_no_fingerd():
            section.say(f"fingerd under inetd was left out: {reason}.")
        else:
            servers.append(await up.enter_async_context(run_fingerd(folder)))
        turns = await take_turns(servers, rounds)
    section.say(
        f"{AT_ONCE} at once, a fresh TCP connection each, from {SOURCES:,} addresses, {USERS:,} "
        f"users; {rounds} rounds of {QUERIES:,} queries of each server (of fingerd "
        f"{FEW_QUERIES}), medians. Times in microseconds. The last column says how busy the "
        f"{ASKING} processes were that asked: near 100% each it is they who limit the queries "
        "a second. They and the server share the machine's processors."
    )
    section.say(*_table(turns))
    for peer, bound in (("Twisted", 0.5), ("uvloop", 1.0), ("C", 2.0)):
        measured = ratio([turn.cpu for turn in turns[OURS]], [turn.cpu for turn in turns[peer]])
        section.goals.append(Goal("P1", f"CPU time a query, against {peer}", measured, bound))
    for peer in ("uvloop", "Twisted", "C"):
        measured = ratio(*([turn.load.p99 for turn in turns[name]] for name in (OURS, peer)))
        if peer == "uvloop":
            section.goals.append(Goal("P2", f"p99, against {peer}", measured, 1.0))
        else:
            section.say(f"p99 against {peer}: {measured:.2f} x.")
    return section


async def take_turns(servers: Sequence[Server], rounds: int) -> Turns:
    """Return what each of *servers* did in each round."""
    turns: Turns = {server.name: [] for server in servers}
    for server in servers:
        await take_turn(server, WARM_UP)
    for number in range(rounds):
        first = number % len(servers)
        for server in (*servers[first:], *servers[:first]):
            turns[server.name].append(await take_turn(server, QUERIES))
        print(f"round {number + 1} of {rounds}:", _short(turns), file=sys.stderr)
    return turns


async def take_turn(server: Server, queries: int) -> Turn:
    """Return what *server* does with so many *queries*, or fewer if each is a process."""
    if "%" not in server.query:
        queries = min(queries, FEW_QUERIES)
    before = cpu_seconds(server.pid)
    done = await load(
        server,
        queries=queries,
        at_once=AT_ONCE,
        names=USERS,
        sources=SOURCES,
        processes=ASKING,
    )
    await settle(server.pid)  # what it still has to do for them is theirs, too
    return Turn(done, (cpu_seconds(server.pid) - before) / queries * 1e6)


def _short(turns: Turns) -> str:
    return ", ".join(f"{name} {done[-1].cpu:.0f} µs" for name, done in turns.items())


def _table(turns: Turns) -> list[str]:
    head = ["server", "CPU a query", "queries/s", "median", "p99", "p99.9", "longest", "load"]
    rows = []
    for name, done in turns.items():
        loads = [turn.load for turn in done]
        figures = [statistics.median(load.queries / load.seconds for load in loads)]
        for figure in ("median", "p99", "p999", "max"):
            figures.append(statistics.median(getattr(load, figure) for load in loads))
        busy = f"{statistics.median(load.busy for load in loads):.0%}"
        cpu = statistics.median(turn.cpu for turn in done)
        rows.append([name, f"{cpu:.1f}", *(f"{figure:,.0f}" for figure in figures), busy])
    return table(head, rows)


async def main() -> None:
    """Print P1 and P2; the first argument says how many rounds."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
