"""What every door needs: to listen, to limit, to answer for faults, to drain."""

from trio_finger.net._connection import (
    Connection,
    Stream,
    peer_host,
    peer_name,
    peer_user,
    socket_of,
)
from trio_finger.net._listen import ListenError, ListeningSockets
from trio_finger.net._serve import serve_connections
from trio_finger.net._stream import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    connect_error,
    finish,
    send_in_pieces,
)
from trio_finger.net._tls import secure, tls_reason

__all__ = [
    "DRAIN_BYTES",
    "DRAIN_SECONDS",
    "Connection",
    "ListenError",
    "ListeningSockets",
    "Stream",
    "connect_error",
    "finish",
    "peer_host",
    "peer_name",
    "peer_user",
    "secure",
    "send_in_pieces",
    "serve_connections",
    "socket_of",
    "tls_reason",
]
