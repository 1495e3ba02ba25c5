"""A running daemon for tests that do not run on Trio: Playwright has a loop of its own.

The daemon is watched over by Trio in another thread, which does what the test asks for.
"""

import queue
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import trio

from tests.running import CONFIG, PATIENCE, TRIO_FINGER, USERS, Running, run_daemon

# With the control socket, for commands of the operator's.
WITH_CONTROL = CONFIG.replace(
    '[setter]\nlisten = ["127.0.0.1:0"]',
    '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"]',
)

T = TypeVar("T")


class Site:
    """A daemon that is up.

    Attributes:
      url: the address of its web door, without a slash at its end.
      users_file: the file that it follows.
    """

    def __init__(self, running: Running, token: trio.lowlevel.TrioToken, stop: trio.Event) -> None:
        self.url = running.url
        self.users_file = running.users_file
        self._running = running
        self._token = token
        self._stop = stop

    def leave(self) -> None:
        """Have the daemon end, if it has not by itself."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._stop.set)

    def set(self, name: str, status: str) -> None:
        """Set a status over the setter; an empty one clears it."""
        assert self._do(self._running.set, name, status) == b"ok\r\n"

    def set_for(self, duration: str, name: str, status: str) -> None:
        """Set a status that ends after *duration*, as ``trio-finger set --for`` does."""
        self._command("set", "--for", duration, "--user", name, status)

    def make_token(self, name: str) -> str:
        """Return a new token of *name*'s."""
        return self._command("token", "create", name).strip()

    def _command(self, *arguments: str) -> str:
        async def run() -> str:
            command = [*TRIO_FINGER, *arguments]
            with trio.fail_after(PATIENCE):
                done = await trio.run_process(
                    command, cwd=self._running.folder, capture_stdout=True
                )
            return done.stdout.decode()

        return self._do(run)

    def _do(self, work: Callable[..., Awaitable[T]], *arguments: object) -> T:
        return trio.from_thread.run(work, *arguments, trio_token=self._token)


@contextmanager
def run_site(folder: Path, *, users: str = USERS, config: str = WITH_CONTROL) -> Iterator[Site]:
    """Run a daemon in *folder* for the length of a ``with`` block, as `run_daemon` does."""
    ready: queue.Queue[Site | None] = queue.Queue()
    stop = trio.Event()

    async def watch() -> None:
        async with run_daemon(folder, users=users, config=config) as running:
            ready.put(Site(running, trio.lowlevel.current_trio_token(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(trio.run, watch)
        end.add_done_callback(lambda _: ready.put(None))
        site = ready.get()
        if site is not None:
            try:
                yield site
            finally:
                site.leave()
        end.result()
