"""Hypercorn 0.18 on Trio, cured of what would let a stranger end the daemon.

`hypercorn.trio.serve` is not made for a nursery that it shares. Found by running it:

- a WebSocket upgrade followed by any byte, and an ``Upgrade: h2c`` with broken
  settings, raise an exception that leaves ``serve()`` and takes everything along;
- a client that stops reading is sent to under a shield without an end, so neither
  stopping nor cancelling works until it goes;
- under quart-trio the task that ends a response is cancelled just before it starts
  the keep-alive timer or closes the connection, so idle connections stay for ever.

So only Hypercorn's connection is used, one a handler of `serve_connections`, which
contains what goes wrong in it; and of that connection these three things are replaced,
and the end, which over TLS has to be said. Whoever is too slow is counted and logged, as
at every door. When Hypercorn changes, this file, `_http_connection.py` and `_http1.py` are
what has to be looked at.
"""

import logging
from collections.abc import Sequence

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from trio_finger.net import Connection, Gate, Secured, serve_connections, socket_of
from trio_finger.services.web._http_connection import Before, HttpConnection
from trio_finger.services.web._wire import KEEP_ALIVE


async def serve_app(
    app: ASGIFramework,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    before: Before,
    stop: trio.Event,
    gate: Gate,
) -> None:
    """Serve *app* over HTTP/1.1, with TLS or without, until *stop*, then finish what is open.

    *app* gets no lifespan events. Cancelling cuts every connection at once, even one
    to a client that has stopped reading.

    Args:
      app: answers requests.
      listeners: where connections come from; closed on the way out.
      before: has every request first.
      stop: ends accepting, and closes the connections that wait for a next request.
      gate: who is served, and how many.
    """
    config = _configure()
    context = WorkerContext(None)
    wrapped = ASGIWrapper(app)
    sockets: set[trio.socket.SocketType] = set()

    async def handle(stream: Connection) -> None:
        socket = socket_of(stream)
        assert socket is not None
        sockets.add(socket)
        try:
            # Hypercorn's part of a connection is only made where it is needed.
            if (data := await before(stream, b"")) is not None:
                await HttpConnection(wrapped, config, context, stream, data, before, gate).run()
        finally:
            sockets.discard(socket)

    async def close_idle_connections() -> None:
        await stop.wait()
        await context.terminated.set()

    async def cut_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            for socket in sockets:
                socket.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close_idle_connections)
        nursery.start_soon(cut_when_cancelled)
        await serve_connections(handle, listeners, stop=stop, gate=gate)
        nursery.cancel_scope.cancel()


def _configure() -> Config:
    config = Config()
    config.include_server_header = False
    config.errorlog = logging.getLogger("hypercorn")
    config.keep_alive_timeout = KEEP_ALIVE
    return config
