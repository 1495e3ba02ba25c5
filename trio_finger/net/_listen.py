"""The sockets that the daemon listens on, which outlive the services using them."""

import errno
from collections.abc import Iterable

import trio

from trio_finger.net._unix import SocketFile, UnixSocketError, bind_unix
from trio_finger.protocol.address import Address, Listen, UnixAddress


class ListenError(Exception):
    """An address that cannot be listened on; ``str()`` of it says what to do."""


class PortTakenError(ListenError):
    """An address on which somebody else listens.

    Args:
      address: which.

    Attributes:
      address: the same.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(self.advise(address, "in listen"))
        self.address = address

    @staticmethod
    def advise(address: Address, where: str) -> str:
        """Return what to do; *where* says where another address is chosen."""
        return (
            f"cannot listen on {address}: the port is taken; "
            f"stop what listens there, or choose another {where}"
        )


class ListeningSockets:
    """The bound sockets of one door.

    A service is handed duplicates, which it closes when it stops. The sockets
    themselves stay here: when the configuration is read again, the next service
    takes over where the last one stopped accepting, and no client finds the door
    shut.
    """

    def __init__(self) -> None:
        self._bound: dict[Listen, list[trio.SocketListener]] = {}
        self._files: dict[Listen, SocketFile] = {}

    async def bind(self, addresses: Iterable[Listen]) -> list[Listen]:
        """Bind those of *addresses* that are not bound yet.

        Returns:
          What they came out as: a name may stand for several addresses, port 0 for
          any port.

        Raises:
          ListenError: an address cannot be bound; those before it are.
        """
        bound: list[Listen] = []
        for address in addresses:
            if address not in self._bound:
                await self._bind(address)
            if isinstance(address, UnixAddress):
                bound.append(address)
            else:
                bound += [_address_of(listener) for listener in self._bound[address]]
        return bound

    def duplicate(self, addresses: Iterable[Listen]) -> list[trio.SocketListener]:
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

    def keep(self, addresses: Iterable[Listen]) -> None:
        """Close every socket but those on *addresses*.

        The file of a UNIX socket goes with it, and with nothing else: a service that
        closes its duplicate leaves the door where it is.
        """
        for address in self._bound.keys() - set(addresses):
            if address in self._files:
                # First, or somebody could take it for stale, and put theirs there.
                self._files.pop(address).remove()
            for listener in self._bound.pop(address):
                listener.socket.close()

    async def _bind(self, address: Listen) -> None:
        try:
            if isinstance(address, UnixAddress):
                listener, self._files[address] = bind_unix(address)
                self._bound[address] = [listener]
            else:
                self._bound[address] = await trio.open_tcp_listeners(
                    address.port, host=address.host
                )
        except UnixSocketError as error:
            raise ListenError(f"cannot listen on {address}: {error}") from error
        except OSError as error:
            if error.errno == errno.EADDRINUSE and isinstance(address, Address):
                raise PortTakenError(address) from error
            raise ListenError(f"cannot listen on {address}: {_advice(error, address)}") from error


def _address_of(listener: trio.SocketListener) -> Address:
    host, port, *_ = listener.socket.getsockname()
    return Address(host, port)


def _advice(error: OSError, address: Listen) -> str:
    reason = error.strerror or str(error)
    if isinstance(address, UnixAddress):
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{reason}; let the daemon write to its folder, or choose another in listen"
        return f"{reason}; choose another path in listen"
    match error.errno:
        case errno.EACCES:
            return (
                f"ports below 1024 need privileges, such as CAP_NET_BIND_SERVICE; "
                f"{address.port + 7000} would do without"
            )
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return reason
