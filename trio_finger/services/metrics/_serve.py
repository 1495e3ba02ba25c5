"""Serving metrics: as much of HTTP as it takes to be scraped, on a listener of its own.

It is not the web door's, so that who may see pages need not see this. A request a
connection is enough: Prometheus asks once in fifteen seconds or so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import h11
import trio

from trio_finger.config import Metrics
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import (
    Connection,
    Gate,
    Limits,
    Secured,
    Stream,
    accepted_at,
    finish,
    send_in_pieces,
    serve_connections,
)
from trio_finger.sources import Directory

_REQUEST_SECONDS = 10
_MAX_REQUEST = 8192  # bytes
_MAX_CONNECTIONS = 64
_CHUNK = 4096  # bytes
_PATH = b"/metrics"

# The code, the type, and the body.
_Answer: TypeAlias = tuple[int, str, bytes]
_PLAIN = "text/plain; charset=utf-8"

log = get_log("metrics")


async def serve_metrics(
    config: Metrics,
    directory: Directory,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    stop: trio.Event,
    counts: Counts,
    doors: Mapping[str, Counts],
) -> None:
    """Tell Prometheus, until *stop*, what has been counted.

    Args:
      config: the section ``[metrics]``.
      directory: is asked how many users there are, and what sources said.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting.
      counts: this door's numbers.
      doors: those of every door.
    """
    # Here, because it takes some time, and most do without.
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    from trio_finger.services.metrics._numbers import make_registry

    registry = make_registry(doors, directory)

    def answer(request: h11.Request) -> _Answer:
        if request.method not in (b"GET", b"HEAD"):
            return 405, _PLAIN, b"Only GET is answered here.\n"
        if request.target.partition(b"?")[0] != _PATH:
            return 404, _PLAIN, b"The metrics are at /metrics.\n"
        return 200, CONTENT_TYPE_LATEST, generate_latest(registry)

    async def handle(stream: Connection) -> None:
        await _handle(stream, answer, counts)

    await serve_connections(
        handle, listeners, stop=stop, gate=Gate(Limits(_MAX_CONNECTIONS), counts, log)
    )


async def _handle(stream: Stream, answer: Callable[[h11.Request], _Answer], counts: Counts) -> None:
    """Answer one request; the caller closes."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_REQUEST)
    method = b""
    try:
        with trio.fail_at(accepted_at(stream) + _REQUEST_SECONDS):
            request = await _receive_request(stream, connection)
        if request is None:
            return
        method = request.method
        code, kind, body = answer(request)
    except h11.RemoteProtocolError as error:
        code, kind, body = error.error_status_hint, _PLAIN, b"This is no HTTP request.\n"
    counts.answered[f"{code // 100}xx"] += 1
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),
        *([("Allow", "GET, HEAD")] if code == 405 else []),
    ]
    head = connection.send(h11.Response(status_code=code, headers=headers)) or b""
    await send_in_pieces(stream, head if method == b"HEAD" else head + body)
    await finish(stream)


async def _receive_request(stream: Stream, connection: h11.Connection) -> h11.Request | None:
    """Return what is asked for; ``None`` if nothing is.

    Raises:
      h11.RemoteProtocolError: it is no HTTP.
    """
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            return None
        connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
