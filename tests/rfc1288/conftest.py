"""Asking over both ways that a query can take: the pure function, and a daemon's socket."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator

import pytest
import trio

from tests.rfc1288.asking import FULL, GHOST, SINCE, ask
from tests.running import DAEMON, PATIENCE
from trio_finger.protocol.finger import QueryReader
from trio_finger.protocol.profile import Profile
from trio_finger.store import MemoryStore
from trio_finger.usermap import Status, UserMap

Ask = Callable[..., bytes]

# The same users twice: for the daemon as a file, for the function as a map.
USERS = """
[moshez]
full_name = "Moshe Zadka"
status = "Happy and well"
plan = "1. Write it\\n\\n   2. Mend it"
project = "finger"
links = ["https://example.org/moshez", "http://example.org/"]

[shawn]
status = "Alive"

[ghost]
full_name = "G. Host"
status = "Boo"
hidden = true
"""
PROFILES = {"moshez": FULL, "shawn": Profile(), "ghost": GHOST}
TEXTS = {"moshez": "Happy and well", "shawn": "Alive", "ghost": "Boo"}

CONFIG = """
[users]
file = "users.toml"
[store]
url = "memory:"
[finger]
listen = ["127.0.0.1:0"]
rate = "off"
[log]
format = "json"
"""


@pytest.fixture(scope="module", params=["function", "daemon"])
def asking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """What sends bytes and returns the answer; one map, and one daemon, for a whole module.

    Called with several pieces of bytes, it sends one after the other, and with
    ``end=True`` nothing more after that.
    """
    if request.param == "function":
        return trio.run(_make_function)
    port = request.getfixturevalue("daemon_port")

    def over_tcp(*pieces: bytes, end: bool = False) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            for piece in pieces:
                connection.sendall(piece)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return over_tcp


async def _make_function() -> Ask:
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    await users.replace_file(
        {name: Status(name, text, SINCE) for name, text in TEXTS.items()}, PROFILES
    )

    def through_function(*pieces: bytes, end: bool = False) -> bytes:
        reader = QueryReader()
        lines = [line for piece in pieces if (line := reader.receive_data(piece)) is not None]
        if not lines and end:
            lines = [reader.receive_data(b"") or b""]
        return ask(users, lines[0])

    return through_function


@pytest.fixture(scope="module")
def daemon_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The finger port of a daemon that runs as long as the tests of a module do."""
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "users.toml").write_text(USERS)
    # What the file says, it says since then.
    os.utime(folder / "users.toml", (SINCE.timestamp(), SINCE.timestamp()))
    with subprocess.Popen(DAEMON, cwd=folder, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        records = map(json.loads, process.stderr)
        ready = next(record for record in records if record["event"] == "ready")
        yield int(ready["finger"][0].rpartition(":")[2])
        process.send_signal(signal.SIGTERM)
        # Had anything gone wrong meanwhile, it would be here.
        assert [record["event"] for record in records] == ["stopping", "stopped"]
        assert process.wait(PATIENCE) == 0
