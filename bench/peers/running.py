"""The peers, each for the length of an ``async with``."""

import getpass
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from bench.building import build
from bench.servers import Server, free_port, run_server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# They have an environment of their own: nothing of theirs is of use to ours.
_PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench/bin/python")).absolute()

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def find_python() -> str:
    """Return the path of the interpreter that has the peers' packages.

    Raises:
      SystemExit: it is not there.
    """
    if not _PYTHON.exists():
        raise SystemExit(f"{_PYTHON} is not there: `make bench` installs the peers first.")
    return str(_PYTHON)


def run_twisted(folder: Path, *, refresh: int = 30) -> AbstractAsyncContextManager[Server]:
    """Run the tutorial's server on the file ``users`` in *folder*.

    It reads that again every *refresh* seconds, and on SIGHUP.
    """
    return _run_python("Twisted", folder, str(refresh))


def run_uvloop(folder: Path) -> AbstractAsyncContextManager[Server]:
    """Run the look-up on asyncio with uvloop, on the file ``users`` in *folder*."""
    return _run_python("uvloop", folder)


@asynccontextmanager
async def run_twisted_web(folder: Path) -> AsyncIterator[Server]:
    """Run the tutorial's pages and XML-RPC on the file ``users`` in *folder*."""
    port = free_port()
    program = HERE / "twisted_web.py"
    command = [find_python(), str(program), str(port), str(folder / "users")]
    # It is up when it answers HTTP/1.0, which closes by itself.
    query, answer = "GET /user% HTTP/1.0\r\n", "HTTP/1.0 200 "
    async with run_server(
        "Twisted web", command, port, folder=folder, query=query, answer=answer
    ) as server:
        yield server


@asynccontextmanager
async def run_constant(folder: Path) -> AsyncIterator[Server]:
    """Run the server in C."""
    program, port = await build("peers/constant.c"), free_port()
    async with run_server(
        "C", [str(program), str(port)], port, folder=folder, answer="user is well"
    ) as server:
        yield server


def why_no_fingerd() -> str:
    """Return why fingerd under inetd cannot be run here, or nothing."""
    missing = [name for name in ("inetd", "in.fingerd", "finger") if _find(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


@asynccontextmanager
async def run_fingerd(folder: Path) -> AsyncIterator[Server]:
    """Run Debian's fingerd, a process a query, under inetd; it is asked for root."""
    port = free_port()
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    config = folder / "inetd.conf"
    config.write_text(
        f"127.0.0.1:{port} stream tcp nowait.1000000 {user} {_find('in.fingerd')} in.fingerd\n"
    )
    command = [_find("inetd") or "inetd", "-i", str(config)]
    async with run_server(
        "fingerd, inetd", command, port, folder=folder, query="root", answer="Login: root"
    ) as server:
        yield server


@asynccontextmanager
async def _run_python(name: str, folder: Path, *arguments: str) -> AsyncIterator[Server]:
    port = free_port()
    program = HERE / f"{name.lower()}_finger.py"
    command = [find_python(), str(program), str(port), str(folder / "users"), *arguments]
    async with run_server(name, command, port, folder=folder) as server:
        yield server


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_SBIN}")
