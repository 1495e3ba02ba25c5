"""Running a program: what it gets, how it ends, and what it may (T6, T7, R27).

All of these are real programs, most of which misbehave.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from tests.sources.programs import descriptors, open_home, python, sh
from trio_finger.sources._process import ProgramError, run_program

PATIENCE = 30  # seconds; they take a small part of one
MIB = 1 << 20


async def run(
    command: Sequence[str], *, max_size: int = MIB, memory: int = 256 * MIB, cpu: float = 5
) -> bytes:
    with trio.fail_after(PATIENCE):
        return await run_program(command, max_size=max_size, memory=memory, cpu=cpu)


async def failure(command: Sequence[str], **limits: int) -> str:
    with pytest.raises(ProgramError) as caught:
        await run(command, **limits)
    return str(caught.value)


# What it gets.


async def test_arguments_are_passed_as_they_are() -> None:
    """No shell looks at an argument (T6)."""
    odd = ["$(id)", ";id", "a b", "*", "`id`", "", "--help", "é"]
    assert await run(["/usr/bin/printf", "%s|", *odd]) == ("|".join(odd) + "|").encode()


async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program has two variables, and nothing of ours (T6)."""
    monkeypatch.setenv("SECRET", "very")
    expected = {b"PATH=/usr/local/bin:/usr/bin:/bin", b"LANG=C.UTF-8"}
    assert set((await run(["/usr/bin/env"])).splitlines()) == expected


async def test_descriptors() -> None:
    """A program has its three descriptors, and none of ours, even of those that could pass (T6)."""
    source = """if True:
        import os
        for name in os.listdir("/proc/self/fd"):
            try: print(name, os.readlink(f"/proc/self/fd/{name}").partition(":")[0])
            except FileNotFoundError: pass  # what it was listed with
    """
    read, write = os.pipe()
    ours = [os.dup(0), read, write, os.dup2(2, 500)]
    os.set_inheritable(read, True)
    os.dup2(read, 0)
    try:
        assert await run(python(source)) == b"0 /dev/null\n1 pipe\n2 /dev/null\n"
    finally:
        os.dup2(ours[0], 0)
        for descriptor in ours:
            os.close(descriptor)


async def test_place() -> None:
    """A program is the leader of a session and a group of its own, and in no folder of ours."""
    source = "import os; print(os.getsid(0) == os.getpgrp() == os.getpid(), os.getcwd())"
    assert await run(python(source)) == b"True /\n"


# How it ends.


async def test_errors_are_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    """What a program complains about is neither its answer, nor in our own output."""
    assert await run(sh("echo bad >&2; echo good")) == b"good\n"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("echo answer; exit 3", "ended with exit code 3"),
        ("kill -KILL $$", "was killed by signal 9 (SIGKILL)"),
        ("kill -40 $$", "was killed by signal 40"),
    ],
)
async def test_failures(source: str, words: str) -> None:
    """A program that fails has said nothing, whatever it printed."""
    assert await failure(sh(source)) == words


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "cannot be started: No such file or directory"),
        ("#!/bin/sh\n", 0o644, "cannot be started: Permission denied"),
        ("#!/nowhere/sh\n", 0o755, "ended with exit code 127 (not found)"),
        ("#!/dev/null\n", 0o755, "ended with exit code 126 (cannot be run)"),
    ],
)
async def test_not_started(tmp_path: Path, content: str | None, mode: int, words: str) -> None:
    """What cannot be started is told in words that do not name who was asked for."""
    path = tmp_path / "program"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    before = descriptors()
    assert await failure([str(path), "moshez"]) == words
    assert descriptors() == before


# What it may.


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 300_000])
async def test_size(size: int) -> None:
    """A program prints as much as it may, and not a byte more (T7)."""
    command = ["/usr/bin/head", "-c", str(size), "/dev/zero"]
    assert await run(command, max_size=size) == bytes(size)
    if size:
        words = f"printed more than {size - 1} bytes"
        assert await failure(command, max_size=size - 1) == words


async def test_prints_for_ever() -> None:
    """A program that does not stop printing is stopped (T7)."""
    async with open_home() as home:
        endless = home.program("while True: os.write(1, b'y' * 4096)")
        assert await failure(endless, max_size=1000) == "printed more than 1000 bytes"
        await (await home.next()).is_gone()


async def test_limits() -> None:
    """A program has the limits that it is given (T7)."""
    source = """if True:
        import resource
        for name in "AS", "CPU", "CORE", "FSIZE", "NOFILE":
            print(name, *resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
    """
    lines = (await run(python(source), memory=100 * MIB, cpu=1.5)).decode().splitlines()
    most = 100 * MIB
    assert lines == [f"AS {most} {most}", "CPU 2 3", "CORE 0 0", "FSIZE 0 0", "NOFILE 64 64"]


def test_limits_of_a_daemon_that_may_take_less() -> None:
    """A daemon without privileges that is limited itself gives no more than it has (T7)."""
    source = """if True:
        import os, resource, trio
        from trio_finger.sources._process import run_program
        resource.setrlimit(resource.RLIMIT_CPU, (77, 77))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        shell = "ulimit -St; ulimit -Ht"
        async def main():
            with trio.fail_after(30):
                command = ["/bin/sh", "-c", shell]
                print(await run_program(command, max_size=99, memory=1 << 28, cpu=99))
        trio.run(main)
    """
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("b'77\\n77\\n'\n", "")


async def test_memory() -> None:
    """A program that takes gigabytes does not get them (T7)."""
    source = """if True:
        try: print(len(bytearray(4 << 30)))
        except MemoryError: print("refused")
    """
    assert await run(python(source)) == b"refused\n"


async def test_processor() -> None:
    """A program that only burns time is killed when it has had its share of that (T7)."""
    assert await failure(sh("while :; do :; done"), cpu=1) == "was killed by signal 24 (SIGXCPU)"


async def test_files(tmp_path: Path) -> None:
    """A program fills no disk, however quick it is (T7)."""
    path = tmp_path / "file"
    for _ in range(20):
        words = await failure(sh('echo much > "$1"', str(path)))
        assert words == "was killed by signal 25 (SIGXFSZ)"
        assert path.read_bytes() == b""


async def test_machine_without_prlimit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where prlimit(1) is not installed, a program is limited a moment later (T7)."""
    monkeypatch.setattr("trio_finger.sources._process._PRLIMIT", "/nowhere/prlimit")
    # The number of descriptors is the last limit that is set.
    source = """if True:
        import resource
        while resource.getrlimit(resource.RLIMIT_NOFILE)[1] != 64: pass
        print(*resource.getrlimit(resource.RLIMIT_FSIZE))
    """
    assert await run(python(source)) == b"0 0\n"
    words = "cannot be started: No such file or directory"
    assert await failure(["/nowhere/program"]) == words
