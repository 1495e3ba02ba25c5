"""Running one program: it gets little, it is heard for so long and no more, and it goes.

A program is a whole group of processes: it may start others, and end before they do. So it is
given a group of its own when it starts, and when it has ended, for whatever reason, that group
is killed. (Whoever leaves the group on purpose, as a daemon does, gets away; the operator has
chosen that program.)

The limits are set before it starts, by prlimit(1), which becomes the program: code of our own
between fork and exec would have the daemon, with all its memory and threads, be forked, instead
of only lending its memory for a moment (vfork). Where there is no prlimit(1), they are set from
here, right after the start; for about a millisecond, such a program is without limits.
"""

import errno
import math
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import trio

_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
)
_MAX_DESCRIPTORS: Final = 64  # that a program has open at once

_PRLIMIT: Final = "/usr/bin/prlimit"  # of util-linux
_OPTIONS: Final = MappingProxyType(
    {
        resource.RLIMIT_AS: "--as",
        resource.RLIMIT_CPU: "--cpu",
        resource.RLIMIT_CORE: "--core",
        resource.RLIMIT_FSIZE: "--fsize",
        resource.RLIMIT_NOFILE: "--nofile",
    }
)

# What those that start programs, as prlimit(1) and shells do, end with where they cannot.
_NOT_STARTED: Final = MappingProxyType({126: "cannot be run", 127: "not found"})

# By kind, what makes a process notice, and what it can never have more of.
_Limits: TypeAlias = Mapping[int, tuple[int, int]]

_CHUNK: Final = 64 * 1024  # bytes, what a pipe holds

# Seconds until a program that was killed is given up. It takes that long only if it hangs in
# the kernel, as on a disk that is gone; Python reaps it later, with another one.
_REAP: Final = 5


class ProgramError(Exception):
    """A program that gave no answer; ``str()`` of it says why, and nothing of who was asked for."""


async def run_program(command: Sequence[str], *, max_size: int, memory: int, cpu: float) -> bytes:
    """Run *command*, and return what it printed.

    It is run as it stands, without a shell. It has nothing from us but two variables of the
    environment, and can fill no disk. Nothing of its group is left when this returns, whatever
    the reason. Whoever calls this sets a deadline, by cancelling it.

    Args:
      command: the program and its arguments.
      max_size: how much it may print, in bytes.
      memory: how much address space each of its processes may have, in bytes.
      cpu: how much processor time each of them may take, in seconds; it is rounded up.

    Raises:
      ProgramError: it cannot be run, printed more than that, or did not end with exit code 0.
    """
    process = await _start(command, _limits(memory, cpu))
    try:
        output = await _hear(process, max_size)
    finally:
        # Not before the group is killed: the number of whoever is reaped may be given to
        # somebody else.
        _kill_group(process.pid)
        _output_of(process).close()
        with trio.move_on_after(_REAP, shield=True):
            await process.wait()
    if process.returncode:
        raise ProgramError(_ending(process.returncode))
    return output


async def _start(command: Sequence[str], limits: _Limits) -> trio.Process:
    # The program is told that texts are UTF-8, whatever they are on this machine.
    words = [word.encode("utf-8", "surrogateescape") for word in command]
    try:
        if is_limited := os.access(_PRLIMIT, os.X_OK):
            # prlimit(1) can say no more of it than an exit code.
            await trio.to_thread.run_sync(check_program, Path(command[0]))
            options = [f"{_OPTIONS[kind]}={soft}:{hard}" for kind, (soft, hard) in limits.items()]
            words = [os.fsencode(word) for word in (_PRLIMIT, *options, "--")] + words
        process = await trio.lowlevel.open_process(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_ENVIRONMENT,
            close_fds=True,
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramError(f"cannot be started: {error.strerror}") from error
    if not is_limited and sys.platform == "linux":
        # Nobody else can limit another process; the deadline and the cap hold everywhere.
        for kind, limit in limits.items():
            # Whoever has become another user by now has been trusted with that.
            with suppress(OSError):
                resource.prlimit(process.pid, kind, limit)
    return process


def check_program(program: Path) -> None:
    """Do nothing if *program* is one that we may run.

    Raises:
      OSError: it is not there, or not that.
    """
    is_file = stat.S_ISREG(program.stat().st_mode)
    # Not by whom we were started, but by what we may do ourselves, where that can be told.
    by_effect = os.access in os.supports_effective_ids
    if not is_file or not os.access(program, os.X_OK, effective_ids=by_effect):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _limits(memory: int, cpu: float) -> _Limits:
    """Return what a program may take, and whoever it starts.

    A file can be made, but nothing be written to one: what fills the disk stays when the
    program is gone. That does not concern pipes, and so not its output.
    """
    seconds = math.ceil(cpu)
    limits = {
        resource.RLIMIT_AS: (memory, memory),
        # First a signal that it may handle, and if it does, one that it cannot.
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (_MAX_DESCRIPTORS, _MAX_DESCRIPTORS),
    }
    for kind, (soft, hard) in limits.items():
        # Where the daemon itself may take less, so may the program.
        _, most = resource.getrlimit(kind)
        if most != resource.RLIM_INFINITY:
            limits[kind] = min(soft, most), min(hard, most)
    return limits


async def _hear(process: trio.Process, max_size: int) -> bytes:
    """Return what *process* has printed by the time it has ended.

    It is not enough to wait for the end of its output: a descendant may keep that open. Nor
    is the end of its output its own end, and only then there is an exit code.
    """
    stdout = _output_of(process)
    output = bytearray()

    async def receive(enough: trio.CancelScope) -> None:
        while len(output) <= max_size:
            # One more than it may be, which tells that there is more.
            data = await stdout.receive_some(min(_CHUNK, max_size + 1 - len(output)))
            if not data:
                return
            output.extend(data)
        enough.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive, nursery.cancel_scope)
        await _ended(process)
        nursery.cancel_scope.cancel()
    # What it printed last may still be in the pipe. One look is enough for all of it, and
    # waits for nobody.
    with suppress(BlockingIOError):
        output += os.read(stdout.fileno(), max_size + 1 - len(output))
    if len(output) > max_size:
        raise ProgramError(f"printed more than {max_size} bytes")
    return bytes(output)


async def _ended(process: trio.Process) -> None:
    """Wait until *process* has ended, and leave it to be reaped."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not on Linux, or no descriptor is left
        await process.wait()
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


def _output_of(process: trio.Process) -> trio.lowlevel.FdStream:
    assert isinstance(process.stdout, trio.lowlevel.FdStream)
    return process.stdout


def _kill_group(leader: int) -> None:
    # It is gone where the leader could not be kept from being reaped, and may not be killed
    # where all of it has become another user.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _ending(code: int) -> str:
    """Say how a program ended, by the *code* that `subprocess` has for it."""
    if code > 0:
        meaning = _NOT_STARTED.get(code)
        return f"ended with exit code {code}" + f" ({meaning})" * bool(meaning)
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the many that have no name
        return f"was killed by signal {-code}"
    return f"was killed by signal {-code} ({name})"
