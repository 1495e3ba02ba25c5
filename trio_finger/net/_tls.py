"""TLS around connections: where they are accepted, and the handshake, which has an end."""

import ssl
from dataclasses import dataclass

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.net._connection import Connection


class HandshakeError(Exception):
    """A peer with which TLS could not be set up; ``str()`` of it says why."""


@dataclass(frozen=True, slots=True)
class Secured:
    """A listener, and what is needed to speak TLS on what it accepts.

    Attributes:
      listener: the listener.
      context: the certificate and its key, such as `config.Certificate` has.
      https_compatible: whether a client's input may end without TLS saying so. Right where
        the protocol itself says what is whole, as HTTP does. Anywhere else, whoever is able
        to cut a connection could make half a request look like a whole one.
    """

    listener: trio.SocketListener
    context: ssl.SSLContext
    https_compatible: bool = False

    def over(self, entrance: trio.abc.Listener[AcceptedStream]) -> trio.SSLListener[AcceptedStream]:
        """Return a listener with TLS around what *entrance* accepts.

        The handshake is not its: `serve_connections` does it, and bounds it.
        """
        return trio.SSLListener(entrance, self.context, https_compatible=self.https_compatible)


async def shake_hands(stream: Connection, deadline: float) -> None:
    """Set up TLS on *stream*, if it is of that kind, by *deadline* of Trio's clock.

    Raises:
      HandshakeError: the client speaks something else, does not trust our certificate, or
        takes too long.
      trio.BrokenResourceError: it is gone.
    """
    if not isinstance(stream, trio.SSLStream):
        return
    try:
        with trio.fail_at(deadline):
            await stream.do_handshake()
    except trio.TooSlowError:
        raise HandshakeError("not done in time") from None
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
