"""Serving finger: one query a connection, one answer, and the server closes first."""

from collections.abc import Sequence

import trio

from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import (
    Gate,
    Limits,
    Secured,
    Stream,
    accepted_at,
    finish,
    peer_host,
    send_in_pieces,
    serve_connections,
)
from trio_finger.protocol.finger import QueryReader, QueryTooLongError
from trio_finger.protocol.proxy import PRETENDED, ProxyError
from trio_finger.services.finger._door import Door
from trio_finger.sources import Directory

_INTERNAL_ERROR = b"Internal error in server\r\n"
_TOO_MANY = b"Too many queries from your address; try again later\r\n"
_NOT_SERVED = b"Your address is not served here\r\n"

_CHUNK = 2048  # bytes; a whole query and a little more

log = get_log("finger")


async def serve_finger(
    config: Finger,
    directory: Directory,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    stop: trio.Event,
    counts: Counts,
    records: Log,
) -> None:
    """Answer finger queries until *stop*, then those under way, and return.

    Args:
      config: the section ``[finger]``.
      directory: who is there; only read.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting.
      counts: this door's numbers.
      records: the section ``[log]``: whether each query is a record.
    """
    door = Door(config, directory, counts, records, log)

    async def handle(stream: Stream) -> None:
        await handle_finger(stream, config, door)

    await serve_connections(
        handle,
        listeners,
        stop=stop,
        gate=Gate(_limits(config), counts, log),
        patience=config.timeout,
        at_once=door.answer_at_once,
        sorry=_INTERNAL_ERROR,
    )


async def handle_finger(stream: Stream, config: Finger, door: Door) -> None:
    """Read one query from *stream* and have it answered by *door*; the caller closes.

    Raises:
      ProxyError: the client pretends to be a proxy.
      trio.TooSlowError: the query was not there within `Finger.timeout`, or the client
        has stopped reading.
      trio.BrokenResourceError: the client is gone.
    """
    host = peer_host(stream)
    try:
        with trio.fail_at(accepted_at(stream) + config.timeout):
            line = await _receive_query(stream)
    except QueryTooLongError:
        await send_in_pieces(stream, door.refuse_long(host))
    else:
        target = door.forward(line, host)
        if target is None:
            await send_in_pieces(stream, await door.answer(line, host))
        else:
            await door.relay(target, line, host, stream)
    await finish(stream)


async def _receive_query(stream: trio.abc.ReceiveStream) -> bytes:
    reader = QueryReader()
    while True:
        data = await stream.receive_some(_CHUNK)
        line = reader.receive_data(data)
        if line is not None:
            if line.startswith(PRETENDED) or data.startswith(PRETENDED):
                raise ProxyError("a PROXY header from somebody who is not in trusted_proxies")
            return line


def _limits(config: Finger) -> Limits:
    return Limits(
        connections=config.max_connections,
        rate=config.rate,
        allow=config.allow,
        deny=config.deny,
        proxies=config.trusted_proxies,
        words={"rate": _TOO_MANY, "network": _NOT_SERVED},
    )
