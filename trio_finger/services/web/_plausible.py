"""Requests that no honest client sends, refused before the app has to make sense of them."""

import re
from collections.abc import Iterable
from typing import Final

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    Scope,
)

from trio_finger.services.web._answer import HEADERS

# A name, as werkzeug will have it, or an address; and a port.
HOST: Final = re.compile(
    r"((?!.{254})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
    re.IGNORECASE | re.ASCII,
)


class Plausible:
    """An app around another one, which it spares what makes no sense.

    Args:
      app: the app that answers the rest.
    """

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Have the app answer one request, or say why not."""
        assert scope["type"] == "http"  # nothing else comes through our connections
        fault = find_fault(scope["headers"])
        if not fault:
            await self._app(scope, receive, send)
            return
        body = f"{fault}\n".encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *((name.encode(), value.encode()) for name, value in HEADERS),
        ]
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": 400,
            "headers": headers,
        }
        rest: HTTPResponseBodyEvent = {
            "type": "http.response.body",
            "body": body,
            "more_body": False,
        }
        await send(start)
        await send(rest)


def find_fault(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return what is wrong with a request that has *headers*; empty for nothing."""
    headers = list(headers)
    names = {name for name, _ in headers}
    if {b"content-length", b"transfer-encoding"} <= names:
        # Whoever is in between may go by the other one (RFC 9112, 6.1).
        return "a body has either a length or chunks"
    hosts = [value for name, value in headers if name == b"host"]
    if hosts and not HOST.fullmatch(hosts[0].decode("latin-1")):
        return "no such host can be"
    return ""
