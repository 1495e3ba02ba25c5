"""Queries by the thousand, and what came of them: `load.c` run and its figures read."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from bench.building import build
from bench.servers import Server

LIMIT = 120  # seconds that one load may take, whatever the server does


class LoadError(Exception):
    """A server that did not answer everything, and rightly."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load.

    Attributes:
      queries: how many were answered, and rightly.
      errors: how many were not.
      first_error: what became of the first of those.
      seconds: how long it took, in all.
      busy: how much of a processor the load generator itself took; near 1 for each of its
        processes the figures are as much about it as about the server.
      min: the shortest that a query took, in microseconds; the others likewise.
      max: the longest.
      median: half were faster.
      p99: and one in a hundred slower.
      p999: and one in a thousand.
    """

    queries: int
    errors: int
    first_error: str
    seconds: float
    busy: float
    min: float
    median: float
    p99: float
    p999: float
    max: float


async def load(
    server: Server,
    *,
    queries: int,
    at_once: int = 64,
    names: int,
    rate: int = 0,
    sources: int = 0,
    processes: int = 1,
    until: trio.Event | None = None,
    limit: int = LIMIT,
    strict: bool = True,
) -> Load:
    """Have *server* asked by *processes* of their own.

    Args:
      server: who is asked, what, and what a right answer is.
      queries: how many times.
      at_once: how many are under way at any time; with a rate, at most.
      names: each is for one of so many, at random.
      rate: so many a second begin on schedule, answered or not, and are timed from when
        they were due; 0 begins one when another ends.
      sources: ask from so many addresses, from 127.1.0.1 on; 0 from the usual one.
      processes: how many share all of that, in equal parts.
      until: once it is set no more are begun, however many there were to be.
      limit: it ends after so many seconds, and what has no answer then is an error.
      strict: whether an error is raised.

    Raises:
      LoadError: there was an error, and that was not to be.
    """
    options = {
        "-p": server.port,
        "-Q": server.query,
        "-A": server.answer,
        "-q": queries,
        "-c": at_once,
        "-n": names,
        "-r": rate,
        "-s": sources,
        "-j": processes,
        "-t": limit,
        "-x": int.from_bytes(os.urandom(4), "big"),
    }
    words = [str(word) for option in options.items() for word in option]
    result = Load(**json.loads(await _run([str(await build("load.c")), *words], until)))
    if strict and result.errors:
        raise LoadError(f"{server.name}: {result.errors} errors; the first: {result.first_error}")
    return result


async def _run(command: Sequence[str], until: trio.Event | None) -> bytes:
    """Return what *command* says; it is told to come to an end when *until* is set."""
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None

    async def stop() -> None:
        if until is not None:
            await until.wait()
            process.terminate()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            output = b"".join([part async for part in process.stdout])
            nursery.cancel_scope.cancel()
        if await process.wait():
            raise LoadError(f"the load generator ended with {process.returncode}")
        return output
    finally:
        with trio.CancelScope(shield=True):
            process.kill()  # if that has no effect, it has ended
            await process.wait()
