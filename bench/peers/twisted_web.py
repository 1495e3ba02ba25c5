"""The tutorial's pages and XML-RPC on today's Twisted: ``twisted_web.py PORT FILE``.

Written for this from what "The Evolution of Finger" does: a resource for each user asks the
service for a `Deferred` and writes it as a page; XML-RPC's ``getUser`` returns one. What is
left out is in Twisted's favour: no request is logged, and a page says its length, or each
would be sent in chunks.
"""

import html
import sys
from pathlib import Path
from typing import Any

# The least there is to wait with on Linux; it has to be chosen before all else.
from twisted.internet import epollreactor  # type: ignore[import-not-found]

epollreactor.install()

from twisted.internet import defer, reactor  # noqa: E402
from twisted.web import resource, server, xmlrpc  # type: ignore[import-not-found]  # noqa: E402


class FingerService:
    """Knows what the users file says."""

    def __init__(self, path: Path) -> None:
        pairs = (line.split(":", 1) for line in path.read_text().splitlines())
        self.users = {name.strip(): status.strip() for name, status in pairs}

    def getUser(self, user: str) -> Any:  # noqa: N802
        """Return a `Deferred` of *user*'s status."""
        return defer.succeed(self.users.get(user, "No such user"))


class UserStatus(resource.Resource):  # type: ignore[misc]
    """One user's page."""

    isLeaf = True  # noqa: N815

    def __init__(self, user: str, finger: FingerService) -> None:
        super().__init__()
        self.user = user
        self.finger = finger

    def render_GET(self, request: Any) -> Any:  # noqa: N802
        """Write the page once the status is known."""

        def say(status: str) -> None:
            page = f"<h1>{html.escape(self.user)}</h1><p>{html.escape(status)}</p>".encode()
            request.setHeader(b"content-type", b"text/html; charset=utf-8")
            request.setHeader(b"content-length", b"%d" % len(page))
            request.write(page)
            request.finish()

        self.finger.getUser(self.user).addCallback(say)
        return server.NOT_DONE_YET


class UserStatusXR(xmlrpc.XMLRPC):  # type: ignore[misc]
    """The same for programs."""

    def __init__(self, finger: FingerService) -> None:
        super().__init__()
        self.finger = finger

    def xmlrpc_getUser(self, user: str) -> Any:  # noqa: N802
        """Return a `Deferred` of *user*'s status."""
        return self.finger.getUser(user)


class UserStatusTree(resource.Resource):  # type: ignore[misc]
    """All users, and ``RPC2``."""

    def __init__(self, finger: FingerService) -> None:
        super().__init__()
        self.finger = finger
        self.putChild(b"RPC2", UserStatusXR(finger))

    def getChild(self, name: bytes, _: Any) -> Any:  # noqa: N802
        """Return the page of *name*."""
        return UserStatus(name.decode(), self.finger)


def main() -> None:
    """Serve until SIGTERM."""
    port, filename = sys.argv[1:]
    site = server.Site(UserStatusTree(FingerService(Path(filename))))
    site.log = lambda _: None
    reactor.listenTCP(int(port), site, backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
