"""Behind a proxy: each request as the client has sent it, and not as it came to us."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope

from trio_finger.protocol.forwarded import Claims, find_client
from trio_finger.services.web._site import Site


class Forwarded:
    """An app around another one, which it tells who the client is, and where we are mounted.

    Args:
      app: the app that answers.
      site: has our public address, and knows whom to believe.
    """

    def __init__(self, app: ASGIFramework, site: Site) -> None:
        self._app = app
        self._proxies = site.trusted_proxies
        self._base = urlsplit(site.url or "").path

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Have the app answer one request."""
        assert scope["type"] == "http"  # nothing else comes through our connections
        scope = scope.copy()
        self._believe(scope)
        if self._base:
            self._mount(scope)
        await self._app(scope, receive, send)

    def _believe(self, scope: HTTPScope) -> None:
        """Put in who the client is, and how it asks, if a trusted proxy says so."""
        client = scope.get("client")  # not there, or None, where there is no address
        found = find_client(client and client[0], _read_claims(scope["headers"]), self._proxies)
        if found.client is not None:
            scope["client"] = str(found.client), 0  # its port is nobody's business
        if found.scheme is not None:
            scope["scheme"] = found.scheme

    def _mount(self, scope: HTTPScope) -> None:
        """Have the path begin with our prefix, whether or not the proxy has taken that off.

        The app is told to leave it out again: that is what ASGI has ``root_path`` for.
        """
        before, after = "", ""
        if not f"{scope['path']}/".startswith(f"{self._base}/"):
            before = self._base
        elif scope["path"] == self._base:
            after = "/"
        scope["root_path"] = self._base
        scope["path"] = f"{before}{scope['path']}{after}"
        scope["raw_path"] = before.encode() + scope["raw_path"] + after.encode()


def _read_claims(headers: Iterable[tuple[bytes, bytes]]) -> Claims:
    """Return what *headers*, with names in small letters, say of those a request went through."""
    headers = list(headers)

    def of(wanted: bytes) -> str:
        return b",".join(value for name, value in headers if name == wanted).decode("latin-1")

    return Claims(of(b"x-forwarded-for"), of(b"x-forwarded-proto"), of(b"forwarded"))
