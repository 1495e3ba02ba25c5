"""Measures ours and its peers: ``python -m bench [PART ...]``, of which ``make bench`` runs all.

What all of them come to is written to ``bench/results.md``; of a part it is only printed.
"""

from collections.abc import Sequence
from pathlib import Path

import click
import trio

from bench import crowd, finger, kept, live, machine, reread, web
from bench.load import LoadError
from bench.report import Section, goals_table, render
from bench.servers import NoAnswerError

PARTS = {
    "finger": finger.measure,
    "reread": reread.measure,
    "crowd": crowd.measure,
    "kept": kept.measure,
    "web": web.measure,
    "live": live.measure,
}
RESULTS = Path(__file__).with_name("results.md")

INTRODUCTION = """\
# How fast it is

`make bench` has measured and written this: ours and its peers, in one run on one machine, in
turn. Goals are ratios wherever there is a peer, since other machines have other times.

"""

METHOD = """\
## How it was measured

- **Load.** `bench/load.c`, one thread on epoll, on loopback. A query is a fresh TCP connection
  for a name drawn at random, and timed from before `connect()` to the end of file. Each answer is
  checked; a wrong one, a reset or a missing one ends the run. At a fixed rate queries begin on
  schedule, answered or not, and are timed from when they were due.
- **Web.** `bench/http_load.c`, likewise, over connections that are kept: of each answer the
  status, the length and what is in it are checked. It asks for so many seconds, and what is
  compared is how many were answered.
- **Followers.** `bench/followers.c`, all of them in one process: each checks its handshake and
  has been greeted before the first change is made.
- **Ours** is `trio-finger --config`, with everything on: finger with list, plan, rate and
  connection limits, setter, web, metrics and the store on disk. "With access log" has a record of
  every query written to a file, besides.
- **Twisted** is the tutorial's server (`bench/peers/twisted_finger.py`): a `LineReceiver`, a
  `Deferred`, a dictionary of bytes, the epoll reactor. **Twisted web** is its page and its
  `getUser` (`bench/peers/twisted_web.py`), which log no request. **uvloop** is an
  `asyncio.Protocol` that does nothing but a look-up. **C** answers everybody the same.
  **fingerd** is Debian's, a process a query, asked for root.
- **CPU time** is what `/proc/PID/stat` says before and after: user and system, all threads, and
  the processes that it started. The kernel's work on a packet is charged to whoever sent it.
- **Rounds.** All servers are up, and take turns in each round. Ratios are of the same round;
  what is said is their median.
"""


async def run(parts: Sequence[str], rounds: int | None) -> None:
    """Print *parts*, and write the results if they are all."""
    facts = await machine.describe()
    sections = []
    for name in parts:
        section = await _measure(name, rounds)
        sections.append(section)
        print(render(section), flush=True)
    goals = [goal for section in sections for goal in section.goals]
    summary = "\n".join(["## Goals", "", *goals_table(goals), ""])
    print(summary)
    if set(parts) == set(PARTS):
        body = "\n".join([summary, "## Machine", "", *facts, "", *map(render, sections), METHOD])
        await trio.Path(RESULTS).write_text(INTRODUCTION + body)
        print(f"Written to {RESULTS.relative_to(Path.cwd())}.")


async def _measure(name: str, rounds: int | None) -> Section:
    """Return what a part came to; a server that fails has that said of it, and no more."""
    try:
        return await (PARTS[name]() if rounds is None else PARTS[name](rounds))
    except* (LoadError, NoAnswerError, trio.TooSlowError) as errors:
        failure = Section(f"{name}: failed")
        failure.say("```", *map(repr, errors.exceptions), "```")
    return failure


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--rounds", type=int, help="Instead of as many as each part has by itself.")
def main(parts: Sequence[str], rounds: int | None) -> None:
    """Measure PARTS, or all of them, and say what they came to."""
    trio.run(run, parts or list(PARTS), rounds)


if __name__ == "__main__":
    main(prog_name="python -m bench")
