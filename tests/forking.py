"""Daemons that start at once: forked from a process that has imported all they need.

Most of the second that a daemon takes to be ready is Python reading our libraries, the same
ones each time. Here one process, the *parent*, does that once and then waits; each daemon
that is asked for is a fork of it, which goes on as ``python -m trio_finger`` would: with
descriptors, a folder, an environment and arguments of its own, and as a process of its own
to signal, to look into and to wait for.

This file is also the program that the parent runs.
"""

import atexit
import functools
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

_MAX_REQUEST = 1 << 17  # bytes; nearly all of it is the environment
_GONE = "the parent of all daemons is gone"


@dataclass(eq=False)
class Forked:
    """A daemon, with what tests use of a `trio.Process`.

    Attributes:
      pid: its process.
      stderr: what it says.
      returncode: how it ended, when that is known.
    """

    pid: int
    stderr: trio.lowlevel.FdStream
    _end: socket.socket
    returncode: int | None = None
    _waiting: trio.Lock = field(default_factory=trio.Lock)

    def poll(self) -> int | None:
        """Return how it ended, or ``None`` while it has not."""
        if self.returncode is None:
            try:
                code = self._end.recv(64)
            except BlockingIOError:
                return None
            self._end.close()
            assert code, _GONE
            self.returncode = int(code)
        return self.returncode

    async def wait(self) -> int:
        """Wait until it has ended, and return how."""
        async with self._waiting:
            while (code := self.poll()) is None:
                await trio.lowlevel.wait_readable(self._end)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


async def fork_daemon(python: Sequence[str], folder: Path, arguments: Sequence[str]) -> Forked:
    """Start a daemon in *folder* with *arguments*.

    Args:
      python: the command that starts the interpreter, as the user that it shall be.
    """
    parent = _parent(tuple(python))
    request = {"folder": str(folder), "environment": {**os.environ}, "arguments": [*arguments]}
    end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    stderr = trio.lowlevel.FdStream(reader)
    try:
        with theirs:
            descriptors = [0, 1, writer, theirs.fileno()]
            socket.send_fds(parent, [json.dumps(request).encode()], descriptors)
        end.setblocking(False)
        with trio.CancelScope(shield=True):  # a daemon that nobody knows would stay for ever
            await trio.lowlevel.wait_readable(end)
        pid = end.recv(64)
        assert pid, _GONE
        return Forked(int(pid), stderr, end)
    except BaseException:
        end.close()
        await stderr.aclose()
        raise
    finally:
        os.close(writer)


@functools.cache
def _parent(python: tuple[str, ...]) -> socket.socket:
    """Start the parent, which ends when nobody can ask it for anything any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # Without -P this file's folder is searched for modules, too.
        command = [*python, "-P", __file__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd="/")

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# What follows is of the parent and of the daemons.


def _wait_for_requests(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for every request, and say how each fork ends.

    Returns:
      In a fork the request; ``None`` at the end.
    """
    with closing(selectors.DefaultSelector()) as selector:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    _report(*key.data)
                    continue
                data, descriptors, _, _ = socket.recv_fds(requests, _MAX_REQUEST, 4)
                if not data:
                    return None
                *standard, end = descriptors
                pid = os.fork()
                if not pid:
                    _leave_to_others(selector, [requests.detach(), end])
                    for number, descriptor in enumerate(standard):
                        os.dup2(descriptor, number)
                        os.close(descriptor)
                    request: dict[str, Any] = json.loads(data)
                    return request
                for descriptor in standard:
                    os.close(descriptor)
                os.write(end, str(pid).encode())
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, end))


def _report(pid: int, end: int) -> None:
    _, status = os.waitpid(pid, 0)
    with socket.socket(fileno=end) as asked, suppress(BrokenPipeError):  # whoever asked is gone
        asked.send(str(os.waitstatus_to_exitcode(status)).encode())


def _leave_to_others(selector: selectors.BaseSelector, descriptors: list[int]) -> None:
    """Close what a fork has of its parent: the descriptors of other forks, and *descriptors*."""
    for key in [*selector.get_map().values()]:
        if key.data is not None:
            _, end = key.data
            descriptors += [key.fd, end]
    for descriptor in descriptors:
        os.close(descriptor)


def _be_the_daemon(folder: str, environment: dict[str, str], arguments: list[str]) -> None:
    """Go on as ``python -m trio_finger`` in *folder* does."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, folder)
    sys.argv[1:] = arguments
    runpy.run_module("trio_finger", run_name="__main__", alter_sys=True)


def _main() -> None:
    import trio_finger.cli
    import trio_finger.daemon  # noqa: F401 - for the forks

    gc.freeze()  # or every fork would get a copy of each page when it looks for garbage
    # Whoever interrupts the tests does not want to hear of it from here, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        request = _wait_for_requests(requests)
    if request is not None:
        _be_the_daemon(**request)


if __name__ == "__main__":
    _main()
