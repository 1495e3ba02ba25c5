"""Going by the configuration: the one at start, and whatever SIGHUP brings."""

import gc
from collections.abc import Callable

import trio

from trio_finger.config import Config, ConfigError
from trio_finger.daemon._doors import Doors
from trio_finger.daemon._helpers import Helpers
from trio_finger.daemon._notify import notify
from trio_finger.daemon._privileges import drop_privileges
from trio_finger.log import configure_log, get_log
from trio_finger.net import ListenError
from trio_finger.sources import Sources
from trio_finger.store import store_files

log = get_log("daemon")


class Operation:
    """Has everything run as the configuration says.

    Args:
      load: reads the configuration.
      config: what it said when it was read first.
      sources: where statuses come from that nobody has set.
      doors: the servers, which owe answers.
      helpers: the others.

    Attributes:
      config: what everything runs by now.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        config: Config,
        sources: Sources,
        doors: Doors,
        helpers: Helpers,
    ) -> None:
        self.config = config
        self._load = load
        self._users = sources.directory.users
        self._sources = sources
        self._doors = doors
        self._helpers = helpers

    async def run(self, hangups: trio.MemoryReceiveChannel[None]) -> None:
        """Start everything, and go by a new configuration upon each of *hangups*.

        Raises:
          ListenError: an address cannot be listened on at start.
          PrivilegeError: root started us, and its privileges cannot be given up.
        """
        self._take_over()
        # The order is that of what takes root's privileges, if there are any, and what
        # had better be done without.
        await self._helpers.watch(self.config)
        await self._doors.bind(self.config)
        drop_privileges(self.config.daemon.user, store_files(self.config.store.url))
        self._helpers.chat(self.config)
        addresses = await self._doors.apply(self.config)
        # All that is there by now stays: a collection of garbage need not look at it again
        # and again, and hold up everybody for as long as that takes.
        gc.collect()
        gc.freeze()
        log.info("ready", **addresses)
        notify("READY=1")
        async for _ in hangups:
            await self._reload()
            self._take_over()
            self._helpers.restart(self.config)

    async def _reload(self) -> None:
        """Take the configuration over as it is now, unless it is wrong."""
        try:
            new = self._load()
            await self._doors.apply(new)
        except (ConfigError, ListenError) as error:
            for reason in str(error).splitlines():
                log.error("configuration not taken over", reason=reason)  # noqa: TRY400
            return
        if new.store != self.config.store:
            log.warning("another store is only opened at the next start", url=new.store.url)
        self.config = new
        configure_log(new.log.level, new.log.format, addresses=new.log.addresses)
        log.info("configuration read again")

    def _take_over(self) -> None:
        """Have everybody know what is said of users, and of where else they come from."""
        self._sources.use(self.config)
        self._users.create = self.config.users is None or self.config.users.create
