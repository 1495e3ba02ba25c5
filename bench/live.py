"""P8: one change, and thousands who follow the live feed: how soon the last has it.

All of them are connections of one program in C, `followers.c`. The change is made at the
control socket, and timed from before it is connected to: so the time has in it what it takes
to keep the status on disk.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import trio

from bench.building import build
from bench.load import LoadError
from bench.process import cpu_seconds, rss
from bench.report import Goal, Section, render, table
from bench.servers import Server, allow_descriptors
from bench.waiting import settle
from bench.web import run_our_web

FOLLOWERS = 5_000
SPARE = 500  # descriptors for everything else
SOURCES = 1_000  # addresses that they come from
AT_ONCE = 100  # that connect at the same time
LIMIT = 30  # seconds for all to have connected, and for all to have heard of a change
CHANGES = 11
NAME = "user0"

_KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class Heard:
    """How the followers are.

    Attributes:
      following: how many are there.
      errors: how many are not.
      first_error: what became of the first of those.
      seconds: how long this took, in all.
      heard: how many heard of the change.
      first: when the first of them did, in seconds on the clock of `time.monotonic`.
      median: when half of them had.
      last: when all had.
    """

    following: int
    errors: int
    first_error: str
    seconds: float
    heard: int
    first: float
    median: float
    last: float


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a change.

    Attributes:
      heard: how the followers were after it, times from before it was made.
      kept: after how many seconds it had been answered that it is kept.
      cpu: what it cost the server, in microseconds of processor time for each follower.
    """

    heard: Heard
    kept: float
    cpu: float


async def measure(rounds: int = CHANGES) -> Section:
    """Return P8."""
    section = Section("P8: live followers")
    count = min(FOLLOWERS, allow_descriptors() - SPARE)
    if count < FOLLOWERS:
        section.say(f"Only {count:,} descriptors are allowed here: see `ulimit -Hn`.")
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with run_our_web(folder) as server:
            control = folder / "run/setter.sock"
            await make_change(control, "before anybody follows")  # the first is slower
            await settle(server.pid)
            before = rss(server.pid)
            async with follow(server, count) as followers:
                await settle(server.pid)
                each = (rss(server.pid) - before) / count
                changes = [
                    await followers.hear(server, control, f"well, for the {number}th time")
                    for number in range(rounds)
                ]
                most = (rss(server.pid) - before) / count
    last = statistics.median(change.heard.last for change in changes)
    section.say(
        f"{count:,} followers, from {SOURCES:,} addresses, had connected and been greeted after "
        f"{followers.connected.seconds:.1f} s, {AT_ONCE} at a time. {rounds} changes, medians, in "
        "milliseconds from before the status was set. The memory is the server's own (RSS), not "
        "the kernel's for the connections: before the first change, and after the last."
    )
    section.say(*_table(changes, each, most))
    section.goals += [
        Goal("P8", f"one change, until the last of {count:,} has it", last, 0.5, "s"),
        Goal("P8", "followers", min(one.heard.following for one in changes), FOLLOWERS, "", True),
        Goal("P8", "memory for each", max(each, most) / _KILOBYTE, 64, "KiB"),
    ]
    return section


class Followers:
    """Those who follow: the program that they are, while it runs.

    Args:
      process: the program.

    Attributes:
      connected: how they were when all had connected.
    """

    connected: Heard

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._rest = b""

    async def connect(self) -> Self:
        """Wait until all are there.

        Raises:
          LoadError: not all are.
        """
        self.connected = self._check(await self._read())
        return self

    async def hear(self, server: Server, control: Path, words: str) -> Change:
        """Set a status at *control*, and wait until all have heard of it from *server*.

        Args:
          server: whom they follow.
          control: where its control socket is.
          words: what the status is; no change before had these in it.

        Raises:
          LoadError: not all have.
        """
        await self._stdin.send_all(words.encode() + b"\n")
        if (said := await self._read()) != b"listening":
            raise LoadError(f"the followers said {said!r}")
        cpu, began = cpu_seconds(server.pid), time.monotonic()
        await make_change(control, words)
        kept = time.monotonic() - began
        heard = self._check(await self._read())
        if heard.heard < self.connected.following:
            raise LoadError(f"{heard.heard} of {self.connected.following} followers heard of it")
        await settle(server.pid)
        cpu = (cpu_seconds(server.pid) - cpu) / heard.heard * 1e6
        after = replace(
            heard,
            first=heard.first - began,
            median=heard.median - began,
            last=heard.last - began,
        )
        print(f"{words}: the last after {after.last * 1000:.0f} ms", file=sys.stderr)
        return Change(after, kept, cpu)

    def _check(self, line: bytes) -> Heard:
        heard = Heard(**json.loads(line))
        if heard.errors:
            raise LoadError(f"{heard.errors} followers failed; the first: {heard.first_error}")
        return heard

    async def _read(self) -> bytes:
        """Return the next line that the program says."""
        while b"\n" not in self._rest:
            part = await self._stdout.receive_some()
            if not part:
                raise LoadError(f"the followers ended with {await self._process.wait()}")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line


@asynccontextmanager
async def follow(server: Server, count: int) -> AsyncIterator[Followers]:
    """Have *count* connections follow *server* for the length of an ``async with``.

    Raises:
      LoadError: not all of them can.
    """
    options = {"-p": server.port, "-n": count, "-c": AT_ONCE, "-s": SOURCES, "-t": LIMIT}
    words = [str(word) for option in options.items() for word in option]
    command = [str(await build("followers.c")), *words]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield await Followers(process).connect()
    finally:
        with trio.CancelScope(shield=True):
            process.kill()  # if that has no effect, it has ended
            await process.wait()


async def make_change(control: Path, words: str) -> None:
    """Set a status, and return when it is kept.

    Raises:
      LoadError: it was not.
    """
    async with await trio.open_unix_socket(str(control)) as stream:
        await stream.send_all(f"{NAME}\n{words}\n".encode())
        await stream.send_eof()
        answer = b"".join([part async for part in stream])
    if not answer.startswith(b"ok"):
        raise LoadError(f"the status was not set: {answer!r}")


def _table(changes: list[Change], each: float, most: float) -> list[str]:
    head = ["", "kept", "first", "half", "all", "longest", "CPU each", "memory each", "at the end"]
    heard = [change.heard for change in changes]
    times = [
        statistics.median(change.kept for change in changes),
        statistics.median(one.first for one in heard),
        statistics.median(one.median for one in heard),
        statistics.median(one.last for one in heard),
        max(one.last for one in heard),
    ]
    row = [
        "trio-finger",
        *(f"{seconds * 1000:,.1f}" for seconds in times),
        f"{statistics.median(change.cpu for change in changes):.0f} µs",
        f"{each / _KILOBYTE:.1f} KiB",
        f"{most / _KILOBYTE:.1f} KiB",
    ]
    return table(head, [row])


async def main() -> None:
    """Print P8; the first argument says how many changes."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
