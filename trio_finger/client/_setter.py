"""The setter's client: one request over the control socket, one line back."""

import os
from pathlib import Path

import trio

from trio_finger.protocol.setter import SetRequest, format_request
from trio_finger.protocol.text import escape

_MAX_REPLY = 4096  # bytes


class SetError(Exception):
    """Something could not be set; ``str()`` of it says why."""


async def send_request(path: Path, request: SetRequest, seconds: float) -> str:
    """Have the daemon that listens at *path* do what *request* asks for; return its words.

    Args:
      path: the control socket.
      request: what to set.
      seconds: how long that may take.

    Raises:
      SetError: it did not, or nobody is there.
    """
    reply = b""
    try:
        with trio.fail_after(seconds):
            async with await trio.open_unix_socket(os.fspath(path)) as stream:
                await stream.send_all(format_request(request))
                while len(reply) < _MAX_REPLY and (data := await stream.receive_some(_MAX_REPLY)):
                    reply += data
    except trio.TooSlowError:
        raise SetError(f"{path}: no answer within {seconds:g} seconds") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise SetError(f"{path}: nobody listens there; is the daemon running?") from None
    except trio.BrokenResourceError:
        raise SetError(f"{path}: the connection broke") from None
    except OSError as error:
        raise SetError(f"{path}: {error.strerror or error}") from None
    words = escape(reply.decode("utf-8", "replace").strip())
    if not words.startswith("ok"):
        raise SetError(words or f"{path}: the connection broke")
    return words
