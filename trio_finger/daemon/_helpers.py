"""The tasks that owe nobody an answer: they are simply cancelled."""

from collections.abc import Awaitable, Callable
from functools import partial

import trio

from trio_finger.config import Config, Irc
from trio_finger.counts import Counts
from trio_finger.services.irc import run_irc
from trio_finger.sources import Directory, watch_users
from trio_finger.usermap import UserMap


class Helpers:
    """The users-file watcher, what ends statuses, and the IRC bot, in one nursery.

    Args:
      directory: who is there, for all of them.
      counts: the bot's numbers.
      nursery: where they run.
    """

    def __init__(self, directory: Directory, counts: Counts, nursery: trio.Nursery) -> None:
        self._directory = directory
        self._users = directory.users
        self._counts = counts
        self._nursery = nursery
        self._watching = trio.CancelScope()
        self._irc: Irc | None = None
        self._chatting = trio.CancelScope()
        self._left = trio.Event()
        self._left.set()  # there was no bot before the first

    async def watch(self, config: Config) -> None:
        """Follow the users file, which has been read once when this returns, and the clock."""
        await self._nursery.start(partial(_watch, self._watching, config, self._users, hurry=True))
        self._nursery.start_soon(self._users.expire)

    def chat(self, config: Config) -> None:
        """Run the bot, if *config* wants one."""
        self._chat(config.irc)

    def restart(self, config: Config) -> None:
        """Go by *config* from now on: the users file is read again whatever changed."""
        self._watching.cancel()
        self._watching = trio.CancelScope()
        self._nursery.start_soon(_watch, self._watching, config, self._users)
        if config.irc != self._irc:
            self._chatting.cancel()
            self._chatting = trio.CancelScope()
            self._chat(config.irc)

    def _chat(self, config: Irc | None) -> None:
        self._irc = config
        if config is not None:
            before, self._left = self._left, trio.Event()
            run = partial(run_irc, config, self._directory, counts=self._counts)
            self._nursery.start_soon(_chat, self._chatting, run, before, self._left)


async def _watch(  # noqa: ASYNC128 - watch_users calls started()
    scope: trio.CancelScope,
    config: Config,
    users: UserMap,
    *,
    hurry: bool = False,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with scope:
        await watch_users(config.users, config.given, users, hurry=hurry, task_status=task_status)


async def _chat(
    scope: trio.CancelScope,
    run: Callable[[], Awaitable[None]],
    before: trio.Event,
    left: trio.Event,
) -> None:
    """Run a bot once the one *before* it has left, whose nick it may want; say when it *left*."""
    try:
        with scope:
            await before.wait()
            await run()
    finally:
        left.set()
