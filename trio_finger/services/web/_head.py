"""A simple request: one that is here as a whole, alone, and says plainly what it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httptools

_END: Final = b"\r\n\r\n"
# httptools would take a line that is nearly like this one, too.
_LINE: Final = re.compile(rb"(?P<method>GET|POST) (?P<target>/[!-~]*) HTTP/1\.1\r\n")

_LONGEST: Final = 16 * 1024  # bytes; those of browsers have one or two

# What may be several headers, and how they go together: lists (RFC 9110, 5.3), to which proxies
# add their own, and cookies (RFC 9113, 8.2.3).
_JOINED: Final = dict.fromkeys(
    (
        *("accept", "via", "forwarded", "x-forwarded-for", "x-forwarded-proto"),
        *("sec-websocket-extensions", "sec-websocket-protocol"),
    ),
    ", ",
) | {"cookie": "; "}


@dataclass(slots=True)
class Head:
    """What is asked for, and how.

    Attributes:
      method: ``GET``, or ``POST``.
      target: the path and the query, as they came.
      headers: by name, in small letters.
      body: what came after them, all of it.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


class _Reader:
    """Hears from httptools what is in a request."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.is_simple = True

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        text = value.strip(b" \t").decode("latin-1")
        if key in self.headers and key in _JOINED:
            self.headers[key] += f"{_JOINED[key]}{text}"
            return
        # Of the others, two that differ mean what only HTTP's long rules can say.
        self.is_simple &= key not in self.headers
        self.headers[key] = text


def is_begun(data: bytes) -> bool:
    """Whether *data* may be the beginning of the head of a GET, the rest of which is to come."""
    is_get = data[:5] == b"GET /"[: len(data)]
    return is_get and len(data) < _LONGEST and _END not in data


def parse_head(data: bytes) -> Head | None:
    """Return the request that *data* is; ``None`` if it is not one simple request over HTTP/1.1.

    That says nothing against it: it may be in pieces, or be followed by others, or be wrong.
    """
    line = _LINE.match(data)
    end = data.find(_END, 0, _LONGEST)
    if line is None or end < 0:
        return None
    body = data[end + len(_END) :]
    reader = _Reader()
    parser = httptools.HttpRequestParser(reader)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass  # it is still a whole head
    except httptools.HttpParserError:
        return None
    headers = reader.headers
    if not reader.is_simple or "host" not in headers:
        return None
    # How long the body is has to be said in the plain way, and that must be what is here.
    if "transfer-encoding" in headers or headers.get("content-length", "0") != str(len(body)):
        return None
    return Head(line["method"].decode(), line["target"].decode(), headers, body)
