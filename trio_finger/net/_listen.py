"""The sockets that the daemon listens on, which outlive the services using them."""

import errno
from collections.abc import Iterable

import trio

from trio_finger.protocol.address import Address


class ListenError(Exception):
    """An address that cannot be listened on; ``str()`` of it says what to do."""


class ListeningSockets:
    """The bound sockets of one door.

    A service is handed duplicates, which it closes when it stops. The sockets
    themselves stay here: when the configuration is read again, the next service
    takes over where the last one stopped accepting, and no client finds the door
    shut.
    """

    def __init__(self) -> None:
        self._bound: dict[Address, list[trio.SocketListener]] = {}

    async def bind(self, addresses: Iterable[Address]) -> list[Address]:
        """Bind those of *addresses* that are not bound yet.

        Returns:
          What they came out as: a name may stand for several addresses, port 0 for
          any port.

        Raises:
          ListenError: an address cannot be bound; those before it are.
        """
        bound = []
        for address in addresses:
            if address not in self._bound:
                self._bound[address] = await _bind(address)
            bound += [_address_of(listener) for listener in self._bound[address]]
        return bound

    def duplicate(self, addresses: Iterable[Address]) -> list[trio.SocketListener]:
        """Return listeners of their own, for a service to close, on bound *addresses*.

        Raises:
          ListenError: there are no file descriptors left.
        """
        duplicates: list[trio.SocketListener] = []
        try:
            for address in addresses:
                for listener in self._bound[address]:
                    duplicates.append(trio.SocketListener(listener.socket.dup()))
        except OSError as error:
            for duplicate in duplicates:
                duplicate.socket.close()
            raise ListenError(f"cannot go on listening: {error.strerror}") from error
        return duplicates

    def keep(self, addresses: Iterable[Address]) -> None:
        """Close every socket but those on *addresses*."""
        for address in self._bound.keys() - set(addresses):
            for listener in self._bound.pop(address):
                listener.socket.close()


async def _bind(address: Address) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(address.port, host=address.host)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {_advice(error, address)}") from error


def _address_of(listener: trio.SocketListener) -> Address:
    host, port, *_ = listener.socket.getsockname()
    return Address(host, port)


def _advice(error: OSError, address: Address) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the port is taken; stop what listens there, or choose another in listen"
        case errno.EACCES:
            return (
                f"ports below 1024 need privileges, such as CAP_NET_BIND_SERVICE; "
                f"{address.port + 7000} would do without"
            )
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return error.strerror or str(error)
