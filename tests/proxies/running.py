"""A daemon, and a real proxy in front of it, as docs/proxy.md has them."""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.net.tls import authority, certificate
from tests.peers import require_peer
from tests.ports import free_port
from tests.proxies import recipes
from tests.proxies.recipes import HOST, block, put_in
from tests.running import DAEMON, PATIENCE, Running, run_daemon

# Where clients come from: not the proxy's own address, and still this machine.
CLIENT = "127.0.0.2"

# What the document says of [web] goes after this.
CONFIG = """
[users]
file = "users"
[finger]
listen = ["127.0.0.1:0"]
rate = "off"
[log]
level = "debug"
format = "json"
"""

USERS = "moshez: Happy and well\nfinger: Pointing\nZoë: à la mode\na?b%25: Odd\n"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a proxy has answered."""

    code: int
    head: str
    body: str


@dataclass(frozen=True, slots=True)
class Front:
    """A daemon behind a proxy.

    Attributes:
      daemon: the daemon.
      url: its public address.
      port: where the proxy listens.
      unix: whether it asks the daemon over a UNIX socket.
    """

    daemon: Running
    url: str
    port: int
    unix: bool

    def curl(self, path: str, *options: str, url: str | None = None) -> list[str]:
        """Return a command that asks, from `CLIENT`, for a path under the prefix."""
        ca = self.daemon.folder / "ca.pem"
        return [
            *(require_peer("curl"), "-sS", "--max-time", str(PATIENCE), "--interface", CLIENT),
            *("--cacert", str(ca), "--resolve", f"{HOST}:{self.port}:127.0.0.1", "--path-as-is"),
            *(*options, f"{self.url if url is None else url}{path}"),
        ]

    async def ask(self, path: str, *options: str, url: str | None = None) -> Reply:
        """Ask through the proxy, or at *url*; return the answer."""
        done = await trio.run_process(self.curl(path, "-i", *options, url=url), capture_stdout=True)
        head, _, body = done.stdout.decode().partition("\r\n\r\n")
        return Reply(int(head.split()[1]), head, body)

    async def token(self, name: str) -> str:
        """Return what curl sends to be *name*."""
        done = await trio.run_process(
            [*DAEMON, "token", "create", name], cwd=self.daemon.folder, capture_stdout=True
        )
        return f"Authorization: Bearer {done.stdout.decode().strip()}"

    async def denied(self, count: int = 1) -> str:
        """Return from whom the request came that was denied as the one of that number."""
        record = await self.daemon.logged("denied", count)
        return str(record["peer"])


@asynccontextmanager
async def run_front(
    name: str,
    folder: Path,
    change: Mapping[str, str],
    *,
    unix: bool = False,
    trusted: str = '["127.0.0.1"]',
) -> AsyncIterator[Front]:
    """Have a daemon behind the proxy *name*, nginx or caddy, for a while at most.

    Args:
      folder: for the files of both.
      change: what is different from the recipe.
      unix: whether they meet at a UNIX socket.
      trusted: whom the daemon trusts, if not.
    """
    program = require_peer(name)
    port = free_port()
    url = f"https://{HOST}:{port}/finger"
    leaf = certificate(HOST)
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    authority().cert_pem.write_to_path(folder / "ca.pem")
    web = put_in(block("toml", 1 if unix else 0), {f"https://{HOST}/finger": url})
    if not unix:
        web = put_in(web, {"127.0.0.1:8000": "127.0.0.1:0", '["127.0.0.1"]': trusted})
    with trio.fail_after(2 * PATIENCE):
        async with run_daemon(folder, config=CONFIG + web, users=USERS) as daemon:
            if unix:
                upstream = {"/srv/finger/run/web.sock": str(folder / "run/web.sock")}
            else:
                upstream = {"127.0.0.1:8000": f"127.0.0.1:{daemon.port('web')}"}
            make = {"nginx": recipes.nginx, "caddy": recipes.caddy}[name]
            (folder / f"{name}.conf").write_text(make(folder, port, upstream, change))
            with _running(name, program, folder) as process:
                await _wait_for(port, process, folder)
                yield Front(daemon, url, port, unix)


@contextmanager
def _running(name: str, program: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a proxy for the length of a ``with`` block; what it says is in ``proxy.log``."""
    configuration = str(folder / f"{name}.conf")
    command = {
        "nginx": [program, "-e", "stderr", "-p", str(folder), "-c", configuration],
        "caddy": [program, "run", "--adapter", "caddyfile", "--config", configuration],
    }[name]
    home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with (
        (folder / "proxy.log").open("wb") as log,
        subprocess.Popen(
            command, env=os.environ | home, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield process
        except BaseException:  # above all, it took too long
            print((folder / "proxy.log").read_text())
            raise
        finally:
            # nginx ends its workers then; Caddy, which is one process, would wait for clients.
            if name == "nginx":
                process.terminate()
            else:
                process.kill()


async def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the proxy can be connected to."""
    while True:
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            assert process.poll() is None, (folder / "proxy.log").read_text()
            await trio.sleep(0.01)
        else:
            await stream.aclose()
            return
