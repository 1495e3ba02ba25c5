"""What answers to a name as people do: a file, or a program (T4, T5, T6, T9, RFC 1288, 2.5.5)."""

import os
from pathlib import Path

import pytest
import trio

from tests.sources.programs import HOSTILE, ORDINARY, PRINT, descriptors, sh
from trio_finger.config import Command, Service
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.size import Size
from trio_finger.sources._program import Machine
from trio_finger.sources._source import Asker, Found, SourceError

PATIENCE = 30  # seconds; they take a small part of one


async def ask(machine: Machine, argument: str = "") -> Found | None:
    with trio.fail_after(PATIENCE):
        return await machine.ask(argument, Asker("192.0.2.1"))


async def failure(machine: Machine) -> str:
    with pytest.raises(SourceError) as caught:
        await ask(machine)
    return str(caught.value)


@pytest.mark.parametrize("argument", ["", *ORDINARY])
async def test_machine_runs_a_program(argument: str) -> None:
    """A machine answers with all that its program prints, for what was asked after a colon."""
    command = Command(sh(PRINT, "{argument}", "x{argument}"))
    found = await ask(Machine(Service(command=command, title="The weather")), argument)
    answer = f"2\n{argument}\nx{argument}"
    assert found == Found("2", profile=Profile(full_name="The weather", plan=answer), whole=True)


@pytest.mark.parametrize("argument", [name for name in HOSTILE if name])
async def test_hostile_argument_runs_nothing(tmp_path: Path, argument: str) -> None:
    """What no argument can be has no answer, whether from a program or from a file (T4, T6)."""
    ran = tmp_path / "ran"
    command = Command(sh(': >"$1"', str(ran), "{argument}"))
    assert await ask(Machine(Service(command=command)), argument) is None
    assert await ask(Machine(Service(file=Path("/dev/null"))), argument) is None
    assert not ran.exists()


async def test_machine_reads_a_file(tmp_path: Path) -> None:
    """A file is answered as it is, but for what could do harm (T9)."""
    path = tmp_path / "menu"
    path.write_bytes(b"\n   MENU  \r\n\n\tcoke\x1b[1m 1.00\n\xff\n\n")
    machine = Machine(Service(file=path, title="Coke"))
    profile = Profile(full_name="Coke", plan="   MENU\n\n\tcoke[1m 1.00\n\ufffd")
    for argument in "", "coke":
        assert await ask(machine, argument) == Found("MENU", profile=profile, whole=True)


@pytest.mark.parametrize("size", [0, 1, 100])
async def test_machine_with_nothing_to_say(tmp_path: Path, size: int) -> None:
    """A machine that says nothing is still there."""
    path = tmp_path / "empty"
    path.write_bytes(b"\n" * size)
    nothing = Found("", profile=Profile(full_name="Coke"), whole=True)
    assert await ask(Machine(Service(file=path, title="Coke"))) == nothing
    silent = Command(["/usr/bin/cat", str(path)])
    assert await ask(Machine(Service(command=silent, title="Coke"))) == nothing


async def test_machine_is_broken() -> None:
    """A machine whose program fails has no answer, and says why."""
    machine = Machine(Service(command=Command(sh("echo soon; exit 2"))))
    assert await failure(machine) == "ended with exit code 2"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "cannot be read: No such file or directory"),
        ("folder", "cannot be read: not a regular file"),
        ("fifo", "cannot be read: not a regular file"),
        ("device", "cannot be read: not a regular file"),
        ("giant", "is longer than 1000 bytes"),
    ],
)
async def test_machine_with_an_odd_file(tmp_path: Path, kind: str, words: str) -> None:
    """Whatever stands where the file should be, it is refused, and nobody waits for it (T5)."""
    path = tmp_path / "file"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "giant":
            path.touch()
            os.truncate(path, 1 << 40)
    before = descriptors()
    assert await failure(Machine(Service(file=path, max_size=Size(1000)))) == words
    assert descriptors() == before


async def test_file_may_be_as_long_as_it_may(tmp_path: Path) -> None:
    """A file has as many bytes as it may, and not one more (T5)."""
    path = tmp_path / "file"
    path.write_text("x" * 1000)
    found = await ask(Machine(Service(file=path, max_size=Size(1000))), "")
    assert found is not None
    assert found.profile.plan == "x" * 1000
    machine = Machine(Service(file=path, max_size=Size(999)))
    assert await failure(machine) == "is longer than 999 bytes"
