"""P5 and P6: how many pages, and answers to XML-RPC's ``getUser``, are given a second.

Ours and Twisted web are both up, and take turns in pairs: in one ours is first, in the next
Twisted. What is compared is what they did in the same pair; said is the median of that.
"""

import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from xmlrpc.client import dumps

import trio

from bench.building import build
from bench.load import Load, LoadError
from bench.ours import run_ours
from bench.peers.running import run_twisted_web
from bench.process import cpu_seconds
from bench.report import Goal, Section, ratio, render, table
from bench.servers import Server, free_port
from bench.waiting import settle, until

USERS = 10_000
AT_ONCE = 32  # connections, with a request under way on each at any time
SECONDS = 2.0  # of requests, each time
WARM_UP = 0.5
PAIRS = 5
START = 20  # seconds until the web door has to answer, once finger does
PATIENCE = 10  # seconds without any answer, after which a load has failed

OURS, PEER = "trio-finger", "Twisted web"
TIMES = ("median", "p99", "max")  # of a load, as they stand in the table


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of request.

    Attributes:
      name: what it is called in tables.
      path: where it goes, with ``%`` where the number of a user goes; the others likewise.
      answer: what has to be in the answer.
      body: what is posted; nothing for a GET.
    """

    name: str
    path: str
    answer: str
    body: str = ""


PAGE = Kind("GET /NAME", "/user%", "<h1>user%</h1><p>user% is well and happy")
CALL = Kind(
    "XML-RPC getUser", "/RPC2", "<string>user% is well and happy", dumps(("user%",), "getUser")
)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a server did when it was its turn.

    Attributes:
      load: what came of the requests.
      connections: how many were opened for them, those included that a server had closed.
      cpu: what each cost the server, in microseconds of processor time.
    """

    load: Load
    connections: int
    cpu: float

    @property
    def rate(self) -> float:
        """How many were answered a second."""
        return self.load.queries / self.load.seconds


Turns = dict[str, list[Turn]]


async def measure(rounds: int = PAIRS) -> Section:
    """Return P5 and P6."""
    section = Section("P5, P6: pages, and XML-RPC")
    async with AsyncExitStack() as up:
        folder = Path(up.enter_context(TemporaryDirectory()))
        # Theirs is the users file of ours.
        ours = await up.enter_async_context(run_our_web(folder))
        servers = (ours, await up.enter_async_context(run_twisted_web(folder)))
        turns = {kind: await take_turns(servers, kind, rounds) for kind in (PAGE, CALL)}
    section.say(
        f"{AT_ONCE} connections that are kept, a request under way on each, {USERS:,} users; "
        f"{rounds} pairs, {SECONDS:g} s of each server in each, medians. Times in microseconds. "
        "The last columns say how many connections were opened, and how busy the process was "
        "that asked."
    )
    section.say(*_table(turns))
    for key, kind, bound in (("P5", PAGE, 1), ("P5, then", PAGE, 3), ("P6", CALL, 1)):
        rates = ([turn.rate for turn in turns[kind][name]] for name in (OURS, PEER))
        what = f"{kind.name}: requests a second, against {PEER}"
        section.goals.append(Goal(key, what, ratio(*rates), bound, at_least=True))
    return section


@asynccontextmanager
async def run_our_web(folder: Path) -> AsyncIterator[Server]:
    """Run our daemon, on files in *folder*, for who asks its web door."""
    port = free_port()
    changes = {"web": {"listen": [f"127.0.0.1:{port}"]}}
    async with run_ours(folder, users=USERS, name=OURS, changes=changes) as finger:
        query, answer = "GET /user% HTTP/1.0\r\n", "HTTP/1.1 200 "
        web = replace(finger, port=port, query=query, answer=answer)
        with trio.fail_after(START):
            await until(web.answers_rightly)
        yield web


async def take_turns(servers: Sequence[Server], kind: Kind, pairs: int) -> Turns:
    """Return what each of *servers* did in each pair."""
    turns: Turns = {server.name: [] for server in servers}
    for server in servers:
        await take_turn(server, kind, WARM_UP)
    for number in range(pairs):
        for server in servers if number % 2 == 0 else reversed(servers):
            turns[server.name].append(await take_turn(server, kind, SECONDS))
        said = ", ".join(f"{name} {done[-1].rate:,.0f}/s" for name, done in turns.items())
        print(f"{kind.name}, {number + 1} of {pairs}: {said}", file=sys.stderr)
    return turns


async def take_turn(server: Server, kind: Kind, seconds: float) -> Turn:
    """Return what *server* does in so many *seconds*.

    Raises:
      LoadError: it did not answer everything, and rightly.
    """
    before = cpu_seconds(server.pid)
    load, connections = await _ask(server, kind, seconds)
    await settle(server.pid)  # what it still has to do for them is theirs, too
    return Turn(load, connections, (cpu_seconds(server.pid) - before) / load.queries * 1e6)


async def _ask(server: Server, kind: Kind, seconds: float) -> tuple[Load, int]:
    options = {
        "-p": server.port,
        "-c": AT_ONCE,
        "-n": USERS,
        "-s": seconds,
        "-t": PATIENCE,
        "-x": int.from_bytes(os.urandom(4), "big"),
        "-P": kind.path,
        "-A": kind.answer,
    }
    if kind.body:
        options["-B"] = kind.body
    words = [str(word) for option in options.items() for word in option]
    command = [str(await build("http_load.c")), *words]
    done = await trio.run_process(command, capture_stdout=True, check=False)
    if done.returncode:
        raise LoadError(f"the load generator ended with {done.returncode}")
    figures = json.loads(done.stdout)
    connections: int = figures.pop("connections")
    load = Load(**figures)
    if load.errors or not load.queries:
        raise LoadError(f"{server.name}: {load.errors} errors; the first: {load.first_error}")
    return load, connections


def _table(turns: dict[Kind, Turns]) -> list[str]:
    head = ["", "requests/s", "CPU a request", "median", "p99", "longest", "opened", "load"]
    rows = []
    for kind, all_ in turns.items():
        for name, done in all_.items():
            loads = [turn.load for turn in done]
            figures = [
                statistics.median(turn.rate for turn in done),
                statistics.median(turn.cpu for turn in done),
                *(statistics.median(getattr(load, key) for load in loads) for key in TIMES),
                statistics.median(turn.connections for turn in done),
            ]
            busy = f"{statistics.median(load.busy for load in loads):.0%}"
            words = (f"{figure:,.0f}" for figure in figures)
            rows.append([f"{kind.name}, {name}", *words, busy])
    return table(head, rows)


async def main() -> None:
    """Print P5 and P6; the first argument says how many pairs."""
    print(render(await measure(*map(int, sys.argv[1:2]))))


if __name__ == "__main__":
    trio.run(main)
