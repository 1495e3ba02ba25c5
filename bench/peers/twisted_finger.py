"""The tutorial's finger server on today's Twisted: ``twisted_finger.py PORT FILE [REFRESH]``.

Written for this from what "The Evolution of Finger" does: a `LineReceiver` asks the service
for a `Deferred` and writes what it comes to; the service has a dictionary of bytes, which it
fills anew from the file every thirty seconds; here on SIGHUP too, to be measured at it.
"""

import signal
import sys
from pathlib import Path
from typing import Any

# The least there is to wait with on Linux; it has to be chosen before all else.
from twisted.internet import epollreactor  # type: ignore[import-not-found]

epollreactor.install()

from twisted.application import service  # type: ignore[import-not-found]  # noqa: E402
from twisted.internet import defer, protocol, reactor  # noqa: E402
from twisted.protocols import basic  # type: ignore[import-not-found]  # noqa: E402

REFRESH = 30  # seconds, as in the tutorial


class FingerProtocol(basic.LineReceiver):  # type: ignore[misc]
    """One query, one answer."""

    def lineReceived(self, user: bytes) -> None:  # noqa: N802
        """Answer the query *user*."""
        answer = self.factory.getUser(user)
        answer.addErrback(lambda _: b"Internal error in server")
        answer.addCallback(self._say)

    def _say(self, message: bytes) -> None:
        self.transport.write(message + b"\r\n")
        self.transport.loseConnection()


class FingerService(service.Service):  # type: ignore[misc]
    """Knows what the users file says."""

    def __init__(self, path: Path, refresh: int) -> None:
        self.users: dict[bytes, bytes] = {}
        self.path = path
        self.refresh = refresh
        self.next: Any = None

    def startService(self) -> None:  # noqa: N802
        """Read the file, now and every so often."""
        self._read()
        service.Service.startService(self)

    def read_again(self, *_: object) -> None:
        """Read the file before it is due."""
        self.next.cancel()
        self._read()

    def _read(self) -> None:
        self.users.clear()
        with self.path.open("rb") as file:
            for line in file:
                user, status = line.split(b":", 1)
                self.users[user.strip()] = status.strip()
        self.next = reactor.callLater(self.refresh, self._read)

    def getUser(self, user: bytes) -> Any:  # noqa: N802
        """Return a `Deferred` of *user*'s status."""
        return defer.succeed(self.users.get(user, b"No such user"))

    def getFingerFactory(self) -> Any:  # noqa: N802
        """Return what makes a protocol of each connection."""
        factory = protocol.ServerFactory()
        factory.protocol = FingerProtocol
        factory.getUser = self.getUser
        return factory


def main() -> None:
    """Serve until SIGTERM."""
    port, filename, *refresh = sys.argv[1:]
    finger = FingerService(Path(filename), int(refresh[0]) if refresh else REFRESH)
    finger.startService()
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(finger.read_again))
    reactor.listenTCP(int(port), finger.getFingerFactory(), backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
