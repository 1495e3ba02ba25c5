"""asyncio on uvloop, doing nothing but a look-up: ``python uvloop_finger.py PORT FILE``.

No line is put together from pieces and nothing is checked, limited, counted or logged: it
is as fast as an event loop with protocols gets in Python, and not a server for strangers.
"""

import asyncio
import sys
from pathlib import Path

import uvloop  # type: ignore[import-not-found]


class FingerProtocol(asyncio.Protocol):
    """One query, one answer."""

    def __init__(self, users: dict[bytes, bytes]) -> None:
        self._users = users

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember where the answer goes."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take *data* for the whole query, and answer it."""
        self._transport.write(self._users.get(data.strip(), b"No such user\r\n"))
        self._transport.close()


async def main() -> None:
    """Serve until SIGTERM."""
    port, filename = sys.argv[1:]
    lines = Path(filename).read_bytes().splitlines()  # noqa: ASYNC240  # nobody is served yet
    pairs = (line.split(b":", 1) for line in lines)
    users = {name.strip(): status.strip() + b"\r\n" for name, status in pairs}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: FingerProtocol(users), "127.0.0.1", int(port), backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
