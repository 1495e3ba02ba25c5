"""A connection of either kind, plain or over TLS, and who is at the other end of it."""

import socket
import struct
from pathlib import Path
from typing import Final, TypeAlias

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.protocol.address import Address, parse_ip

# What a door's handler is given.
Connection: TypeAlias = AcceptedStream | trio.SSLStream[AcceptedStream]

# What a handler needs of it; in tests it may be a stream in memory.
Stream: TypeAlias = trio.abc.HalfCloseableStream | trio.SSLStream[AcceptedStream]

_CREDENTIALS = struct.Struct("iII")  # struct ucred: process, user, group
_NOBODY = 2**32 - 1  # the kernel's word for no user

# And for one whom our user namespace does not have; elsewhere it is a user like others.
_OVERFLOW = 65534


def _has_all_users() -> bool:
    """Whether our user namespace is the machine's own, so that every user has a number here."""
    try:
        return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    except OSError:
        return False


# Found out at once: when somebody has connected there may be no descriptor left to do it.
_OVERFLOW_IS_SOMEBODY: Final = _has_all_users()


def socket_of(stream: trio.abc.Stream) -> trio.socket.SocketType | None:
    """Return the socket under *stream*, or ``None`` if it has none (any more)."""
    stream = _transport(stream)
    if isinstance(stream, AcceptedStream):
        stream = stream.stream
    return stream.socket if isinstance(stream, trio.SocketStream) else None


def accepted_at(stream: trio.abc.Stream) -> float:
    """Return when *stream* was accepted, by Trio's clock; now, if nobody has noted that."""
    stream = _transport(stream)
    return stream.since if isinstance(stream, AcceptedStream) else trio.current_time()


def peer_user(stream: trio.abc.Stream) -> int | None:
    """Return the number of the user at the other end of a UNIX socket.

    It is the kernel's word: who that process was when it connected. ``None`` for streams
    of any other kind.
    """
    peer = socket_of(stream)
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    try:
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    user: int = _CREDENTIALS.unpack(credentials)[1]
    if user == _NOBODY or (user == _OVERFLOW and not _OVERFLOW_IS_SOMEBODY):
        return None
    return user


def peer_host(stream: trio.abc.Stream) -> str | None:
    """Return the IP address at the other end of a TCP connection, or ``None``.

    It is the client's own if a proxy that is believed has named it. One of IPv4 is the same
    whether or not the socket that listens is one of IPv6.
    """
    address = _peer_address(stream)
    if address is None:
        return None
    ip = parse_ip(address.host)
    return str(ip) if ip.version == 4 else address.host


def peer_name(stream: trio.abc.Stream) -> str:
    """Return who is at the other end of *stream*, for the log.

    Of an address there is no port: every record of somebody has the same word for them.
    """
    user = peer_user(stream)
    if user is not None:
        return f"unix:uid={user}"
    return peer_host(stream) or "?"


def _transport(stream: trio.abc.Stream) -> trio.abc.Stream:
    return stream.transport_stream if isinstance(stream, trio.SSLStream) else stream


def _peer_address(stream: trio.abc.Stream) -> Address | None:
    stream = _transport(stream)
    if isinstance(stream, AcceptedStream) and stream.source is not None:
        return stream.source
    peer = socket_of(stream)
    if peer is None or peer.family == socket.AF_UNIX:  # a client may have given itself a name there
        return None
    try:
        host, port, *_ = peer.getpeername()
    except OSError:
        return None  # gone already
    return Address(host, port)
