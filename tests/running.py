"""The daemon as its users have it: a process of its own, spoken to through its doors."""

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

# Nothing in a test takes this long; what does has gone wrong.
PATIENCE = 20  # seconds

TRIO_FINGER = (sys.executable, "-W", "error", "-m", "trio_finger")

# Root does not serve. Where root tests, daemons are another user's from the beginning, who
# may yet read and write wherever the tests and their folders are, and use port 79.
_CAPABILITIES = "+dac_override,+net_bind_service"
AS_USER = (
    (
        "setpriv",
        f"--reuid={pwd.getpwnam('nobody').pw_uid}",
        f"--regid={pwd.getpwnam('nobody').pw_gid}",
        "--clear-groups",
        f"--inh-caps={_CAPABILITIES}",
        f"--ambient-caps={_CAPABILITIES}",
    )
    if os.geteuid() == 0
    else ()
)
DAEMON = (*AS_USER, *TRIO_FINGER)

USERS = "moshez: Happy and well\nshawn: Alive\n"

CONFIG = """
[daemon]
grace = "5s"
[users]
file = "users"
[finger]
listen = ["127.0.0.1:0"]
[setter]
listen = ["127.0.0.1:0"]
[web]
listen = ["127.0.0.1:0"]
[log]
level = "debug"
format = "json"
"""


@dataclass
class Running:
    """A daemon that is up.

    Attributes:
      folder: where its configuration and users file are.
      process: the process.
      log: every record so far.
    """

    folder: Path
    process: trio.Process
    log: list[dict[str, Any]] = field(default_factory=list)
    _news: trio.Event = field(default_factory=trio.Event)

    def port(self, door: str) -> int:
        """Return the port on which *door* can be reached."""
        ready = next(record for record in self.log if record["event"] == "ready")
        return int(ready[door][0].rpartition(":")[2])

    @property
    def url(self) -> str:
        """The address of the web door, without a slash at its end."""
        return f"http://127.0.0.1:{self.port('web')}"

    @property
    def users_file(self) -> Path:
        """The file that this daemon follows."""
        return self.folder / "users"

    async def logged(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until *event* has been logged *count* times; return the last of them."""
        with trio.fail_after(PATIENCE):
            while True:
                found = [record for record in self.log if record["event"] == event]
                if len(found) >= count:
                    return found[count - 1]
                await self._news.wait()

    async def exchange(self, door: str, data: bytes) -> bytes:
        """Send *data* to *door* and close that side; return all that comes back."""
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream("127.0.0.1", self.port(door)) as stream:
                await stream.send_all(data)
                await stream.send_eof()
                return b"".join([chunk async for chunk in stream])

    async def finger(self, query: bytes) -> bytes:
        """Ask the finger door *query*, a whole line."""
        return await self.exchange("finger", query)

    async def set(self, name: str, status: str) -> bytes:
        """Set a status through the setter; return its answer."""
        return await self.exchange("setter", f"{name}\n{status}\n".encode())

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def _collect(self, *, task_status: trio.TaskStatus[None]) -> None:
        assert self.process.stderr is not None
        rest = b""
        async for chunk in self.process.stderr:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                record = _parse(line)
                self.log.append(record)
                if record["event"] == "ready":
                    task_status.started()
            self._news.set()
            self._news = trio.Event()


@asynccontextmanager
async def run_daemon(
    folder: Path,
    *,
    config: str = CONFIG,
    users: str | None = USERS,
    arguments: Sequence[str] = (),
    wrapper: Sequence[str] = (),
) -> AsyncIterator[Running]:
    """Run a daemon in *folder* for the length of an ``async with``; end it if it is still up.

    That it is still up, or ended with 0, is checked at the end.

    Args:
      config: its configuration.
      users: its users file; ``None`` makes none.
      arguments: its options.
      wrapper: a command that runs it, such as ``env``.
    """
    (folder / "config.toml").write_text(config)
    if users is not None:
        (folder / "users").write_text(users)
    command = [*AS_USER, *wrapper, *TRIO_FINGER, *arguments]
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(command, cwd=folder, stderr=subprocess.PIPE)
        running = Running(folder, process)
        try:
            with trio.fail_after(PATIENCE):
                await nursery.start(running._collect)
            yield running
            code = process.poll()
            if code is None:
                code = await running.stop()
            assert code == 0, running.log
        finally:
            if process.poll() is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


def _parse(line: bytes) -> dict[str, Any]:
    """Return a record; what is none, such as a traceback, is one of the event "stray"."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "stray", "line": line.decode("utf-8", "replace")}
    return record
