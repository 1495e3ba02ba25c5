"""What every TCP door needs: to listen, to limit, to answer for faults, to drain."""

from trio_finger.net._listen import ListenError, ListeningSockets
from trio_finger.net._serve import serve_connections
from trio_finger.net._stream import (
    DRAIN_BYTES,
    DRAIN_SECONDS,
    connect_error,
    finish,
    peer_name,
    send_in_pieces,
)

__all__ = [
    "DRAIN_BYTES",
    "DRAIN_SECONDS",
    "ListenError",
    "ListeningSockets",
    "connect_error",
    "finish",
    "peer_name",
    "send_in_pieces",
    "serve_connections",
]
