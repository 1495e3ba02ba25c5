"""The servers: which run, on which sockets, and how a new configuration reaches them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import trio

from trio_finger.config import Config
from trio_finger.net import ListenError, ListeningSockets
from trio_finger.protocol.address import Address
from trio_finger.services.finger import serve_finger
from trio_finger.services.setter import serve_setter
from trio_finger.services.web import Site, serve_web
from trio_finger.usermap import UserMap

_SERVE: Mapping[str, Callable[..., Awaitable[None]]] = {
    "finger": serve_finger,
    "setter": serve_setter,
    "web": serve_web,
}


@dataclass(frozen=True, slots=True)
class _Running:
    """A service that is running: what it was started with, and how to stop it."""

    settings: object
    listen: tuple[Address, ...]
    stop: trio.Event


class Doors:
    """The servers that run in one nursery, each on its section of the configuration."""

    def __init__(self, users: UserMap, nursery: trio.Nursery) -> None:
        self._users = users
        self._nursery = nursery
        self._sockets = {door: ListeningSockets() for door in _SERVE}
        self._running: dict[str, _Running] = {}

    async def apply(self, config: Config) -> dict[str, list[Address]]:
        """Start, restart and stop servers until they are as *config* says.

        A server whose settings did not change goes on undisturbed. One whose settings
        did is replaced: the new one accepts before the old one stops accepting, and the
        old one finishes what it has.

        Returns:
          The addresses on which each door can be reached.

        Raises:
          ListenError: an address cannot be bound. Nothing has changed.
        """
        listen = {door: _listen(config, door) for door in _SERVE}
        try:
            bound = {door: await self._sockets[door].bind(listen[door]) for door in _SERVE}
        except ListenError:
            self._close_sockets({door: running.listen for door, running in self._running.items()})
            raise
        settings = _settings(config, bound)
        for door in _SERVE:
            self._replace(door, settings[door], listen[door])
        self._close_sockets(listen)
        return {door: addresses for door, addresses in bound.items() if addresses}

    def stop(self) -> None:
        """Let no one new in; the nursery ends when everybody has been served."""
        for door in _SERVE:
            self._replace(door, None, ())
        self._close_sockets({})

    def _replace(self, door: str, settings: object, listen: tuple[Address, ...]) -> None:
        old = self._running.get(door)
        if old is not None and (old.settings, old.listen) == (settings, listen):
            return
        if settings is not None:
            stop = trio.Event()
            listeners = self._sockets[door].duplicate(listen)
            self._nursery.start_soon(
                partial(_SERVE[door], settings, self._users, listeners, stop=stop), name=door
            )
            self._running[door] = _Running(settings, listen, stop)
        else:
            self._running.pop(door, None)
        if old is not None:
            old.stop.set()

    def _close_sockets(self, listen: Mapping[str, tuple[Address, ...]]) -> None:
        for door, sockets in self._sockets.items():
            sockets.keep(listen.get(door, ()))


class _Listening(Protocol):
    @property
    def listen(self) -> tuple[Address, ...]: ...


def _listen(config: Config, door: str) -> tuple[Address, ...]:
    section: _Listening | None = getattr(config, door)
    return section.listen if section is not None else ()


def _settings(config: Config, bound: Mapping[str, list[Address]]) -> dict[str, Any]:
    """Return what each door has to know; ``None`` for one that shall not run."""
    site = Site(
        name=config.daemon.name,
        finger_port=next((address.port for address in bound["finger"]), None),
        setter_port=next((address.port for address in bound["setter"]), None),
        irc_nick=config.irc.nick if config.irc else None,
    )
    return {
        "finger": config.finger,
        "setter": config.setter,
        "web": site if config.web else None,
    }
