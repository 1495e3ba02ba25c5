"""A server for the length of an ``async with``: any that answers a line, and closes."""

import resource
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from bench.waiting import until

START = 60  # seconds until it has to answer, with a million users to read
STOP = 10  # seconds until it has to have ended


class NoAnswerError(Exception):
    """A server that did not come up; ``str()`` of it has its last words."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up.

    Attributes:
      name: what it is called in tables.
      process: it; what it started itself ends with it.
      port: where it answers, on loopback.
      query: what it is asked, with ``%`` where the number of a user goes.
      answer: how it has to answer.
    """

    name: str
    process: trio.Process
    port: int
    query: str
    answer: str

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self.process.pid

    async def ask(self, number: int = 0) -> str:
        """Return its answer to the query for user *number*, or nothing if there is none."""
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                await stream.send_all(self.query.replace("%", str(number)).encode() + b"\r\n")
                return b"".join([part async for part in stream]).decode()
        except (OSError, trio.BrokenResourceError):
            return ""

    async def answers_rightly(self) -> bool:
        """Return whether it answers the query for the first user as it has to."""
        return (await self.ask()).startswith(self.answer.replace("%", "0"))


def allow_descriptors() -> int:
    """Allow this process, and what it starts, as many descriptors as it may; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def free_port() -> int:
    """Return a port that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def run_server(
    name: str,
    command: Sequence[str],
    port: int,
    *,
    folder: Path,
    query: str = "user%",
    answer: str = "user% ",
) -> AsyncIterator[Server]:
    """Run *command*, which shall answer at *port*; what it says goes to a file in *folder*.

    Raises:
      NoAnswerError: it ended, or has not answered within `START` seconds.
    """
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = await trio.lowlevel.open_process(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    server = Server(name, process, port, query, answer)

    async def answers_or_ended() -> bool:
        return process.poll() is not None or await server.answers_rightly()

    try:
        with trio.move_on_after(START) as patience:
            await until(answers_or_ended)
        if patience.cancelled_caught or process.poll() is not None:
            raise NoAnswerError(f"{name} does not answer:\n{log.read_text()[-2000:]}")
        yield server
    finally:
        with trio.CancelScope(shield=True):
            process.terminate()
            with trio.move_on_after(STOP):
                await process.wait()
            process.kill()  # if that has no effect, it has ended
            await process.wait()
