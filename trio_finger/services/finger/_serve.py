"""Serving finger: one query a connection, one answer, and the server closes first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from logging import DEBUG

import trio

from trio_finger.config import Finger
from trio_finger.log import get_log
from trio_finger.net import Connection, Stream, finish, peer_name, send_in_pieces, serve_connections
from trio_finger.protocol.finger import MAX_QUERY, QueryReader, QueryTooLongError
from trio_finger.services.finger._answer import answer_query
from trio_finger.usermap import UserMap

_INTERNAL_ERROR = b"Internal error in server\r\n"
_TOO_LONG = f"Query too long (at most {MAX_QUERY} bytes)\r\n".encode()

_CHUNK = 2048  # bytes; a whole query and a little more

log = get_log("finger")


async def serve_finger(
    config: Finger,
    users: UserMap,
    listeners: Sequence[trio.abc.Listener[Connection]],
    *,
    stop: trio.Event,
) -> None:
    """Answer finger queries until *stop*, then those under way, and return.

    Args:
      config: the section ``[finger]``.
      users: who is there; only read.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting.
    """

    async def handle(stream: Connection) -> None:
        await handle_finger(stream, config, users)

    await serve_connections(
        handle,
        listeners,
        stop=stop,
        log=log,
        max_connections=config.max_connections,
        sorry=_INTERNAL_ERROR,
    )


async def handle_finger(stream: Stream, config: Finger, users: UserMap) -> None:
    """Read one query from *stream* and answer it; the caller closes.

    Raises:
      trio.TooSlowError: the query was not there within `Finger.timeout`, or the client
        has stopped reading.
      trio.BrokenResourceError: the client is gone.
    """
    try:
        with trio.fail_after(config.timeout):
            line = await _receive_query(stream)
        answer = answer_query(line, users, config, now=datetime.now(UTC))
    except QueryTooLongError:
        line, answer = b"", _TOO_LONG
    if log.is_enabled_for(DEBUG):  # a name costs a system call
        log.debug("query", peer=peer_name(stream), query=line.decode("utf-8", "backslashreplace"))
    await send_in_pieces(stream, answer)
    await finish(stream)


async def _receive_query(stream: trio.abc.ReceiveStream) -> bytes:
    reader = QueryReader()
    while True:
        line = reader.receive_data(await stream.receive_some(_CHUNK))
        if line is not None:
            return line
