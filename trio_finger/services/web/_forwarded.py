"""Behind a proxy: each request as the client has sent it, and not as it came to us."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope, WWWScope

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
        if scope["type"] != "lifespan":
            scope = scope.copy()
            self._believe(scope)
            if self._base:
                self._mount(scope)
        await self._app(scope, receive, send)

    def _believe(self, scope: WWWScope) -> None:
        """Put in who the client is, and how it asks, if a trusted proxy says so."""
        client = scope.get("client")  # not there, or None, where there is no address
        found = find_client(client and client[0], read_claims(scope["headers"]), self._proxies)
        if found.client is not None:
            scope["client"] = str(found.client), 0  # its port is nobody's business
        if found.scheme is not None:
            is_websocket = scope["type"] == "websocket"
            scope["scheme"] = found.scheme.replace("http", "ws") if is_websocket else found.scheme

    def _mount(self, scope: WWWScope) -> None:
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


def read_claims(headers: Iterable[tuple[bytes, bytes]]) -> Claims:
    """Return what *headers*, with names in small letters, say of those a request went through."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"):
            found.setdefault(name, []).append(value)

    def of(name: bytes) -> str:
        return b",".join(found.get(name, ())).decode("latin-1")

    return Claims(of(b"x-forwarded-for"), of(b"x-forwarded-proto"), of(b"forwarded"))
