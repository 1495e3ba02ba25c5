"""Telling systemd how we are: sd_notify(3), which is one datagram."""

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Tell systemd *state*, such as ``READY=1``, if it started us and wants to know."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket, in systemd's spelling
        address = "\0" + address[1:]
    # Nothing depends on it being heard, and nothing may wait for that.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(address)
        sock.send(state.encode())
