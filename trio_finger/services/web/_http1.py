"""HTTP/1.1 alone: Hypercorn's protocol without what it would change to."""

import re
from collections.abc import Callable
from typing import Any

import h11
from hypercorn.protocol.events import Event, Response
from hypercorn.protocol.h11 import H11Protocol

_ADDRESS = re.compile(rb"^[^/?]*://[^/?]*")  # at the beginning of a request target

_TIMEOUT = 408  # what the app answers to whoever does not send a whole body in time


class HTTP1(H11Protocol):
    """HTTP/1.1 and nothing else: an upgrade is ignored, as RFC 9110, 7.8 allows.

    There is nothing here to change to, and the changing is where the traps are.

    Args:
      on_slow: is called when the body of a request has not come in time.
    """

    connection: h11.Connection  # nothing else without WebSockets

    def __init__(self, *arguments: Any, on_slow: Callable[[], None]) -> None:
        super().__init__(*arguments)
        self._on_slow = on_slow

    @property
    def has_begun(self) -> bool:
        """Whether the beginning of a request is here, and the rest of its head is not."""
        return bool(self.connection.trailing_data[0])

    @property
    def is_here(self) -> bool:
        """Whether a request is here as a whole, and its answer is not over."""
        return self.connection.their_state is h11.DONE

    async def stream_send(self, event: Event) -> None:
        """Answer as the app says."""
        if isinstance(event, Response) and event.status_code == _TIMEOUT:
            self._on_slow()
        await super().stream_send(event)

    async def _check_protocol(self, _: h11.Request) -> None:
        """Do not change to HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        """Do not change to WebSocket, and leave the address of a proxy's request out.

        An origin server has to take ``GET http://host/path``, too (RFC 9112, 3.2.2), and
        Quart fails where the host in it is nonsense.
        """
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=_path(request.target),
                headers=[header for header in request.headers if header[0] != b"upgrade"],
                http_version=request.http_version,
            )
        )


def _path(target: bytes) -> bytes:
    """Return *target* as the path, and the query, on this server."""
    path = _ADDRESS.sub(b"", target)
    return path if path.startswith((b"/", b"*")) else b"/" + path
