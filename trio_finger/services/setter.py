"""The setter: how the tutorial's users say what they are up to, over plain TCP.

Whoever can reach it can set anybody's status, as in the tutorial; that is why the
configuration keeps it on loopback unless the operator says otherwise.
"""

from collections.abc import Sequence

import trio

from trio_finger.config import Setter
from trio_finger.log import get_log
from trio_finger.net import finish, peer_name, send_in_pieces, serve_connections
from trio_finger.protocol.setter import MAX_REQUEST, OK, SetterError, format_error, parse_request
from trio_finger.store import StoreError
from trio_finger.usermap import RefusedError, UserMap

_INTERNAL_ERROR = format_error("internal error in server")

# People type into this door, so it is patient; but it is no place to stay.
_RECEIVE_SECONDS = 60

_MAX_CONNECTIONS = 2000  # each may hold MAX_REQUEST bytes, and a chunk

_CHUNK = 4096  # bytes

log = get_log("setter")


async def serve_setter(
    config: Setter,
    users: UserMap,
    listeners: Sequence[trio.SocketListener],
    *,
    stop: trio.Event,
) -> None:
    """Take statuses until *stop*, then finish the requests under way, and return.

    Args:
      config: the section ``[setter]``.
      users: where statuses are set.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting.
    """

    async def handle(stream: trio.SocketStream) -> None:
        await handle_setter(stream, users)

    await serve_connections(
        handle,
        listeners,
        stop=stop,
        log=log,
        max_connections=_MAX_CONNECTIONS,
        sorry=_INTERNAL_ERROR,
    )


async def handle_setter(stream: trio.abc.HalfCloseableStream, users: UserMap) -> None:
    """Read one request from *stream*, grant or refuse it, and say so; the caller closes."""
    try:
        with trio.fail_after(_RECEIVE_SECONDS):
            data = await _receive_request(stream)
        reply = await _set(data, users, peer_name(stream))
    except trio.TooSlowError:
        reply = format_error(f"no end of input within {_RECEIVE_SECONDS} seconds")
    await send_in_pieces(stream, reply)
    await finish(stream)


async def _receive_request(stream: trio.abc.ReceiveStream) -> bytes:
    """Read to the end of the input, or one chunk past what a request may hold."""
    data = bytearray()
    while len(data) <= MAX_REQUEST and (chunk := await stream.receive_some(_CHUNK)):
        data += chunk
    return bytes(data)


async def _set(data: bytes, users: UserMap, peer: str) -> bytes:
    """Do what *data* asks for, and return the reply."""
    try:
        request = parse_request(data)
        if request.status:
            await users.tell(request.name, request.status)
        else:
            await users.clear(request.name)
    except (SetterError, RefusedError, StoreError) as error:
        log.info("refused", peer=peer, reason=str(error))
        return format_error(str(error))
    log.info("set" if request.status else "cleared", peer=peer, user=request.name)
    return OK
