"""Small programs for tests, and what is left of them.

A program of these tests that lives for a while calls home: it connects to the test. All who
descend from it have that connection, too, so that it ends when the last of them is gone.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import trio

# Prints how many arguments there are, and then each on a line.
PRINT = 'echo "$#"; printf "%s\\n" "$@"'

# What a shell, an option parser, a path or a template would take for something else (T4, T6, T12).
HOSTILE = (
    "--help", "-rf", "-", "$(id)", ";id", "`id`", "|id", "&", "a b", "a\tb", "a\nb", "a\n", "",
    "{user}", "{argument}", "{0}", "{user.__class__}", "%s", "../x", "..", ".",
    ".plan", "/etc/passwd", "a/b", "a\0b", "a\\b", "a'b", 'a"b', "a*", "~root",
    "x" * 65, "mo\u200bshez", "\u202ezehsom", "\ud800",
)  # fmt: skip

ORDINARY = ("moshez", "a", "_", "0", "a.b", "a-", "c++", "Zoë", "Жанна", "山田", "x" * 64, "é" * 64)

_CALL_HOME = """
import os, signal, socket, sys, time
home = socket.create_connection(("127.0.0.1", {port}))
def call(): home.sendall(b"here\\n")
def wait(): return home.recv(1)
"""


def python(source: str, *arguments: str) -> list[str]:
    """Return the command that runs *source*."""
    return [sys.executable, "-I", "-S", "-c", source, *arguments]


def sh(source: str, *arguments: str) -> list[str]:
    """Return the command that runs *source*, in which the *arguments* are ``$1`` and so on."""
    return ["/bin/sh", "-c", source, "sh", *arguments]


class Family:
    """A program that has called home, and whoever descends from it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def hear(self, count: int = 1) -> None:
        """Wait until *count* of them have called."""
        heard = b""
        while heard.count(b"\n") < count:
            heard += await self._stream.receive_some()

    async def let_go(self) -> None:
        """Have one of them wait no more."""
        await self._stream.send_all(b"!")

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._stream.aclose()

    async def is_gone(self) -> None:
        """Wait until nobody of it is left."""
        with suppress(trio.BrokenResourceError):  # gone without having read everything
            while await self._stream.receive_some():
                pass


class Home:
    """Where programs call."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        self._port = listener.socket.getsockname()[1]
        self._families: list[Family] = []

    def program(self, source: str) -> list[str]:
        """Return the command of a program that connects; it may ``call()``, and ``wait()``."""
        return python(_CALL_HOME.format(port=self._port) + source)

    async def next(self) -> Family:
        """Wait for the next program to connect."""
        family = Family(await self._listener.accept())
        self._families.append(family)
        return family

    async def aclose(self) -> None:
        """Be at home no longer."""
        for family in self._families:
            await family.aclose()
        await self._listener.aclose()


@asynccontextmanager
async def open_home() -> AsyncIterator[Home]:
    """Be at home for the length of an ``async with``."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with aclosing(Home(listener)) as home:
        yield home


def children() -> set[int]:
    """Return the processes that this one has started and not reaped, dead or alive."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # What comes after the name, which may hold anything, parentheses too.
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        if parent == os.getpid():
            found.add(int(path.parent.name))
    return found


def descriptors() -> set[str]:
    """Return the descriptors that this process has open."""
    # The one with which they are listed is no longer there.
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}
