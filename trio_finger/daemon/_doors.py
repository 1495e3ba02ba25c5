"""The servers: which run, on which sockets, and how a new configuration reaches them."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from trio_finger.config import Certificate, Config, TlsError, read_certificate
from trio_finger.counts import Counts
from trio_finger.net import ListenError, ListeningSockets, Secured
from trio_finger.protocol.address import Address, Listen
from trio_finger.services.finger import serve_finger
from trio_finger.services.metrics import serve_metrics
from trio_finger.services.setter import serve_setter
from trio_finger.services.web import Site, serve_web
from trio_finger.sources import Directory

_SERVE: Mapping[str, Callable[..., Awaitable[None]]] = {
    "finger": serve_finger,
    "setter": serve_setter,
    "web": serve_web,
    "metrics": serve_metrics,
}


Listener = trio.SocketListener | Secured


@dataclass(frozen=True, slots=True)
class _Setup:
    """All that a service is started with; where it is the same, the service goes on.

    Attributes:
      settings: what the service has to know.
      options: the same, by name.
      listen: where it listens.
      tls_listen: where it does over TLS.
      tls: the certificate for that, if it does.
    """

    settings: Any
    options: Mapping[str, Any]
    listen: tuple[Listen, ...]
    tls_listen: tuple[Listen, ...]
    tls: Certificate | None


@dataclass(frozen=True, slots=True)
class _Running:
    """A service that is running: what it was started with, and how to stop it."""

    setup: _Setup
    stop: trio.Event


@contextmanager
def open_doors(
    directory: Directory, counts: Mapping[str, Counts], nursery: trio.Nursery
) -> Iterator["Doors"]:
    """Have `Doors` in *nursery* for the length of a ``with`` block.

    At its end no one new is let in; the nursery ends when everybody has been served.
    """
    doors = Doors(directory, counts, nursery)
    try:
        yield doors
    finally:
        doors.close()


class Doors:
    """The servers that run in one nursery, each on its section of the configuration.

    Args:
      directory: who is there, for all of them.
      counts: everybody's numbers, by door.
      nursery: where they run.
    """

    def __init__(
        self, directory: Directory, counts: Mapping[str, Counts], nursery: trio.Nursery
    ) -> None:
        self._directory = directory
        self._counts = counts
        self._nursery = nursery
        self._sockets = {door: ListeningSockets() for door in _SERVE}
        self._running: dict[str, _Running] = {}

    async def bind(self, config: Config) -> dict[str, list[Listen]]:
        """Bind every address that *config* names, so that `apply` will find it bound.

        Returns:
          The addresses on which each door can be reached.

        Raises:
          ListenError: an address cannot be bound.
        """
        bound: dict[str, list[Listen]] = {}
        for door in _SERVE:
            listen, tls_listen = _places(config, door)
            bound[door] = await self._sockets[door].bind(listen)
            bound[f"{door}_tls"] = await self._sockets[door].bind(tls_listen)
        return {door: addresses for door, addresses in bound.items() if addresses}

    async def apply(self, config: Config) -> dict[str, list[Listen]]:
        """Start, restart and stop servers until they are as *config* says.

        A server whose settings did not change goes on undisturbed. One whose settings
        did is replaced: the new one accepts before the old one stops accepting, and the
        old one finishes what it has.

        Returns:
          The addresses on which each door can be reached.

        Raises:
          ListenError: an address cannot be bound, or its certificate not be used.
            Nothing has changed.
        """
        listeners: dict[str, list[Listener]] = {}
        with ExitStack() as undo:
            undo.callback(self._close_unused_sockets)
            bound = await self.bind(config)
            setups = _setups(config, bound, self._counts)
            for door, setup in setups.items():
                if not self._runs(door, setup):
                    listeners[door] = self._open(door, setup, undo)
            undo.pop_all()  # from here on nothing can fail
        for door in listeners:
            self._start(door, setups[door], listeners[door])
        for door in self._running.keys() - setups.keys():
            self._stop(door)
        self._close_unused_sockets()
        return bound

    def _open(self, door: str, setup: _Setup, undo: ExitStack) -> list[Listener]:
        """Return listeners for one service, which *undo* will close."""
        plain = self._sockets[door].duplicate(setup.listen)
        for listener in plain:
            undo.callback(listener.socket.close)
        secret = self._sockets[door].duplicate(setup.tls_listen)
        for listener in secret:
            undo.callback(listener.socket.close)
        if setup.tls is None:
            return [*plain]
        context, is_web = setup.tls.context, door == "web"
        return [*plain, *(Secured(listener, context, is_web) for listener in secret)]

    def close(self) -> None:
        """Let no one new in."""
        for door in _SERVE:
            self._stop(door)
        self._close_unused_sockets()

    def _runs(self, door: str, setup: _Setup) -> bool:
        running = self._running.get(door)
        return running is not None and running.setup == setup

    def _start(self, door: str, setup: _Setup, listeners: list[Listener]) -> None:
        new = _Running(setup, trio.Event())
        serve = partial(
            _SERVE[door],
            setup.settings,
            self._directory if door != "setter" else self._directory.users,
            listeners,
            stop=new.stop,
            counts=self._counts[door],
            **setup.options,
        )
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
            sockets.keep(() if running is None else running.setup.listen + running.setup.tls_listen)


def _places(config: Config, door: str) -> tuple[tuple[Listen, ...], tuple[Listen, ...]]:
    """Return where *door* listens, and where it does over TLS."""
    section = getattr(config, door)
    return ((), ()) if section is None else (section.listen, section.tls_listen)


def _setups(
    config: Config, bound: Mapping[str, list[Listen]], counts: Mapping[str, Counts]
) -> dict[str, _Setup]:
    """Return how each door that shall run is started.

    Raises:
      ListenError: the certificate cannot be used.
    """
    site = Site(
        name=config.daemon.name,
        finger_port=_port(bound.get("finger", ())),
        setter_port=_port(bound.get("setter", ())),
        control=config.setter is not None and config.setter.control is not None,
        irc_nick=config.irc.nick if config.irc else None,
        url=config.web.url if config.web else None,
        trusted_proxies=config.web.trusted_proxies if config.web else (),
    )
    settings = {
        "finger": config.finger,
        "setter": config.setter,
        "web": config.web and site,
        "metrics": config.metrics,
    }
    options: dict[str, dict[str, Any]] = {
        "finger": {"records": config.log},
        "metrics": {"doors": counts},
    }
    places = {door: _places(config, door) for door in settings}
    secured = any(tls_listen for _, tls_listen in places.values())
    certificate = _certificate(config) if secured else None
    setups = {}
    for door, known in settings.items():
        listen, tls_listen = places[door]
        if known is not None:
            own = certificate if tls_listen else None
            setups[door] = _Setup(known, options.get(door, {}), listen, tls_listen, own)
    return setups


def _certificate(config: Config) -> Certificate | None:
    if config.tls is None:
        return None
    try:
        return read_certificate(config.tls.certificate, config.tls.key)
    except TlsError as error:
        raise ListenError(f"cannot use TLS: {error}") from error


def _port(addresses: Iterable[Listen]) -> int | None:
    return next((place.port for place in addresses if isinstance(place, Address)), None)
