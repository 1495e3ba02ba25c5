"""The one nursery. The indentation of `run_daemon` is the order of its end."""

import resource
import signal
from collections.abc import Callable

import trio

from trio_finger.config import Config, ConfigError
from trio_finger.daemon._doors import Doors
from trio_finger.daemon._helpers import Helpers
from trio_finger.daemon._notify import notify
from trio_finger.log import configure_log, get_log
from trio_finger.net import ListenError
from trio_finger.store import open_store
from trio_finger.usermap import UserMap

# The part of the grace in which connections may still end by themselves; what is left
# of it is for cutting the others off, and for the store.
_DRAIN = 0.9

log = get_log("daemon")


async def run_daemon(load: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return within `Daemon.grace`.

    SIGHUP reads the configuration and the users file again.

    Args:
      load: reads the configuration.

    Raises:
      ConfigError: the configuration is wrong at start.
      ListenError: an address cannot be listened on at start.
      StoreError: the store cannot be opened.
    """
    config = load()
    configure_log(config.log.level, config.log.format)
    _raise_descriptor_limit()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with open_store(config.store.url) as store:
            users = UserMap(store)
            await users.load()
            async with trio.open_nursery() as servers, trio.open_nursery() as others:
                doors, helpers = Doors(users, servers), Helpers(users, others)
                users.create = _may_create(config)
                await helpers.start(config)
                addresses = await doors.apply(config)
                log.info("ready", **addresses)
                notify("READY=1")

                async for number in signals:
                    if number != signal.SIGHUP:
                        log.info("stopping", signal=signal.Signals(number).name)
                        break
                    config = await _reload(load, config, doors)
                    users.create = _may_create(config)
                    helpers.restart(config)

                notify("STOPPING=1")
                servers.cancel_scope.deadline = trio.current_time() + config.daemon.grace * _DRAIN
                doors.stop()
                others.cancel_scope.cancel()
            if servers.cancel_scope.cancelled_caught:
                log.warning("connections cut that were still open at the end of the grace")
    log.info("stopped")


async def _reload(load: Callable[[], Config], old: Config, doors: Doors) -> Config:
    """Return the configuration as it is now, or *old* where that is wrong."""
    try:
        new = load()
        await doors.apply(new)
    except (ConfigError, ListenError) as error:
        for reason in str(error).splitlines():
            log.error("configuration not taken over", reason=reason)  # noqa: TRY400
        return old
    if new.store != old.store:
        log.warning("another store is only opened at the next start", url=new.store.url)
    configure_log(new.log.level, new.log.format)
    log.info("configuration read again")
    return new


def _raise_descriptor_limit() -> None:
    """Take all the file descriptors that we may have: each connection needs one.

    The usual limit of 1,024 is there for programs that use ``select``.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _may_create(config: Config) -> bool:
    return config.users is None or config.users.create
