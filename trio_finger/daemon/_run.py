"""The one nursery. The indentation of `run_daemon` is the order of its end."""

import os
import resource
from collections.abc import Callable

import trio

from trio_finger import __version__
from trio_finger.config import Config
from trio_finger.counts import DOORS, Counts
from trio_finger.daemon._doors import open_doors
from trio_finger.daemon._helpers import Helpers
from trio_finger.daemon._notify import notify
from trio_finger.daemon._operation import Operation
from trio_finger.daemon._privileges import forbid_new_privileges
from trio_finger.daemon._signals import receive_signals
from trio_finger.log import configure_log, get_log
from trio_finger.sources import open_sources
from trio_finger.store import open_store
from trio_finger.usermap import UserMap

# What of the grace is not for waiting: a tenth of it, and the time that cutting tasks off
# takes (0.25 ms each were measured; twice that is set aside).
_RESERVE = 0.1
_CUT_SECONDS = 0.0005

log = get_log("daemon")


async def run_daemon(load: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return within `Daemon.grace`.

    Another SIGTERM or SIGINT ends the draining. SIGHUP reads the configuration and the
    users file again.

    Args:
      load: reads the configuration.

    Raises:
      ConfigError: the configuration is wrong at start.
      ListenError: an address cannot be listened on at start.
      PrivilegeError: root started us, and its privileges cannot be given up.
      StoreError: the store cannot be opened.
    """
    config = load()
    configure_log(config.log.level, config.log.format, addresses=config.log.addresses)
    _raise_descriptor_limit()
    forbid_new_privileges()  # while there is one thread
    async with trio.open_nursery() as nursery:
        signals = await nursery.start(receive_signals)
        log.info("starting", version=__version__, pid=os.getpid())
        async with open_store(config.store.url, history=config.store.history) as store:
            counts = {door: Counts() for door in DOORS}
            users = UserMap(store, may_hide=config.users is not None and config.users.is_toml)
            await users.load()
            async with open_sources(users) as sources:
                with signals.patience:
                    async with trio.open_nursery() as servers:
                        with open_doors(sources.directory, counts, servers) as doors:
                            async with trio.open_nursery() as others:
                                helpers = Helpers(sources.directory, counts["irc"], others)
                                operation = Operation(load, config, sources, doors, helpers)
                                others.start_soon(operation.run, signals.hangups)
                                await signals.stop.wait()
                                notify("STOPPING=1")
                                grace = operation.config.daemon.grace
                                signals.patience.deadline = _drain_until(grace)
                                others.cancel_scope.cancel()
            if signals.patience.cancelled_caught:
                log.warning("connections cut that were still open")
        nursery.cancel_scope.cancel()
    log.info("stopped")


def _drain_until(grace: float) -> float:
    """Return until when connections may end by themselves, so that all is over in time."""
    cutting = trio.lowlevel.current_statistics().tasks_living * _CUT_SECONDS
    return trio.current_time() + max(0, grace * (1 - _RESERVE) - cutting)


def _raise_descriptor_limit() -> None:
    """Take all the file descriptors that we may have: each connection needs one.

    The usual limit of 1,024 is there for programs that use ``select``.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
