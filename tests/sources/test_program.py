"""Asking a program what somebody is up to (T6, T7, T9, T12, R27).

All of these are real programs.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from tests.sources.programs import HOSTILE, ORDINARY, PRINT, Family, open_home, sh
from tests.strategies import texts
from trio_finger.config import Command, ProgramSource
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.size import Size
from trio_finger.protocol.text import MAX_STATUS, is_safe
from trio_finger.sources._program import Programs, _clean_text
from trio_finger.sources._source import Asker, Found, SourceError

PATIENCE = 30  # seconds; they take a small part of one
ASKER = Asker("192.0.2.1")


def make(command: Sequence[str], *, concurrency: int = 4, max_size: int = 1 << 20) -> Programs:
    return Programs(
        ProgramSource(command=Command(command), concurrency=concurrency, max_size=Size(max_size))
    )


async def ask(source: Programs, name: str = "moshez") -> Found | None:
    with trio.fail_after(PATIENCE):
        return await source.ask(name, ASKER)


async def failure(source: Programs, name: str = "moshez") -> str:
    with pytest.raises(SourceError) as caught:
        await ask(source, name)
    return str(caught.value)


def told(text: str, plan: str) -> Found:
    return Found(text, profile=Profile(plan=plan))


def printing(text: str | bytes) -> list[str]:
    """Return the command of a program that prints *text*."""
    data = text.encode() if isinstance(text, str) else text
    return sh('printf "$1"', "".join(f"\\{byte:03o}" for byte in data))


# What is passed on.


@pytest.mark.parametrize("name", ORDINARY)
async def test_name_is_one_argument(name: str) -> None:
    """A name takes its place within the arguments, and makes no more of them (T6)."""
    found = await ask(make(sh(PRINT, "{user}", "--user={user},{user}", "end")), name)
    assert found is not None
    assert found.profile.plan == f"3\n{name}\n--user={name},{name}\nend"


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_name_runs_nothing(tmp_path: Path, name: str) -> None:
    """An odd name is nobody, and no program hears of it (T6)."""
    ran = tmp_path / "ran"
    source = make(sh(': >"$1"; echo "$2"', str(ran), "{user}"))
    assert await ask(source, name) is None
    assert not ran.exists()
    assert await ask(source, "moshez") == Found("moshez")
    assert ran.exists()


@settings(max_examples=60)
@given(name=texts("-./ ;$(){}", max_size=70) | st.from_regex(r"\w[\w.+-]{0,63}", fullmatch=True))
@example(name="x\n")
async def test_any_name(name: str) -> None:
    """Whatever is asked for, it reaches the program as one argument, or not at all (T6)."""
    found = await ask(make(sh(PRINT, "{user}")), name)
    if found is not None:
        assert found.profile.plan == f"1\n{name}"
        assert name[0].isalnum() or name[0] == "_"


async def test_only_the_name_is_filled_in(tmp_path: Path) -> None:
    """Braces mean nothing but ``{user}``, and in the program's own path not even that (T12)."""
    program = tmp_path / "{user}"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    found = await ask(make([str(program), "{user.__class__}", "{}", "{0}", "%s", "{{user}}"]))
    assert found is not None
    assert found.profile.plan == "{user.__class__}\n{}\n{0}\n%s\n{moshez}"


# What comes back.


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("Happy and well\n", Found("Happy and well")),
        ("Happy and well", Found("Happy and well")),
        ("\n\n  Happy and well \t\r\n\n", Found("Happy and well")),
        ("Happy\nand well\n", told("Happy", "Happy\nand well")),
        ("Happy\r\n\r\n  and\rwell\r\n", told("Happy", "Happy\n\n  and\nwell")),
        ("", None),
        ("\n \r\n\t\n", None),
        ("\0\x1b\u202e\n", None),
        ("\x1b[2JHappy\u202e\n", Found("[2JHappy")),
        (b"Caf\xe9\n", Found("Caf\ufffd")),
        ("é" * 600, Found("é" * (MAX_STATUS // 2))),
        ("x" + "é" * 600, Found("x" + "é" * (MAX_STATUS // 2 - 1))),
    ],
)
async def test_answers(output: str | bytes, found: Found | None) -> None:
    """The first line is the status, more than one line is a plan, and nothing is nobody."""
    assert await ask(make(printing(output))) == found


@settings(max_examples=60)
@given(output=texts("\r\n") | st.binary(max_size=40))
async def test_any_answer_is_clean(output: str | bytes) -> None:
    """No character that could deceive or do harm comes back (T9)."""
    data = output if isinstance(output, bytes) else output.encode("utf-8", "surrogatepass")
    found = await ask(make(printing(data)))
    if found is not None:
        assert found.text
        assert all(map(is_safe, found.text + found.profile.plan.replace("\n", "")))
        assert found.profile.plan == "" or found.text == found.profile.plan.split("\n")[0].strip()


@pytest.mark.parametrize("data", [b"\x1b" * 300_000, b"\n" * 300_000, b"\xff\t\r" * 100_000])
async def test_others_go_on_while_much_is_cleaned(data: bytes) -> None:
    """An answer that takes long to be cleaned has nobody wait for it."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await _clean_text(data)
        nursery.cancel_scope.cancel()
    assert turns > 100


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (sh("echo $1; exit 1", "{user}"), "ended with exit code 1"),
        (sh("kill -SEGV $$", "{user}"), "was killed by signal 11 (SIGSEGV)"),
        (sh("head -c 2000 /dev/zero", "{user}"), "printed more than 1000 bytes"),
        (["/nowhere/program", "{user}"], "cannot be started: No such file or directory"),
    ],
)
async def test_failures(command: list[str], words: str) -> None:
    """A program that fails says nothing, not even that there is no such user; why, is told."""
    assert await failure(make(command, max_size=1000)) == words


# How many at once.


async def test_no_more_at_once() -> None:
    """However many ask, no more programs run at once than may (T7)."""
    many, most = 8, 2
    running = seen = highest = 0
    enough = trio.Event()

    async def be_called(family: Family) -> None:
        nonlocal running, seen, highest
        running += 1
        seen += 1
        highest = max(highest, running)
        if seen == most:
            # If more were allowed to, they would come now.
            await wait_all_tasks_blocked(0.05)
            enough.set()
        await enough.wait()
        running -= 1
        await family.let_go()

    with trio.fail_after(PATIENCE):
        async with open_home() as home, trio.open_nursery() as nursery:
            source = make(home.program("wait(); print('done')"), concurrency=most)
            for _ in range(many):
                nursery.start_soon(ask, source)
            for _ in range(many):
                nursery.start_soon(be_called, await home.next())
    assert (seen, highest) == (many, most)


async def test_waiting_for_a_turn_can_be_cancelled() -> None:
    """Whoever waits for a turn gives up at a deadline, and takes nobody's turn (T7)."""
    with trio.fail_after(PATIENCE):
        async with open_home() as home, trio.open_nursery() as nursery:
            source = make(home.program("wait(); print('done')"), concurrency=1)
            nursery.start_soon(ask, source)
            first = await home.next()
            with trio.move_on_after(0.01) as scope:
                await ask(source)
            assert scope.cancelled_caught
            nursery.start_soon(ask, source)
            await first.let_go()
            await (await home.next()).let_go()
