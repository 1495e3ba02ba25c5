"""The setter: how the tutorial's users say what they are up to, over TCP or a UNIX socket.

Over TCP whoever reaches it can set anybody's status, as in the tutorial; that is why the
configuration keeps it on loopback unless the operator says otherwise. On a UNIX socket
the kernel says who asks.
"""

import os
import pwd
import socket
from collections.abc import Sequence

import trio

from trio_finger.config import Setter
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
    is_in,
    peer_host,
    peer_name,
    peer_user,
    send_in_pieces,
    serve_connections,
    socket_of,
)
from trio_finger.protocol.setter import (
    MAX_REQUEST,
    SetRequest,
    SetterError,
    format_error,
    format_ok,
    is_whole,
    parse_request,
)
from trio_finger.store import StoreError
from trio_finger.usermap import (
    ANYBODY,
    OPERATOR,
    Caller,
    DeniedError,
    RefusedError,
    UserMap,
    describe_ending,
)

_INTERNAL_ERROR = format_error("internal error in server")

# People type into this door, so it is patient; but it is no place to stay.
_RECEIVE_SECONDS = 60

_MAX_CONNECTIONS = 1000  # each may hold MAX_REQUEST bytes, and a chunk

_CHUNK = 4096  # bytes

log = get_log("setter")


async def serve_setter(
    config: Setter,
    users: UserMap,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    stop: trio.Event,
    counts: Counts,
) -> None:
    """Take statuses until *stop*, then finish the requests under way, and return.

    Args:
      config: the section ``[setter]``.
      users: where statuses are set.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting.
      counts: this door's numbers.
    """

    gate = Gate(Limits(_MAX_CONNECTIONS), counts, log)

    async def handle(stream: Connection) -> None:
        await handle_setter(stream, config, users, gate)

    await serve_connections(handle, listeners, stop=stop, gate=gate, sorry=_INTERNAL_ERROR)


async def handle_setter(stream: Stream, config: Setter, users: UserMap, gate: Gate) -> None:
    """Read one request from *stream*, grant or refuse it, and say so; the caller closes."""
    peer = peer_name(stream)
    answered = gate.counts.answered
    try:
        with trio.fail_at(accepted_at(stream) + _RECEIVE_SECONDS):
            caller = await _identify(stream, config)
            request = parse_request(await _receive_request(stream))
        reply = await _set(request, users, caller, peer)
        answered["ok"] += 1
    except DeniedError as error:
        log.warning("denied", peer=peer, reason=str(error))
        answered["denied"] += 1
        reply = format_error(str(error))
    except (SetterError, RefusedError, StoreError) as error:
        log.info("refused", peer=peer, reason=str(error))
        answered["error"] += 1
        reply = format_error(str(error))
    except trio.TooSlowError:
        gate.cut("slow", "client too slow", peer=peer)
        reply = format_error(f"no end of input within {_RECEIVE_SECONDS} seconds")
    await send_in_pieces(stream, reply)
    await finish(stream)


async def _identify(stream: Stream, config: Setter) -> Caller:
    """Return who is at the other end of *stream*.

    Raises:
      DeniedError: somebody who may not set anything here.
      trio.BrokenResourceError: nobody any more.
    """
    peer = socket_of(stream)
    uid = peer_user(stream)
    if uid is None:
        if peer is not None and peer.family == socket.AF_UNIX:
            raise DeniedError("who you are cannot be told")
        host = peer_host(stream)
        if host is None and peer is not None:
            raise trio.BrokenResourceError("gone before it was served")
        if config.allow and not is_in(host, config.allow):
            raise DeniedError("you may not set a status from where you are")
        return ANYBODY
    if uid in (0, os.geteuid()):
        return OPERATOR
    try:
        # It may ask a server far away, which is nothing that anybody should wait for.
        account = await trio.to_thread.run_sync(pwd.getpwuid, uid, abandon_on_cancel=True)
        return Caller(account.pw_name)
    except KeyError:
        raise DeniedError("you have no name on this machine") from None


async def _receive_request(stream: trio.abc.ReceiveStream) -> bytes:
    """Read a whole request, or to one chunk past what a request may hold."""
    data = bytearray()
    while len(data) <= MAX_REQUEST and (chunk := await stream.receive_some(_CHUNK)):
        data += chunk
        if is_whole(data):
            break
    return bytes(data)


async def _set(request: SetRequest, users: UserMap, caller: Caller, peer: str) -> bytes:
    """Do what *request* asks for, and return the reply."""
    status = await users.set(request, by=caller)
    if not users.is_hidden(request.name):
        log.info("cleared" if request.status == "" else "set", peer=peer, user=request.name)
    until = status.until if status is not None and request.status else None
    return format_ok(describe_ending(until) if until else "")
