"""What is not offered (RFC 1288, 2.5.2, 2.5.5 and 3.2.5): R12, R13, R17, R18 and R27."""

from pathlib import Path

import pytest

from tests.rfc1288.asking import LIST, NO_SUCH_USER, ask, make_people, make_users
from tests.rfc1288.watching import watching
from trio_finger.config import ConfigError, load_config
from trio_finger.protocol.profile import Profile

COMMANDS = ("|id", ";id", "`id`", "$(id)", "|/bin/sh", "id&", "/bin/true", "!id", "~/.plan")


async def test_r12_no_program_is_run() -> None:
    """No query runs a program, whatever is asked and whatever a plan looks like."""
    users = await make_people({"moshez": Profile(plan="|/bin/date\n#!/bin/sh\n`id`")})
    with watching() as events:
        for line in (*COMMANDS, "moshez", "/W moshez", "/W", ""):
            ask(users, line.encode())
    assert events == []
    assert b"|/bin/date\r\n#!/bin/sh\r\n`id`\r\n" in ask(users, b"/W moshez")


@pytest.mark.parametrize("key", ["program", "programs", "plan_program", "exec", "command"])
def test_r13_nothing_to_switch_on(tmp_path: Path, key: str) -> None:
    """No key has a program run: whoever believes that there is one is told that there is none."""
    path = tmp_path / "config.toml"
    path.write_text(f'[finger]\n{key} = "/bin/date"\n')
    with pytest.raises(ConfigError, match=f"finger.{key}: unknown key"):
        load_config(path)


async def test_r17_nobody_but_users_is_listed() -> None:
    """There are no vending machines, so none is in the list."""
    assert ask(await make_users({"moshez": "Happy and well", "shawn": "Alive"}), b"") == LIST


@pytest.mark.parametrize("name", [b"coke", b"machine", b"help", b"version", b"me", b"who"])
async def test_r18_no_name_is_special(name: bytes) -> None:
    """A name that nobody has is nobody, and whoever has it is a user as any other."""
    users = await make_users({"moshez": "Happy and well"})
    assert ask(users, name) == ask(users, b"/W " + name) == NO_SUCH_USER
    assert ask(await make_users({name.decode(): "Here"}), name) == b"Here\r\n"


@pytest.mark.parametrize("command", COMMANDS)
async def test_r27_no_command_is_a_name(command: str) -> None:
    """What a shell would take for a command is nobody, and nothing outside is asked about it."""
    users = await make_users({"moshez": "Happy and well"})
    with watching() as events:
        assert ask(users, command.encode()) == NO_SUCH_USER
        assert ask(users, f"/W {command}".encode()) == NO_SUCH_USER
    assert events == []
