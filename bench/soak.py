"""Full load for an hour, or as many seconds as are named, and what that leaves behind.

Meanwhile a status is set and a page is read every second, and with every sample the users file
is another. A line a sample; at the end what grew, and exit code 1 if anything went unanswered
or a descriptor was left open.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from bench.load import load
from bench.ours import run_ours
from bench.process import descriptors, rss, threads
from bench.servers import Server, free_port
from bench.users import write_users

SECONDS = 3600
USERS = 10_000
BATCH = 50_000  # queries of one load
BATCH_SECONDS = 60  # that it may take
EVERY = 30  # seconds between two samples
WARM = 300  # seconds after which memory should have stopped growing
REST = 15  # seconds in which what is still open comes to its end
PATIENCE = 10  # seconds for a status to be set, or a page to be read


@dataclass
class Tally:
    """What has been done so far.

    Attributes:
      queries: how many were answered.
      others: how many statuses were set, and pages read.
      errors: what went wrong, in words, and how often.
      memory: what the server had, by the seconds since the beginning.
    """

    queries: int = 0
    others: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    memory: dict[float, int] = field(default_factory=dict)


async def soak(seconds: float) -> bool:
    """Run it, print it, and return whether all is well."""
    tally = Tally()
    with TemporaryDirectory() as name:
        folder, web = Path(name), free_port()
        changes = {"web": {"listen": [f"127.0.0.1:{web}"]}}
        async with run_ours(folder, users=USERS, changes=changes) as server:
            await load(server, queries=BATCH, names=USERS, limit=BATCH_SECONDS)
            await use_others(folder, web, Tally())
            await trio.sleep(REST)
            before = descriptors(server.pid)
            with trio.move_on_after(seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(keep_using_others, folder, web, tally)
                    nursery.start_soon(sample, server, folder, min(EVERY, seconds / 4), tally)
                    await ask(server, tally)
                    nursery.cancel_scope.cancel()
            await trio.sleep(REST)
            if server.process.poll() is not None:
                print(f"the daemon ended with {server.process.returncode}")
                return False
            after, at_end = descriptors(server.pid), rss(server.pid)
    warm_since = min(WARM, seconds / 2)
    warm = next((size for time, size in tally.memory.items() if time >= warm_since), at_end)
    print(f"queries answered:      {tally.queries:,}, and {tally.others:,} at other doors")
    print(f"errors:                {tally.errors.total()} {dict(tally.errors) or ''}")
    print(f"memory after {warm_since:5.0f} s:  {warm / 1e6:.1f} MB")
    print(f"memory in the end:     {at_end / 1e6:.1f} MB, {(at_end - warm) / 1e6:+.1f} MB")
    print(f"descriptors:           {before} before, {after} after")
    return not tally.errors and after <= before


async def ask(server: Server, tally: Tally) -> None:
    """Ask *server* without a pause, until cancelled or it is gone."""
    while server.process.poll() is None:
        done = await load(server, queries=BATCH, names=USERS, limit=BATCH_SECONDS, strict=False)
        tally.queries += done.queries
        if done.errors:
            tally.errors[done.first_error.partition(": ")[2]] += done.errors


async def keep_using_others(folder: Path, web: int, tally: Tally) -> None:
    """Use the other doors every second, until cancelled."""
    while True:
        await use_others(folder, web, tally)
        await trio.sleep(1)


async def use_others(folder: Path, web: int, tally: Tally) -> None:
    """Set a status at the control socket, and read a page."""
    number = tally.others % USERS
    try:
        with trio.fail_after(PATIENCE):
            setter = await trio.open_unix_socket(folder / "run/setter.sock")
            status = f"user{number}\nuser{number} is well, for the {tally.others}th time\n"
            answer = await _exchange(setter, status.encode())
            if not answer.startswith(b"ok"):
                tally.errors[f"setter: {answer!r}"] += 1
            page = await trio.open_tcp_stream("127.0.0.1", web)
            request = f"GET /user{number} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await _exchange(page, request.encode())
            if not answer.startswith(b"HTTP/1.1 200"):
                tally.errors[f"web: {answer[:40]!r}"] += 1
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        tally.errors[f"other doors: {error!r}"] += 1
    tally.others += 2


async def sample(server: Server, folder: Path, every: float, tally: Tally) -> None:
    """Print how *server* is, every so many seconds, and give it another users file."""
    began = trio.current_time()
    row = "{:>6} {:>10} {:>12} {:>8} {:>13} {:>7} {:>7}"
    print(row.format("time", "memory", "descriptors", "threads", "queries", "others", "errors"))
    while True:
        await trio.sleep(every)
        if server.process.poll() is not None:
            break
        seconds, pid = trio.current_time() - began, server.pid
        tally.memory[seconds] = size = rss(pid)
        counts = (f"{number:,}" for number in (tally.queries, tally.others, tally.errors.total()))
        seen = (
            f"{seconds:.0f} s",
            f"{size / 1e6:.1f} MB",
            str(descriptors(pid)),
            str(threads(pid)),
        )
        print(row.format(*seen, *counts), flush=True)
        write_users(folder / "users", USERS, version=len(tally.memory), every=2)


async def _exchange(stream: trio.SocketStream, request: bytes) -> bytes:
    async with stream:
        await stream.send_all(request)
        await stream.send_eof()
        return b"".join([part async for part in stream])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument(
        "seconds",
        nargs="?",
        type=float,
        default=SECONDS,
        metavar="SECONDS",
        help="how long (default: %(default)s)",
    )
    return not trio.run(soak, parser.parse_args().seconds)


if __name__ == "__main__":
    sys.exit(main())
