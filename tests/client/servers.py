"""Small servers of every temper, and our client, run beside them."""

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import trio
from click.testing import CliRunner, Result

from tests.running import PATIENCE, TRIO_FINGER
from trio_finger.cli import main

Answer = Callable[[trio.SocketStream], Awaitable[None]]


@dataclass
class Server:
    """A small server that is up.

    Attributes:
      port: where, on 127.0.0.1.
      queries: all that its clients have sent.
    """

    port: int
    queries: list[bytes] = field(default_factory=list)

    def target(self, user: str = "") -> str:
        """Return how the client is asked to ask this server."""
        return f"{user}@127.0.0.1:{self.port}"

    def __str__(self) -> str:
        return f"127.0.0.1 port {self.port}"


@asynccontextmanager
async def serving_plainly(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Run *answer* for each client that connects, whatever it says."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            await answer(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host=host))
        yield Server(listener.socket.getsockname()[1])
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(answer: bytes | Answer, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Serve for the length of an ``async with``; each client gets *answer* to its line."""

    async def handle(stream: trio.SocketStream) -> None:
        query = b""
        while not query.endswith(b"\n"):
            query += await stream.receive_some()
        server.queries.append(query)
        if isinstance(answer, bytes):
            await stream.send_all(answer)
        else:
            await answer(stream)

    async with serving_plainly(handle, host) as server:
        yield server


@asynccontextmanager
async def serving_tls(
    context: ssl.SSLContext, answer: bytes = b"Happy and well\r\n", *, end: bool = True
) -> AsyncIterator[Server]:
    """Serve over TLS for the length of an ``async with``.

    Each client gets *answer* to its line, and the *end* said over TLS, or just a cut.
    """

    async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.do_handshake()
            while data := await stream.receive_some():
                server.queries.append(bytes(data))
                await stream.send_all(answer)
                break
            if end:
                await stream.aclose()
        except trio.BrokenResourceError:
            pass
        finally:
            stream.transport_stream.socket.close()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, handle, [listener])
        assert isinstance(listener.transport_listener, trio.SocketListener)
        server = Server(listener.transport_listener.socket.getsockname()[1])
        yield server
        nursery.cancel_scope.cancel()


async def query(*arguments: str, trusting: Path | None = None, **env: str) -> Result:
    """Run the command beside the server, which needs this thread."""
    certificates = str(trusting) if trusting else None
    runner = CliRunner(env={"SSL_CERT_FILE": certificates, "TRIO_FINGER_8BIT": None, **env})
    result = await trio.to_thread.run_sync(runner.invoke, main, ["query", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


async def run_query(*arguments: str, **env: str) -> CompletedProcess[bytes]:
    """Run the command as people do, as a process of its own."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [*TRIO_FINGER, "query", *arguments],
            env=os.environ | env,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert b"Traceback" not in done.stderr, done.stderr
    return done
