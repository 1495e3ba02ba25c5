"""The servers: which run, on which sockets, and how a new configuration reaches them."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import trio

from trio_finger.config import Config
from trio_finger.net import ListeningSockets
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


@contextmanager
def open_doors(users: UserMap, nursery: trio.Nursery) -> Iterator["Doors"]:
    """Have `Doors` in *nursery* for the length of a ``with`` block.

    At its end no one new is let in; the nursery ends when everybody has been served.
    """
    doors = Doors(users, nursery)
    try:
        yield doors
    finally:
        doors.close()


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
        listeners: dict[str, list[trio.SocketListener]] = {}
        with ExitStack() as undo:
            undo.callback(self._close_unused_sockets)
            bound = {door: await self._sockets[door].bind(listen[door]) for door in _SERVE}
            settings = _settings(config, bound)
            for door in _SERVE:
                if settings[door] and not self._runs(door, settings[door], listen[door]):
                    listeners[door] = self._sockets[door].duplicate(listen[door])
                    for listener in listeners[door]:
                        undo.callback(listener.socket.close)
            undo.pop_all()  # from here on nothing can fail
        for door in _SERVE:
            if door in listeners:
                self._start(door, settings[door], listen[door], listeners[door])
            elif settings[door] is None:
                self._stop(door)
        self._close_unused_sockets()
        return {door: addresses for door, addresses in bound.items() if addresses}

    def close(self) -> None:
        """Let no one new in."""
        for door in _SERVE:
            self._stop(door)
        self._close_unused_sockets()

    def _runs(self, door: str, settings: object, listen: tuple[Address, ...]) -> bool:
        running = self._running.get(door)
        return running is not None and (running.settings, running.listen) == (settings, listen)

    def _start(
        self,
        door: str,
        settings: object,
        listen: tuple[Address, ...],
        listeners: list[trio.SocketListener],
    ) -> None:
        new = _Running(settings, listen, trio.Event())
        serve = partial(_SERVE[door], settings, self._users, listeners, stop=new.stop)
        self._nursery.start_soon(serve, name=door)
        self._stop(door)
        self._running[door] = new

    def _stop(self, door: str) -> None:
        old = self._running.pop(door, None)
        if old is not None:
            old.stop.set()

    def _close_unused_sockets(self) -> None:
        for door, sockets in self._sockets.items():
            running = self._running.get(door)
            sockets.keep(running.listen if running is not None else ())


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
