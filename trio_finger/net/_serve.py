"""One connection may not kill the daemon: the loop in which every door runs."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio
from structlog.typing import FilteringBoundLogger

from trio_finger.net._connection import Connection, peer_name
from trio_finger.net._stream import finish
from trio_finger.net._tls import HandshakeError, shake_hands

_SAY_SORRY_WITHIN = 2  # seconds; whoever made our code fail may not be reading, either

Handler = Callable[[Connection], Awaitable[None]]


async def serve_connections(
    handler: Handler,
    listeners: Sequence[trio.abc.Listener[Connection]],
    *,
    stop: trio.Event,
    log: FilteringBoundLogger,
    max_connections: int,
    sorry: bytes = b"",
) -> None:
    """Run *handler* for every connection until *stop*, then see the open ones out.

    Args:
      handler: takes a stream, over TLS with the handshake done, which is closed for it
        however it ends. Over TLS a client believes no answer whose end is not said, so
        what is whole has to be ended by `finish`.
      listeners: where connections come from, over TLS (`secure`) or not; closed on the
        way out.
      stop: once it is set nothing new is accepted, and this returns as soon as the
        last handler has. To cut them short, cancel this.
      log: is told what went wrong in a handler.
      max_connections: how many handlers run at once. More are closed at once, unserved.
      sorry: what a client is sent when its handler fails.

    A fault in a handler ends its own connection and nothing else: here, and nowhere
    else around a connection, an exception of any kind is caught, because one that
    leaves a handler would cancel every other connection, and the daemon with them.
    """

    async def guard(stream: Connection) -> None:
        # Closing the stream itself would, over TLS, call an answer whole that is not.
        async with _transport(stream) as transport:
            if len(connections.child_tasks) > max_connections:
                log.warning(
                    "too many connections", peer=peer_name(transport), limit=max_connections
                )
                return
            failed = False
            try:
                await shake_hands(stream)
                await handler(stream)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                # The client went away. It may, at any moment.
                log.debug("connection lost", peer=peer_name(transport))
            except* trio.TooSlowError:
                log.info("client too slow", peer=peer_name(transport))
            except* HandshakeError as errors:
                reason = str(errors.exceptions[0])
                log.info("no TLS", peer=peer_name(transport), reason=reason)
            except* Exception as fault:
                log.exception("fault in a connection", peer=peer_name(transport), exc_info=fault)
                failed = True
            if failed and sorry:
                with trio.move_on_after(_SAY_SORRY_WITHIN):
                    await _say(stream, sorry)

    async with trio.open_nursery() as connections, trio.open_nursery() as accepting:
        accepting.start_soon(_serve, guard, listeners, connections)
        await stop.wait()
        accepting.cancel_scope.cancel()


async def _serve(
    handler: Handler,
    listeners: Sequence[trio.abc.Listener[Connection]],
    connections: trio.Nursery,
) -> None:
    await trio.serve_listeners(handler, list(listeners), handler_nursery=connections)


def _transport(stream: Connection) -> trio.SocketStream:
    return stream.transport_stream if isinstance(stream, trio.SSLStream) else stream


async def _say(stream: Connection, words: bytes) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
        await stream.send_all(words)
        await finish(stream)
