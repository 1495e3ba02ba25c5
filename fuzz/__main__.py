"""``python -m fuzz``: every target for a while, and one line on what came of each."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from fuzz.targets import NAMES

_LOGS = Path(".fuzz/log")
_PROGRESS = 60  # seconds between two reports of one target
_STATE = re.compile(r"#(\d+)\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)")
_EXECUTED = re.compile(r"stat::number_of_executed_units: (\d+)")
_ARTIFACT = re.compile(r"Test unit written to (\S+)")
_PYTHON_ERROR = re.compile(r"([A-Za-z_.]*(?:Error|Exception|Fault|Warning)\b.*)")


@dataclass(slots=True)
class Run:
    """What is known of one target's run.

    Attributes:
      executions: how many inputs were tried.
      edges: how many places in the code were reached.
      features: how many of these in distinguishable ways.
      corpus: how many inputs are worth keeping.
      found: the files of those that broke it.
      error: the last exception that was named.
      status: the exit status, once it has ended.
    """

    name: str
    executions: int = 0
    edges: int = 0
    features: int = 0
    corpus: int = 0
    found: tuple[str, ...] = ()
    error: str = ""
    status: int | None = None

    def read(self, line: str) -> None:
        """Take in a line that libFuzzer has said."""
        if state := _STATE.match(line):
            self.executions, self.edges, self.features, self.corpus = map(int, state.groups())
        elif executed := _EXECUTED.match(line):
            self.executions = int(executed[1])
        elif artifact := _ARTIFACT.search(line):
            self.found = (*self.found, artifact[1])
        elif error := _PYTHON_ERROR.match(line):
            self.error = error[1]

    def __str__(self) -> str:
        return (
            f"{self.name:<11} {self.executions:>11,} executions {self.edges:>5} edges "
            f"{self.features:>6} features {self.corpus:>5} inputs kept {len(self.found):>2} crashes"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz",
        description="Fuzz each target for a while, and say in one line what came of it.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="TARGET", help=f"which: {', '.join(NAMES)}; without one, all"
    )
    parser.add_argument("--seconds", type=int, default=600, help="how long to fuzz each target")
    parser.add_argument("--jobs", type=int, default=1, help="how many targets at once")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    _LOGS.mkdir(parents=True, exist_ok=True)
    runs = trio.run(_run_all, asked.names or NAMES, asked.seconds, asked.jobs)
    print("\nIn all:")
    for run in runs:
        print(run)
    wrong = [run for run in runs if run.status]
    for run in wrong:
        _explain(run)
    return 1 if wrong else 0


async def _run_all(names: Sequence[str], seconds: int, jobs: int) -> list[Run]:
    runs = [Run(name) for name in names]
    limiter = trio.CapacityLimiter(jobs)
    async with trio.open_nursery() as nursery:
        for run in runs:
            # In their order, which a nursery alone does not promise.
            await nursery.start(_run_one, run, seconds, limiter)
    return runs


async def _run_one(
    run: Run,
    seconds: int,
    limiter: trio.CapacityLimiter,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    async with limiter:
        task_status.started()
        _say(f"{run.name}: {seconds} s")
        command = [sys.executable, "-u", "-m", "fuzz.one", run.name, "--seconds", str(seconds)]
        start = partial(
            trio.run_process,
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONHASHSEED": "0"},  # or a file would not break it again
        )
        async with trio.open_nursery() as nursery:
            process = await nursery.start(start)
            nursery.start_soon(_report, run)
            await _listen(run, process.stdout)
            run.status = await process.wait()
            nursery.cancel_scope.cancel()
        _say(f"{run}{'' if not run.status else '  FAILED'}")


async def _listen(run: Run, output: trio.abc.ReceiveStream) -> None:
    """Follow what libFuzzer says, and keep it."""
    rest = b""
    with (_LOGS / f"{run.name}.txt").open("wb") as log:
        async for chunk in output:
            log.write(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                run.read(line.decode("utf-8", "replace"))


async def _report(run: Run) -> None:
    while True:
        await trio.sleep(_PROGRESS)
        _say(str(run))


def _explain(run: Run) -> None:
    """Say what broke a target and how to see that again."""
    print(f"\n{run.name}: {run.error or 'it ended'} (status {run.status})")
    python = os.path.relpath(sys.executable)
    for file in run.found:
        print(f"  {file}\n  again: {python} -m fuzz.one {run.name} {file}")
    print(f"  all of it: {_LOGS / run.name}.txt")


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
