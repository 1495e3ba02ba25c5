"""P7: statuses set and kept (on disk, fsync) a second, and how soon finger shows them.

The same 64 setters, user map and file format, once with a transaction a status and once as
they are, with everything in one that was asked for meanwhile; and, to know what the disk
allows, a transaction a status from a loop that does nothing else. In turn, several times.
"""

import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from bench.report import Goal, Section, ratio, render, table
from tests.running import Running, run_daemon
from trio_finger.protocol.setter import SetRequest
from trio_finger.store import Dropped, Store, Told, open_store
from trio_finger.store._sqlite_schema import connect
from trio_finger.store._sqlite_store import write_all
from trio_finger.usermap import ANYBODY, UserMap

SETTERS = 64
HISTORY = 100  # statuses of each user, as by default
PAIRS = 5
STATUSES = 100 * SETTERS  # ours, in each pair
PLAIN_STATUSES = 30 * SETTERS
CHANGES = 300  # shown by finger, one after the other
TEXT = "Giving a tutorial now, sorry! This is number {}."


class OneByOne:
    """A store that makes a transaction of each write."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        """Keep *writes* one after the other."""
        for write in writes:
            await self._store.write([write])


async def measure(rounds: int = PAIRS) -> Section:
    """Return P7."""
    section = Section("P7: statuses that are set, and kept on disk")
    loop, single, ours = [], [], []
    for number in range(1, rounds + 1):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "trio-finger.db"
            async with open_store(f"sqlite:{path}", history=HISTORY) as store:
                single.append(await keep_from_many(UserMap(OneByOne(store)), PLAIN_STATUSES))
                ours.append(await keep_from_many(UserMap(store), STATUSES))
            loop.append(keep_one_by_one(path))
        print(f"{number} of {rounds}: {single[-1]:,.0f}, {ours[-1]:,.0f} a second", file=sys.stderr)
    rates = (
        (f"{SETTERS} setters, as they are", ours),
        (f"{SETTERS} setters, a transaction a status", single),
        ("a loop that does nothing else, a transaction a status", loop),
    )
    rows = [[what, f"{statistics.median(rate):,.0f}"] for what, rate in rates]
    section.say(f"{rounds} rounds, medians.")
    section.say(*table(["", "kept a second"], rows))
    with TemporaryDirectory() as folder:
        async with run_daemon(Path(folder)) as daemon:
            alone = await show(daemon)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(set_all_the_time, daemon)
                crowded = await show(daemon)
                nursery.cancel_scope.cancel()
    section.say("From sending a status to the end of the finger answer that shows it:")
    times = (("alone", alone), (f"beside {SETTERS - 1} setters", crowded))
    section.say(
        *table(["ms", "median", "p99"], [[name, *_quantiles(all_)] for name, all_ in times])
    )
    what = f"{SETTERS} setters, against a transaction a status"
    section.goals.append(Goal("P7", what, ratio(ours, single), 10, at_least=True))
    return section


def keep_one_by_one(path: Path) -> float:
    """Return how many statuses a second are kept by a transaction each, without Trio."""
    with closing(connect(path, "rw")) as connection:
        began = time.perf_counter()
        for number in range(PLAIN_STATUSES):
            name = f"user{number % SETTERS}"
            told = Told(name, TEXT.format(number), datetime.now(UTC), over=None)
            write_all(connection, [told], length=HISTORY)
        return PLAIN_STATUSES / (time.perf_counter() - began)


async def keep_from_many(users: UserMap, count: int) -> float:
    """Return how many statuses a second are kept for many who set at the same time."""

    async def set_own(setter: int) -> None:
        for number in range(count // SETTERS):
            await users.set(SetRequest(f"user{setter}", TEXT.format(number)), by=ANYBODY)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for setter in range(SETTERS):
            nursery.start_soon(set_own, setter)
    return count / (time.perf_counter() - began)


async def show(daemon: Running) -> list[float]:
    """Return how many milliseconds each change took until finger had shown it."""
    times = []
    for number in range(CHANGES):
        began = time.perf_counter()
        await daemon.set("moshez", f"Number {number}")
        assert await daemon.finger(b"moshez\r\n") == f"Number {number}\r\n".encode()
        times.append((time.perf_counter() - began) * 1000)
    return times


async def set_all_the_time(daemon: Running) -> None:
    """Have other users' statuses set, as fast as the daemon answers, until cancelled."""

    async def set_own(setter: int) -> None:
        while True:
            await daemon.set(f"user{setter}", TEXT.format(setter))

    async with trio.open_nursery() as nursery:
        for setter in range(SETTERS - 1):
            nursery.start_soon(set_own, setter)


def _quantiles(times: list[float]) -> list[str]:
    return [f"{statistics.median(times):.1f}", f"{statistics.quantiles(times, n=100)[-1]:.1f}"]


async def main() -> None:
    """Print P7; the first argument says how many rounds."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
