"""What tests of TLS need: an authority, certificates from it, and a client that half-closes."""

import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

import trio
import trustme

NAME = "finger.example"  # whom certificates are for unless a test says otherwise


@cache
def authority() -> trustme.CA:
    """Return the one authority of this run, which no machine trusts by itself."""
    return trustme.CA()


@cache
def certificate(*names: str, days: int = 1) -> trustme.LeafCert:
    """Return a certificate for *names*, good for *days* from now, or until so long ago."""
    until = datetime.now(UTC) + timedelta(days=days)
    since = min(datetime.now(UTC), until) - timedelta(days=1)
    return authority().issue_cert(*(names or (NAME,)), not_before=since, not_after=until)


@cache
def server_side(*names: str, days: int = 1) -> ssl.SSLContext:
    """Return what a server with such a certificate needs."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate(*names, days=days).configure_cert(context)
    context.set_alpn_protocols(["http/1.1"])
    return context


@cache
def client_side(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return what a client needs that trusts the authority."""
    context = ssl.create_default_context()
    context.maximum_version = version
    authority().configure_trust(context)
    return context


class TlsClient(trio.abc.HalfCloseableStream):
    """A client that can say over TLS that it has said everything, and read on.

    An end that the other side has not said over TLS is a `trio.BrokenResourceError`.
    """

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        self.stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=NAME)

    async def handshake(self) -> None:
        """Set up TLS.

        Raises:
          ssl.SSLError: the server is not as it should be, and has been told so.
        """
        failed: ssl.SSLError | None = ssl.SSLWantReadError()
        while isinstance(failed, ssl.SSLWantReadError):
            try:
                self._tls.do_handshake()
                failed = None
            except ssl.SSLError as error:
                failed = error
            await self._flush()
            if isinstance(failed, ssl.SSLWantReadError):
                await self._receive()
        if failed is not None:
            raise failed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self._tls.write(data)
            await self._flush()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while True:
            try:
                return self._tls.read(max_bytes or 65536)
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:
                return b""

    async def send_eof(self) -> None:
        with suppress(ssl.SSLWantReadError):  # the end of the other side is not here yet
            self._tls.unwrap()
        await self._flush()

    async def wait_send_all_might_not_block(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await self.stream.aclose()

    async def _receive(self) -> None:
        await self._flush()
        data = await self.stream.receive_some()
        if not data:
            raise trio.BrokenResourceError("cut")
        self._incoming.write(data)

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self.stream.send_all(data)


async def connect_tls(port: int, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> TlsClient:
    """Return a client of the server on *port* of 127.0.0.1, with the handshake done."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        client = TlsClient(stream, client_side(version))
        await client.handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return client


def raw(client: trio.SocketStream | TlsClient) -> trio.SocketStream:
    """Return the TCP connection of *client*."""
    return client.stream if isinstance(client, TlsClient) else client
