"""The finger client: one line out, everything until the end of the input in."""

import ssl
from collections.abc import Sequence

import trio

from trio_finger.net import connect_error, tls_reason
from trio_finger.protocol.finger import format_query
from trio_finger.protocol.target import Target

MAX_ANSWER = 16 * 1024 * 1024  # bytes; a list of a hundred thousand users has some 8 MB
_CHUNK = 64 * 1024

_NO_TLS = "does not speak TLS"
_OWN_AUTHORITY = (
    "to trust an authority of your own, name the file of its certificate in SSL_CERT_FILE"
)
# By OpenSSL's numbers (x509_vfy.h).
_CERTIFICATE_FAULTS = {
    9: "the server's certificate is not valid yet (or is the clock of this machine wrong?)",
    10: "the server's certificate has expired",
    18: f"the server's certificate is signed by nobody but itself; {_OWN_AUTHORITY}",
    19: f"nobody whom this machine trusts has signed the server's certificate; {_OWN_AUTHORITY}",
    20: f"nobody whom this machine trusts has signed the server's certificate; {_OWN_AUTHORITY}",
    21: f"nobody whom this machine trusts has signed the server's certificate; {_OWN_AUTHORITY}",
    23: "the server's certificate has been revoked",
    62: "the server's certificate is for another name than {host}",
    64: "the server's certificate is for another address than {host}",
}


class QueryError(Exception):
    """A server that could not be asked, or not to the end; ``str()`` of it says which, and why.

    Attributes:
      received: the beginning of the answer, if that much came.
    """

    def __init__(self, words: str, received: bytes = b"") -> None:
        super().__init__(words)
        self.received = received


class _FaultError(Exception):
    """What is wrong with a server; ``str()`` of it does not say with which."""


async def ask(target: Target, seconds: float, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Return what *target* answers.

    Args:
      target: what to ask, and whom.
      seconds: how long that may take, from looking up the host to the end of the answer.
      tls: speak TLS, and ask only a server whose certificate this finds good for its name.

    Raises:
      QueryError: it could not be reached, is not who it should be, went away, said
        nothing, or did not stop.
    """
    answer = bytearray()
    try:
        with trio.fail_after(seconds):
            await _ask(target, tls, answer)
        return bytes(answer)
    except trio.TooSlowError:
        missing = "end of the answer" if answer else "answer"
        reason = f"no {missing} within {seconds:g} s"
    except trio.BrokenResourceError:
        # Over TLS an end that the server did not say itself is none, but a cut.
        reason = "the connection broke"
    except _FaultError as fault:
        reason = str(fault)
    except OSError as error:
        reason = connect_error(error)
    if answer:
        reason += "; what came is not the whole answer"
    raise QueryError(f"{target}: {reason}", bytes(answer))


async def _ask(target: Target, tls: ssl.SSLContext | None, answer: bytearray) -> None:
    """Have *answer* grow by what *target* answers, so that it is there whatever happens."""
    async with await trio.open_tcp_stream(target.host, target.port) as stream:
        if tls is None:
            await _converse(stream, target, answer)
        else:
            async with await _secure(stream, target, tls) as secured:
                await _converse(secured, target, answer)


async def _converse(stream: trio.abc.Stream, target: Target, answer: bytearray) -> None:
    await stream.send_all(format_query(target.query))
    while data := await stream.receive_some(_CHUNK):
        answer += data
        if len(answer) > MAX_ANSWER:
            del answer[MAX_ANSWER:]
            raise _FaultError(f"the answer is longer than {MAX_ANSWER >> 20} MiB")
    if not answer:
        # As of a server that has too many clients, or that is no finger server. One that has
        # nothing to say says that (RFC 1288, 2.5.1).
        raise _FaultError("the connection was closed without an answer")


async def _secure(
    stream: trio.SocketStream, target: Target, tls: ssl.SSLContext
) -> trio.SSLStream[trio.SocketStream]:
    """Set up TLS on *stream* with the server that *target* names, and with no other.

    Raises:
      _FaultError: it is another, or cannot show that it is not, or speaks no TLS.
    """
    # Without the zone of an address, and the dot that ends a whole name: no certificate
    # has those.
    name = target.host.partition("%")[0].removesuffix(".")
    # A server that waits for a line where TLS should begin shall not use up the whole time.
    patience = (trio.current_effective_deadline() - trio.current_time()) / 2
    try:
        secured = trio.SSLStream(stream, tls, server_hostname=name)
        with trio.fail_after(patience):
            await secured.do_handshake()
    except ValueError:
        raise _FaultError("no certificate can be for such a name") from None
    except trio.TooSlowError:
        raise _FaultError(f"TLS was not set up in time; perhaps the server {_NO_TLS}") from None
    except trio.BrokenResourceError as error:
        raise _FaultError(_handshake_fault(error, target)) from None
    return secured


def _handshake_fault(error: trio.BrokenResourceError, target: Target) -> str:
    """Say in plain words why there is no TLS with *target*."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        words = _CERTIFICATE_FAULTS.get(cause.verify_code)
        if words is None:
            return f"the server's certificate is not good: {cause.verify_message}"
        return words.format(host=target.host)
    reason = tls_reason(error)
    if reason is None:
        return f"the connection broke before TLS was set up; perhaps the server {_NO_TLS}"
    if "alert" in reason or "unsupported" in reason:
        return f"TLS failed: {reason}"
    return f"the server {_NO_TLS}"


async def ask_all(
    targets: Sequence[Target], seconds: float, *, tls: ssl.SSLContext | None = None
) -> list[bytes | QueryError]:
    """Ask *targets*, all at once, and return what came of each, in their order.

    Args:
      targets: what to ask, and whom.
      seconds: how long each may take, as for `ask`.
      tls: as for `ask`.
    """
    results: list[bytes | QueryError] = [b""] * len(targets)

    async def ask_one(number: int, target: Target) -> None:
        try:
            results[number] = await ask(target, seconds, tls=tls)
        except QueryError as error:
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, target in enumerate(targets):
            nursery.start_soon(ask_one, number, target)
    return results
