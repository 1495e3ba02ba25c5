"""What every door needs: to listen, to limit, to answer for faults, to drain."""

from trio_finger.net._accepted import AcceptedStream
from trio_finger.net._connection import (
    Connection,
    Stream,
    accepted_at,
    peer_host,
    peer_name,
    peer_user,
    socket_of,
)
from trio_finger.net._damper import Damper
from trio_finger.net._gate import Gate, Limits, Refusal, is_in
from trio_finger.net._listen import ListenError, ListeningSockets, PortTakenError
from trio_finger.net._reach import ReachError, connect, is_public
from trio_finger.net._serve import serve_connections
from trio_finger.net._stream import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    connect_error,
    finish,
    send_in_pieces,
)
from trio_finger.net._tls import Secured, tls_reason

__all__ = [
    "DRAIN_BYTES",
    "DRAIN_SECONDS",
    "AcceptedStream",
    "Connection",
    "Damper",
    "Gate",
    "Limits",
    "ListenError",
    "ListeningSockets",
    "PortTakenError",
    "ReachError",
    "Refusal",
    "Secured",
    "Stream",
    "accepted_at",
    "connect",
    "connect_error",
    "finish",
    "is_in",
    "is_public",
    "peer_host",
    "peer_name",
    "peer_user",
    "send_in_pieces",
    "serve_connections",
    "socket_of",
    "tls_reason",
]
