"""P3 and P4: a users file of a million lines, read again while queries come, and its memory.

Queries come on schedule and are timed from when they were due, so whoever would have come
while the server did not answer is in the figures. Meanwhile another file is renamed to where
the users file is; it counts as read when the last user's new status is shown. The server in C
is asked at the same time: what it makes queries wait is the machine's doing.
"""

import statistics
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, Signals
from tempfile import TemporaryDirectory

import trio

from bench.load import Load, load
from bench.ours import run_ours
from bench.peers.running import run_constant, run_twisted
from bench.process import highest_rss, pss, rss
from bench.report import Goal, Section, render, table
from bench.servers import Server
from bench.users import prepare_users, write_users
from bench.waiting import until

USERS = 1_000_000
ROUNDS = 3
RATE = 200  # queries a second
AT_ONCE = 2_000  # at most; so many come in ten seconds
BEFORE = 1  # second, before there is another file
AFTER = 2  # seconds, once it is shown: what it replaced has to be cleared away as well
REST = 4  # seconds of queries while nothing is read
CALM = 10  # seconds until a server that was asked all the time has let go of a file
PATIENCE = 60  # seconds until it has to be shown
NEVER = 24 * 3600  # seconds; Twisted reads when it is told to, and at no other time

OURS = "trio-finger"
PEER = "Twisted"


@dataclass(frozen=True, slots=True)
class Case:
    """What is read again.

    Attributes:
      what: in words.
      name: the server's.
      every: of so many lines one is changed; 0 if nothing is read.
    """

    what: str
    name: str
    every: int


CASES = [
    Case("Twisted, nothing is read", PEER, 0),
    Case("Twisted, every line changed", PEER, 1),
    Case("trio-finger, nothing is read", OURS, 0),
    Case("trio-finger, one line in 100 changed", OURS, 100),
    Case("trio-finger, every line changed", OURS, 1),
]


@dataclass(frozen=True, slots=True)
class Reread:
    """What came of a file's being read while queries came.

    Attributes:
      load: what came of the queries.
      control: what came of those at the server in C, at the same time.
      shown: how many seconds after the rename the file was in force.
    """

    load: Load
    control: Load
    shown: float


@dataclass(slots=True)
class Follower:
    """A server, and the users file that it follows.

    Attributes:
      server: the server.
      path: the file.
      signal: what it has to be sent to look there; nothing if it sees for itself.
      base: the version that most lines are of.
    """

    server: Server
    path: Path
    signal: Signals | None = None
    base: int = 0

    def prepare(self, version: int, every: int) -> Callable[[], None]:
        """Write a file with one line of *every* changed; return what puts it there."""
        new = prepare_users(self.path, USERS, version=version, base=self.base, every=every)
        if every == 1:
            self.base = version

        def change() -> None:
            new.replace(self.path)
            if self.signal is not None:
                self.server.process.send_signal(self.signal)

        return change


async def measure(rounds: int = ROUNDS) -> Section:
    """Return P3 and P4."""
    section = Section("P3, P4: a users file of a million lines")
    async with AsyncExitStack() as up:
        folder = Path(up.enter_context(TemporaryDirectory()))
        write_users(folder / "users", USERS)
        twisted = await up.enter_async_context(run_twisted(folder, refresh=NEVER))
        ours = await up.enter_async_context(run_ours(folder / "ours", users=USERS))
        followers = {
            PEER: Follower(twisted, folder / "users", SIGHUP),
            OURS: Follower(ours, folder / "ours/users"),
        }
        control = await up.enter_async_context(run_constant(folder))
        first = {name: _memory(one.server) for name, one in followers.items()}
        results: dict[Case, list[Reread]] = {case: [] for case in CASES}
        version = 0
        for number in range(1, rounds + 1):
            for case in CASES:
                version += 1
                one = await _reread(followers[case.name], control, version, case.every)
                results[case].append(one)
                longest = f"{one.load.max / 1000:.1f} ms, C {one.control.max / 1000:.1f} ms"
                print(f"{number} of {rounds}: {case.what}: {longest}", file=sys.stderr)
        await trio.sleep(CALM)
        again = {name: _memory(one.server) for name, one in followers.items()}
    section.say(
        f"{RATE} queries a second, begun on schedule and timed from when they were due, at "
        f"servers that know {USERS:,} users; {rounds} rounds, medians, in milliseconds. C is "
        "asked likewise at the same time: what it makes queries wait is the machine's doing."
    )
    section.say(*_waits(results))
    section.say(*_memories(first, again))
    for case in CASES:
        if case.name == OURS and case.every:
            what = f"longest wait; {case.what.partition(', ')[2]}"
            wait = statistics.median(one.load.max / 1000 for one in results[case])
            section.goals.append(Goal("P3", what, wait, 25, "ms"))
    for when, memory in (("after the first reading", first), (f"{CALM} s after the last", again)):
        ratio = memory[OURS]["RSS"] / memory[PEER]["RSS"]
        section.goals.append(Goal("P4", f"RSS {when}, against {PEER}", ratio, 1.2))
    return section


async def _reread(follower: Follower, control: Server, version: int, every: int) -> Reread:
    """Ask a server, and *control* as well, while the file is changed, unless *every* is 0."""
    server = follower.server
    change = follower.prepare(version, every) if every else None
    enough = trio.Event()
    loads: dict[Server, Load] = {}

    async def ask(one: Server) -> None:
        queries = RATE * (PATIENCE + REST)
        loads[one] = await load(
            one, queries=queries, at_once=AT_ONCE, names=USERS, rate=RATE, until=enough
        )

    async def is_shown() -> bool:
        return (await server.ask(USERS - 1)).endswith(f"version {version}\r\n")

    shown = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, server)
        nursery.start_soon(ask, control)
        await trio.sleep(BEFORE)
        if change is None:
            await trio.sleep(REST)
        else:
            began = trio.current_time()
            change()
            with trio.fail_after(PATIENCE):
                await until(is_shown)
            shown = trio.current_time() - began
            await trio.sleep(AFTER)
        enough.set()
    return Reread(loads[server], loads[control], shown)


def _waits(results: dict[Case, list[Reread]]) -> list[str]:
    head = ["", "median", "p99", "p99.9", "longest", "worst", "C", "C, worst", "shown after"]
    rows = []
    for case, done in results.items():
        figures = ("median", "p99", "p999", "max")
        times = [statistics.median(getattr(one.load, name) for one in done) for name in figures]
        times.append(max(one.load.max for one in done))
        times.append(statistics.median(one.control.max for one in done))
        times.append(max(one.control.max for one in done))
        shown = statistics.median(one.shown for one in done)
        cells = [f"{time / 1000:.1f}" for time in times]
        rows.append([case.what, *cells, f"{shown:.1f} s" if shown else ""])
    return table(head, rows)


def _memory(server: Server) -> dict[str, int]:
    return {
        "RSS": rss(server.pid),
        "PSS": pss(server.pid),
        "highest RSS": highest_rss(server.pid),
    }


def _memories(first: dict[str, dict[str, int]], again: dict[str, dict[str, int]]) -> list[str]:
    rows = [
        [f"{name}, {when}", *(f"{size / 1e6:.0f} MB" for size in memory[name].values())]
        for name in (OURS, PEER)
        for when, memory in (("first", first), ("in the end", again))
    ]
    return table(["memory", *first[OURS]], rows)


async def main() -> None:
    """Print P3 and P4; the first argument says how many rounds."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
