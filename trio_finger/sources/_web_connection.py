"""One connection to a web site, as httpcore speaks HTTP/1.1 on it.

To import httpcore takes a while, so this is imported when the first question is asked.
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, cast

import httpcore
import trio

from trio_finger.net import connect_error, tls_reason
from trio_finger.sources._source import SourceError, too_long

_IDLE: Final = 30  # seconds for which a connection that nobody uses can be used again

# Bytes that are read at once: so few that going through them holds up nobody, even if they
# are hundreds of chunks of one byte.
_PIECE: Final = 4096


class StaleError(SourceError):
    """A connection that was good once, and is not any more."""


class Connection:
    """A connection to the site, which asks one question after the other.

    httpcore has a pool of them. We do not use it: it may give a connection to a question that
    was cancelled while it waited for one, and never gets that back.
    """

    def __init__(self, scheme: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._url = httpcore.URL(scheme=scheme, host=host, port=port)
        self._link = _Link()
        self._used = False  # whether there was a question before
        self._http = httpcore.AsyncHTTPConnection(
            self._url.origin,
            ssl_context=tls,
            keepalive_expiry=_IDLE,
            network_backend=cast("httpcore.AsyncNetworkBackend", self._link),
        )

    @property
    def is_good(self) -> bool:
        """Whether another question can be asked: the last is answered, and nothing came since."""
        return self._http.is_idle() and not self._http.has_expired()

    async def ask(self, target: str, headers: Sequence[tuple[str, str]]) -> httpcore.Response:
        """Ask for *target*; return the answer, of which the body is still to be read.

        Raises:
          StaleError: there is none, and the connection was used before.
          SourceError: there is none, although the connection is new.
        """
        url = httpcore.URL(
            scheme=self._url.scheme, host=self._url.host, port=self._url.port, target=target
        )
        used, self._used = self._used, True
        self._link.heard = False
        try:
            with self._in_plain_words():
                response = await self._http.handle_async_request(
                    httpcore.Request("GET", url, headers=headers)
                )
        except SourceError as error:
            raise (StaleError(str(error)) if used else error) from None
        # What was here before we asked is no answer, nor is that we took too long to ask.
        if used and (not self._link.heard or response.status == 408):
            raise StaleError("answered before it was asked")
        return response

    async def read(self, response: httpcore.Response, max_size: int) -> bytes:
        """Return the body of *response*.

        Raises:
          SourceError: it is longer than *max_size* bytes, or less came than should.
        """
        body = bytearray()
        with self._in_plain_words():
            # httpcore's generators want to be gone through, or to fail themselves. So nothing
            # is raised in here; without a connection there is soon nothing to go through.
            async for piece in response.aiter_stream():
                if len(body) <= max_size:
                    body += piece
                if len(body) > max_size:
                    self._link.close(str(too_long(max_size)))
            await response.aclose()
        if len(body) > max_size:
            raise too_long(max_size)
        return bytes(body)

    def close(self) -> None:
        """Close it at once, whatever goes on there."""
        self._link.close()

    @contextmanager
    def _in_plain_words(self) -> Iterator[None]:
        """Let no error of httpcore's through, which quotes what came."""
        try:
            yield
        except httpcore.ProtocolError:
            ended = self._link.ended
            raise SourceError("broke off its answer" if ended else "does not speak HTTP") from None


class _Link:
    """What httpcore asks of a network, and of the one stream that it opens there.

    Its own would stay open when it is cancelled while TLS is set up. Nothing here has a
    timeout: whoever asks a source has set one.

    Attributes:
      heard: whether anything has come, since this was last set to false.
      ended: whether the site has said that nothing more will.
    """

    def __init__(self) -> None:
        self.heard = False
        self.ended = False
        self._socket: trio.SocketStream | None = None
        self._stream: trio.abc.Stream | None = None
        self._why = ""

    async def connect_tcp(self, host: str, port: int, **_: object) -> "_Link":
        try:
            self._stream = self._socket = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise SourceError(f"cannot be reached: {connect_error(error)}") from None
        return self

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str, **_: object
    ) -> "_Link":
        assert self._socket is not None
        # Without the zone of an address, and the dot that ends a whole name: no certificate
        # has those.
        name = server_hostname.partition("%")[0].removesuffix(".")
        try:
            self._stream = secured = trio.SSLStream(self._socket, ssl_context, server_hostname=name)
            await secured.do_handshake()
        except trio.BrokenResourceError as error:
            raise SourceError(_tls_fault(error)) from None
        except ValueError:
            raise SourceError("has a name that no certificate can be for") from None
        return self

    async def read(self, max_bytes: int, **_: object) -> bytes:
        if self._stream is None:
            raise SourceError(self._why)
        try:
            data = await self._stream.receive_some(min(max_bytes, _PIECE))
        except trio.BrokenResourceError:
            raise SourceError("broke the connection") from None
        self.heard = self.heard or bool(data)
        self.ended = not data
        return bytes(data)

    async def write(self, data: bytes, **_: object) -> None:
        # Who has closed already may have answered before; reading tells.
        with suppress(trio.BrokenResourceError):
            if self._stream is not None:
                await self._stream.send_all(data)

    def close(self, why: str = "") -> None:
        """Close it at once, and say *why* to who still wants to read."""
        if self._socket is not None:
            # The one part of closing that can be done without waiting.
            self._socket.socket.close()
        self._socket = self._stream = None
        self._why = self._why or why

    async def aclose(self) -> None:
        self.close()

    def get_extra_info(self, info: str) -> object:
        if info == "is_readable":  # asked of one that is not in use: nothing should come then
            return self._socket is None or self._socket.socket.is_readable()
        return None


def _tls_fault(error: trio.BrokenResourceError) -> str:
    """Say in plain words why there is no TLS with the site."""
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return f"has no good certificate: {error.__cause__.verify_message}"
    reason = tls_reason(error)
    return "broke the connection before TLS was set up" if reason is None else f"TLS: {reason}"
