"""Ports for programs that cannot be asked to take any free one."""

import random
import socket
from contextlib import suppress
from typing import Final

# Below those that systems hand out by themselves (RFC 6335, section 6; Linux begins at 32,768).
# One of theirs could be taken before the program does: by a daemon on port 0, or as the near
# end of a connection, even of one that tries whether the program is there.
_PORTS: Final = range(20_000, 32_768)


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free, and stays so unless somebody means this one."""
    for port in random.sample(_PORTS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("100 ports out of 100 are taken")
