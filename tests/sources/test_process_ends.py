"""A program ends: its answer is whole, and nothing of it stays, whatever happens (T7, R27).

All of these are real programs, and most do not want to end.
"""

import errno
import os
from collections.abc import Sequence

import pytest
import trio
import trio.testing

from tests.sources.programs import children, descriptors, open_home, sh
from trio_finger.sources._process import ProgramError, run_program

PATIENCE = 30  # seconds; they take a small part of one


async def run(command: Sequence[str]) -> bytes:
    return await run_program(command, max_size=1 << 20, memory=256 << 20, cpu=5)


async def test_child_keeps_output_open() -> None:
    """An answer does not wait for a child that has the output open, and the child goes (T7)."""
    async with open_home() as home:
        source = """if True:
            if os.fork() == 0:
                call()
                time.sleep(1000)
            wait()
            print("answer")
        """
        output = None

        async def keep_output() -> None:
            nonlocal output
            output = await run(home.program(source))

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_output)
                family = await home.next()
                await family.hear()
                await family.let_go()
            assert output == b"answer\n"
            await family.is_gone()


async def test_no_descriptor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the end of a program cannot be watched as it should be, it is noticed all the same."""

    def refuse(process: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    before = children(), descriptors()
    with trio.fail_after(PATIENCE):
        assert await run(sh("echo answer; sleep 1000 &")) == b"answer\n"
    assert (children(), descriptors()) == before


async def test_long_answer_and_a_child() -> None:
    """All that a program printed is taken, though a child has the output open (T7)."""
    source = "head -c 200000 /dev/zero; sleep 1000 &"
    with trio.fail_after(PATIENCE):
        assert await run(sh(source)) == bytes(200_000)


async def test_output_ends_before_the_program() -> None:
    """A program that closes its output may still fail (T7)."""
    async with open_home() as home:
        source = "os.write(1, b'answer'); os.close(1); call(); wait(); os._exit(3)"
        words = ""

        async def keep_words() -> None:
            nonlocal words
            with pytest.raises(ProgramError) as caught:
                await run(home.program(source))
            words = str(caught.value)

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_words)
                family = await home.next()
                await family.hear()
                await trio.testing.wait_all_tasks_blocked()  # the end of the output was seen
                await family.let_go()
        assert words == "ended with exit code 3"


@pytest.mark.parametrize("forks", [0, 2])
async def test_ignores_signals(forks: int) -> None:
    """A deadline ends a whole family that does not want to, and leaves no zombie (T7)."""
    before = children(), descriptors()
    source = f"""if True:
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU:
            signal.signal(number, signal.SIG_IGN)
        for _ in range({forks}):
            os.fork()
        call()
        time.sleep(1000)
    """
    with trio.fail_after(PATIENCE):
        async with open_home() as home:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run, home.program(source))
                family = await home.next()
                await family.hear(2**forks)
                nursery.cancel_scope.cancel()
            await family.is_gone()
    assert (children(), descriptors()) == before


class _CancelAt(trio.abc.Instrument):
    """Cancels a scope just before the step of a task with a certain *number*."""

    def __init__(self, scope: trio.CancelScope, number: int) -> None:
        self._scope = scope
        self._left = number

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


async def test_cancelled_at_any_step() -> None:
    """Wherever it is cancelled, nothing of a program is left (T7)."""
    before = children(), descriptors()
    finished = False
    number = 0
    with trio.fail_after(PATIENCE):
        while not finished:
            number += 1
            finished = True
            with trio.CancelScope() as scope:
                instrument = _CancelAt(scope, number)
                trio.lowlevel.add_instrument(instrument)
                try:
                    await run(sh("echo answer; sleep 0.001 & echo more"))
                finally:
                    trio.lowlevel.remove_instrument(instrument)
            finished = not scope.cancelled_caught
            assert (children(), descriptors()) == before
    assert number > 5


async def test_cancelled_at_any_time() -> None:
    """Whatever a program is doing when it is cancelled, nothing of it is left (T7)."""
    before = children(), descriptors()
    with trio.fail_after(PATIENCE):
        for number in range(60):
            with trio.move_on_after(number / 4000):
                await run(sh("echo answer; sleep 0.005 & (sleep 0.002; echo more)"))
            assert (children(), descriptors()) == before
