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
from xmlrpc.client import ServerProxy

import trio

from tests.forking import Forked, fork_daemon

# Nothing in a test takes this long; what does has gone wrong.
PATIENCE = 20  # seconds

_PYTHON = (sys.executable, "-W", "error")
TRIO_FINGER = (*_PYTHON, "-m", "trio_finger")

# With this in the environment every daemon is started from nothing, which takes longer.
FRESH = "TRIO_FINGER_FRESH"
_ALL_FRESH = FRESH in os.environ or sys.platform != "linux"

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
rate = "off"
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
      code: the exit code that is expected of it in the end.
    """

    folder: Path
    process: trio.Process | Forked
    log: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0
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

    @property
    def control(self) -> Path:
        """Where its control socket is by default."""
        return self.folder / "run/setter.sock"

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
            return await _exchange(await trio.open_tcp_stream("127.0.0.1", self.port(door)), data)

    async def finger(self, query: bytes) -> bytes:
        """Ask the finger door *query*, a whole line."""
        return await self.exchange("finger", query)

    async def set(self, name: str, status: str) -> bytes:
        """Set a status through the setter; return its answer."""
        return await self.exchange("setter", f"{name}\n{status}\n".encode())

    async def set_locally(self, data: bytes) -> bytes:
        """Send *data*, a whole request, to the control socket; return its answer."""
        with trio.fail_after(PATIENCE):
            return await _exchange(await trio.open_unix_socket(str(self.control)), data)

    async def call(self, method: str, *arguments: object, user: str = "") -> Any:
        """Call an XML-RPC method, as *user* if there is one (``NAME:TOKEN``)."""
        url = self.url.replace("//", f"//{user}@") if user else self.url

        def call() -> Any:
            with ServerProxy(f"{url}/RPC2", use_builtin_types=True) as server:
                return getattr(server, method)(*arguments)

        with trio.fail_after(PATIENCE):
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        with trio.fail_after(PATIENCE):
            return await self.process.wait()

    async def kill(self) -> None:
        """End it with SIGKILL, as is expected of it from now on."""
        self.code = -signal.SIGKILL
        await self.stop(signal.SIGKILL)

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
    as_user: Sequence[str] = AS_USER,
    program: Sequence[str] = TRIO_FINGER,
) -> AsyncIterator[Running]:
    """Run a daemon in *folder* for the length of an ``async with``; end it if it is still up.

    That it is still up, or ended with 0 (see `Running.code`), is checked at the end. Where
    nothing is said of how it is started, it is forked (see `tests.forking`).

    Args:
      config: its configuration.
      users: its users file; ``None`` makes none.
      arguments: its options.
      wrapper: a command that runs it, such as ``env``.
      as_user: what makes it another user's; nothing, where root shall start it.
      program: the daemon itself.
    """
    (folder / "config.toml").write_text(config)
    if users is not None:
        (folder / "users").write_text(users)
    process: trio.Process | Forked
    async with trio.open_nursery() as nursery:
        if wrapper or (as_user, program) != (AS_USER, TRIO_FINGER) or _ALL_FRESH:
            command = [*as_user, *wrapper, *program, *arguments]
            process = await trio.lowlevel.open_process(command, cwd=folder, stderr=subprocess.PIPE)
        else:
            process = await fork_daemon([*AS_USER, *_PYTHON], folder, arguments)
        running = Running(folder, process)
        try:
            with trio.fail_after(PATIENCE):
                await nursery.start(running._collect)
            yield running
            code = process.poll()
            if code is None:
                code = await running.stop()
            assert code == running.code, running.log
        finally:
            if process.poll() is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()


async def run_in_vain(folder: Path) -> str:
    """Run a daemon in *folder* that does not start: exit code 1; return the reason."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(DAEMON, cwd=folder, capture_stderr=True, check=False)
    assert done.returncode == 1, done.stderr
    *log, reason = done.stderr.decode().splitlines()
    assert not {"ready", "stray"} & {_parse(line.encode())["event"] for line in log}, log
    return reason


async def _exchange(stream: trio.SocketStream, data: bytes) -> bytes:
    """Send *data* and close that side; return all that comes back."""
    async with stream:
        await stream.send_all(data)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


def _parse(line: bytes) -> dict[str, Any]:
    """Return a record; what is none, such as a traceback, is one of the event "stray"."""
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": "stray", "line": line.decode("utf-8", "replace")}
    return record
