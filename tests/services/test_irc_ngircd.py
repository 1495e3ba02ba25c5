"""The IRC bot on ngircd, a real server, and a person who asks it there."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from tests.ngircd import PATIENCE, Ngircd, ask
from tests.peers import require_peer
from trio_finger.config import Irc
from trio_finger.counts import Counts
from trio_finger.services.irc import run_irc
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import Status, UserMap


@pytest.fixture
def ngircd() -> Iterator[Ngircd]:
    program = require_peer("ngircd")
    with TemporaryDirectory(prefix="ngircd-") as directory:
        yield Ngircd(program, Path(directory))


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore())
    people = {"moshez": "Happy and well", "talker": "é" * 250}
    now = datetime.now(UTC)
    await users.replace_file({name: Status(name, text, now) for name, text in people.items()})
    return users


@asynccontextmanager
async def bot_on(ngircd: Ngircd, users: UserMap) -> AsyncIterator[None]:
    """Have a bot there for the length of an ``async with``, which is bounded in time."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            run = partial(run_irc, Irc(server=ngircd.address), Directory(users), counts=Counts())
            nursery.start_soon(run)
            yield
            nursery.cancel_scope.cancel()


async def test_answers(ngircd: Ngircd, users: UserMap) -> None:
    """People are answered, and a long status reaches them whole."""
    with ngircd.running():
        async with ngircd.person("asker") as person, bot_on(ngircd, users):
            assert await ask(person, "moshez") == "asker :moshez: Happy and well"
            assert await ask(person, "nobody") == "asker :nobody: No such user"
            text = (await ask(person, "talker")).removeprefix("asker :")
            while len(text) < len("talker: ") + 250:
                line = await person.hear_until(" PRIVMSG ")
                text += line.partition(" PRIVMSG asker :")[2]
            assert text == "talker: " + "é" * 250


async def test_nick_in_use(ngircd: Ngircd, users: UserMap) -> None:
    """Where somebody else has its nick, the bot takes another one."""
    with ngircd.running():
        async with (
            ngircd.person("FingerBot"),
            bot_on(ngircd, users),
            ngircd.person("asker") as person,
        ):
            answer = await ask(person, "moshez", nick="fingerbo_")
            assert answer == "asker :moshez: Happy and well"


async def test_comes_back(ngircd: Ngircd, users: UserMap) -> None:
    """When the server is killed and started again, the bot is there again."""
    async with bot_on(ngircd, users):
        for _ in range(2):
            with ngircd.running():
                async with ngircd.person("asker") as person:
                    assert await ask(person, "moshez") == "asker :moshez: Happy and well"


async def test_takes_leave(ngircd: Ngircd, users: UserMap) -> None:
    """When the bot has stopped the server knows it no more."""
    with ngircd.running():
        async with ngircd.person("asker") as person:
            async with bot_on(ngircd, users):
                await ask(person, "moshez")
            await person.say("ISON fingerbot asker")
            assert await person.hear_until(" 303 ") == ":irc.example.net 303 asker :asker"
