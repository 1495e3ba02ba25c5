"""One connection may not kill the daemon: the loop in which every door runs."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.net._connection import Connection, peer_name
from trio_finger.net._entrance import AnswerAtOnce, Entrance
from trio_finger.net._gate import Gate
from trio_finger.net._proxied import read_proxy_header
from trio_finger.net._stream import finish, send_in_pieces
from trio_finger.net._tls import HandshakeError, Secured, shake_hands
from trio_finger.protocol.proxy import ProxyError

_SAY_WITHIN = 2  # seconds; whoever is refused, or made our code fail, may not be reading

Handler = Callable[[Connection], Awaitable[None]]


async def serve_connections(
    handler: Handler,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    stop: trio.Event,
    gate: Gate,
    patience: float = 10,
    at_once: AnswerAtOnce | None = None,
    sorry: bytes = b"",
) -> None:
    """Run *handler* for every connection until *stop*, then see the open ones out.

    Args:
      handler: takes a stream, over TLS with the handshake done, which is closed for it
        however it ends. Over TLS a client believes no answer whose end is not said, so
        what is whole has to be ended by `finish`.
      listeners: where connections come from, over TLS (`Secured`) or not; closed on the
        way out.
      stop: once it is set nothing new is accepted, and this returns as soon as the
        last handler has. To cut them short, cancel this.
      gate: who is served, and how many; it counts, and has the log.
      patience: how many seconds after it was accepted a connection has to be ready for the
        handler: whom it is from and TLS, where these have to be said first.
      at_once: answers what can be answered without a handler, on plain connections.
      sorry: what a client is sent when its handler fails.

    A fault in a handler ends its own connection and nothing else: here, and at the entrance
    for what happens there, an exception of any kind is caught, because one that leaves a
    handler would cancel every other connection, and the daemon with them.
    """

    async def guard(stream: Connection) -> None:
        # Closing the stream itself would, over TLS, call an answer whole that is not.
        async with _transport(stream) as transport:
            failed = False
            try:
                deadline = transport.since + patience
                if transport.unsent is not None:
                    await send_in_pieces(transport, transport.unsent)
                    await finish(transport)
                elif await _is_admitted(stream, transport, gate, deadline):
                    await shake_hands(stream, deadline)
                    await handler(stream)
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                # The client went away. It may, at any moment.
                gate.damper.log.debug("connection lost", peer=peer_name(transport))
            except* trio.TooSlowError:
                gate.cut("slow", "client too slow", peer=peer_name(transport))
            except* HandshakeError as errors:
                reason = str(errors.exceptions[0])
                gate.cut("tls", "no TLS", peer=peer_name(transport), reason=reason)
            except* ProxyError as errors:
                reason = str(errors.exceptions[0])
                gate.cut("proxy", "not as a proxy", peer=peer_name(transport), reason=reason)
            except* Exception as fault:
                gate.fault(fault, peer_name(transport))
                failed = True
            if failed and sorry:
                await _say(stream, sorry)

    async with (
        gate.damper.running(),
        trio.open_nursery() as connections,
        trio.open_nursery() as accepting,
    ):
        entrances = [_entrance(listener, gate, at_once) for listener in listeners]
        accepting.start_soon(_serve, guard, entrances, connections)
        await stop.wait()
        accepting.cancel_scope.cancel()


def _entrance(
    listener: trio.SocketListener | Secured, gate: Gate, at_once: AnswerAtOnce | None
) -> trio.abc.Listener[Connection]:
    if isinstance(listener, Secured):
        return listener.over(Entrance(listener.listener, gate, words=False))
    return Entrance(listener, gate, at_once=at_once)


async def _serve(
    handler: Handler,
    listeners: Sequence[trio.abc.Listener[Connection]],
    connections: trio.Nursery,
) -> None:
    await trio.serve_listeners(handler, list(listeners), handler_nursery=connections)


async def _is_admitted(
    stream: Connection, transport: AcceptedStream, gate: Gate, deadline: float
) -> bool:
    """Find out for whom a proxy connects, if one does, and whether that one is served.

    Raises:
      ProxyError: it is a proxy's connection, and does not say whose.
      trio.TooSlowError: it has not said so by *deadline*.
    """
    if transport.source is None or not gate.is_proxy(transport.source.host):
        return True
    await read_proxy_header(transport, deadline)
    refusal = gate.refuse(transport.source.host, trio.current_time())
    if refusal is not None and not isinstance(stream, trio.SSLStream):
        await _say(transport, gate.limits.words.get(refusal, b""))
    return refusal is None


def _transport(stream: Connection) -> AcceptedStream:
    return stream.transport_stream if isinstance(stream, trio.SSLStream) else stream


async def _say(stream: Connection, words: bytes) -> None:
    """Send *words*, if that can be done, as the last."""
    with (
        trio.move_on_after(_SAY_WITHIN),
        suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError),
    ):
        await stream.send_all(words)
        await finish(stream)
