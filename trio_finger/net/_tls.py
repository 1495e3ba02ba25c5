"""TLS around connections: where they are accepted, and the handshake, which has an end."""

import ssl
from collections.abc import Iterable

import trio

from trio_finger.net._connection import Connection

HANDSHAKE_SECONDS = 10


class HandshakeError(Exception):
    """A peer with which TLS could not be set up; ``str()`` of it says why."""


def secure(
    listeners: Iterable[trio.SocketListener],
    context: ssl.SSLContext,
    *,
    https_compatible: bool = False,
) -> list[trio.SSLListener[trio.SocketStream]]:
    """Return *listeners* with TLS around what they accept.

    The handshake is not theirs: `serve_connections` does it, and bounds it.

    Args:
      listeners: closed with what is returned.
      context: the certificate and its key, such as `config.server_context` returns.
      https_compatible: whether a client's input may end without TLS saying so. Right where
        the protocol itself says what is whole, as HTTP does. Anywhere else, whoever is able
        to cut a connection could make half a request look like a whole one.
    """
    return [
        trio.SSLListener(listener, context, https_compatible=https_compatible)
        for listener in listeners
    ]


async def shake_hands(stream: Connection) -> None:
    """Set up TLS on *stream*, if it is of that kind, within `HANDSHAKE_SECONDS` in all.

    Raises:
      HandshakeError: the client speaks something else, does not trust our certificate, or
        takes too long.
      trio.BrokenResourceError: it is gone.
    """
    if not isinstance(stream, trio.SSLStream):
        return
    try:
        with trio.fail_after(HANDSHAKE_SECONDS):
            await stream.do_handshake()
    except trio.TooSlowError:
        raise HandshakeError(f"not done within {HANDSHAKE_SECONDS} seconds") from None
    except trio.BrokenResourceError as error:
        if (reason := tls_reason(error)) is None:
            raise
        raise HandshakeError(reason) from None


def tls_reason(error: trio.BrokenResourceError) -> str | None:
    """Return what TLS has against the peer, or ``None`` if the connection just ended."""
    cause = error.__cause__
    if not isinstance(cause, ssl.SSLError) or isinstance(
        cause, ssl.SSLEOFError | ssl.SSLSyscallError
    ):
        return None
    return (cause.reason or str(cause)).replace("_", " ").lower()
