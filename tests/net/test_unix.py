"""Sockets that are files: made where they are missing, never taken from anybody."""

# ruff: noqa: ASYNC240 - nobody else waits while a test touches the disk

import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.net.test_listen import ask, greet
from trio_finger.net import ListenError, ListeningSockets
from trio_finger.protocol.address import Address, UnixAddress


@pytest.fixture
async def sockets() -> AsyncIterator[ListeningSockets]:
    sockets = ListeningSockets()
    yield sockets
    sockets.keep([])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "setter.sock"


@pytest.fixture
def address(path: Path) -> UnixAddress:
    return UnixAddress(str(path))


def leave_stale(path: Path) -> None:
    """Leave a socket at *path* on which nobody listens, as a crash does."""
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
        crashed.listen()


def listening_elsewhere(path: Path) -> "subprocess.Popen[bytes]":
    """Start a process that listens on *path*, and does."""
    listen = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])"
    wait = "s.listen(); print('ready', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{listen}; {wait}", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


async def refused(sockets: ListeningSockets, address: UnixAddress) -> str:
    """Return the words with which *address* is refused."""
    with pytest.raises(ListenError) as caught:
        await sockets.bind([address])
    words = str(caught.value)
    assert words.startswith(f"cannot listen on {address}: ")
    return words.removeprefix(f"cannot listen on {address}: ")


async def test_bind(sockets: ListeningSockets, address: UnixAddress, path: Path) -> None:
    """What is bound is reported as it was named; everybody may connect, and is served."""
    assert await sockets.bind([address]) == [address]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    (listener,) = sockets.duplicate([address])
    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(greet, listener, b"hello")
        with trio.fail_after(5):
            assert await ask(address) == b"hello"


async def test_bound_with_tcp(sockets: ListeningSockets, address: UnixAddress) -> None:
    """Both kinds can be bound side by side, each in its place."""
    tcp = Address("127.0.0.1", 0)
    first, second, third = await sockets.bind([address, tcp, address])
    assert first == third == address
    assert isinstance(second, Address)
    assert second.port > 0
    for listener in sockets.duplicate([address, tcp]):
        await listener.aclose()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_folder_is_made(sockets: ListeningSockets, tmp_path: Path, umask: int) -> None:
    """A folder that is missing is made, with those above, and never for others to write in."""
    old = os.umask(umask)
    try:
        address = UnixAddress(str(tmp_path / "run" / "finger" / "setter.sock"))
        await sockets.bind([address])
    finally:
        os.umask(old)
    for folder in (tmp_path / "run", tmp_path / "run" / "finger"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755 & ~umask
    assert stat.S_IMODE(Path(address.path).stat().st_mode) == 0o666


async def test_relative_path(
    sockets: ListeningSockets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is not absolute is one from where the process is."""
    monkeypatch.chdir(tmp_path)
    await sockets.bind([UnixAddress("setter.sock"), UnixAddress("run/setter.sock")])
    assert (tmp_path / "setter.sock").is_socket()
    assert (tmp_path / "run" / "setter.sock").is_socket()


async def test_longest_path(sockets: ListeningSockets, tmp_path: Path) -> None:
    """The longest path that an address can have is one that the system takes."""
    name = "x" * (107 - len(str(tmp_path)) - 1)
    await sockets.bind([UnixAddress(f"{tmp_path}/{name}")])
    assert (tmp_path / name).is_socket()


async def test_stale_socket_is_replaced(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """What a crash has left does not keep the daemon from coming back."""
    leave_stale(path)
    before = path.lstat()
    await sockets.bind([address])
    assert path.lstat().st_ctime_ns != before.st_ctime_ns
    (listener,) = sockets.duplicate([address])
    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(greet, listener, b"hello")
        with trio.fail_after(5):
            assert await ask(address) == b"hello"


async def test_after_kill(sockets: ListeningSockets, address: UnixAddress, path: Path) -> None:
    """T31: so it is when a process was killed that listened."""
    with listening_elsewhere(path) as process:
        assert "another program listens" in await refused(sockets, address)
        process.kill()
    await sockets.bind([address])


async def test_somebody_listens(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A socket on which somebody listens is refused, and stays theirs."""
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.bind(str(path))
        somebody.listen()
        assert await refused(sockets, address) == (
            f"another program listens on {address}; stop it, or choose another path in listen"
        )
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


async def test_somebody_is_busy(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A socket is somebody's, too, when its queue is full, and nobody is kept waiting."""
    with socket.socket(socket.AF_UNIX) as somebody:
        somebody.bind(str(path))
        somebody.listen(0)
        clients = []
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            clients.append(client)
            if client.connect_ex(str(path)):
                break
        with trio.fail_after(5):
            assert "another program listens" in await refused(sockets, address)
        for client in clients:
            client.close()


async def test_datagrams(sockets: ListeningSockets, address: UnixAddress, path: Path) -> None:
    """A socket of another kind is somebody's as well."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as somebody:
        somebody.bind(str(path))
        assert "another program listens" in await refused(sockets, address)
        assert path.is_socket()


async def test_taken_by_ourselves(sockets: ListeningSockets, address: UnixAddress) -> None:
    """Two doors cannot have one socket."""
    await sockets.bind([address])
    assert "another program listens" in await refused(ListeningSockets(), address)


@pytest.mark.parametrize("kind", ["file", "folder", "symlink", "dangling symlink", "fifo"])
async def test_something_else(
    sockets: ListeningSockets, address: UnixAddress, path: Path, kind: str
) -> None:
    """What is no socket is refused, and never removed, wherever a link may lead."""
    target = path.with_name("target")
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
        case "symlink":
            leave_stale(target)
            path.symlink_to(target)
        case "dangling symlink":
            path.symlink_to(target)
        case "fifo":
            os.mkfifo(path)
    before = path.lstat()
    with trio.fail_after(5):
        assert await refused(sockets, address) == (
            "there is something else than a socket; remove it, or choose another path in listen"
        )
    sockets.keep([])
    assert path.lstat() == before
    assert kind != "symlink" or target.is_socket()


async def test_folder_is_a_file(sockets: ListeningSockets, tmp_path: Path) -> None:
    """A folder that is none is refused in words."""
    (tmp_path / "run").write_text("")
    words = await refused(sockets, UnixAddress(str(tmp_path / "run" / "setter.sock")))
    assert words.endswith("; choose another path in listen")


async def test_folder_of_others(sockets: ListeningSockets) -> None:
    """A folder in which nothing can be made is refused, with what to do about it."""
    words = await refused(sockets, UnixAddress("/proc/self/setter.sock"))
    assert words.endswith(" in listen")


async def test_failed_bind_leaves_nothing(
    sockets: ListeningSockets, address: UnixAddress, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last step fails there is neither a socket nor a file, and a later try succeeds."""

    def listen(self: socket.socket, backlog: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as broken:
        broken.setattr(socket.socket, "listen", listen)
        assert "Operation not permitted" in await refused(sockets, address)
    assert not path.exists()
    await sockets.bind([address])


# Closing


async def test_closing_removes_the_file(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A socket that is not kept is gone, file and all, and can be bound again."""
    for _ in range(2):
        await sockets.bind([address])
        sockets.keep([address])
        assert path.is_socket()
        sockets.keep([])
        assert not path.exists()


async def test_duplicates_leave_the_file(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A service that closes its listener shuts the door for no other, and removes nothing."""
    await sockets.bind([address])
    (old,) = sockets.duplicate([address])
    (new,) = sockets.duplicate([address])
    await old.aclose()
    assert path.is_socket()
    async with new, trio.open_nursery() as nursery:
        nursery.start_soon(greet, new, b"new")
        with trio.fail_after(5):
            assert await ask(address) == b"new"
    assert path.is_socket()


async def test_file_of_somebody_else_stays(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A file that somebody has put in the place of ours is theirs."""
    await sockets.bind([address])
    path.rename(path.with_name("ours"))
    leave_stale(path)
    sockets.keep([])
    assert path.is_socket()
    path.unlink()
    path.with_name("ours").unlink()


async def test_file_is_gone_already(
    sockets: ListeningSockets, address: UnixAddress, path: Path
) -> None:
    """A file that is gone when it should go is no error."""
    await sockets.bind([address])
    path.unlink()
    sockets.keep([])
    assert not path.exists()
