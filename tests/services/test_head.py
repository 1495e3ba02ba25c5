"""What the lane takes for one simple request is that for Hypercorn's parser as well.

Two parsers that read the same bytes differently are how requests are smuggled. So whatever
`parse_head` takes is given to h11, which must find the same request, whole, and nothing else.
"""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_finger.services.web._head import Head, parse_head

GET = b"GET /moshez HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /RPC2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"

TOKENS = [
    *(b"GET", b"POST", b" ", b"/", b"/moshez", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"\n"),
    b"\r\n",
    *(b"\r", b"\r\n\r\n", b"Host:", b"host: h", b"Host : h", b": ", b"\t", b"\0", b"\x80", b"\xff"),
    *(b"Content-Length: 2", b"Content-Length: +2", b"Content-Length: 2, 2", b"content-length:0"),
    *(b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: websocket", b"Cookie: a=b"),
    *(b"ab", b"0\r\n\r\n", b"Accept: */*", b" folded", b"#", b"?a=b", b"http://h/", b"*", b"\x0b"),
]  # fmt: skip


def read_with_h11(data: bytes) -> Head | None:
    """Return the one request that *data* is for h11; ``None`` if it is not one, or not only."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            return None
        body = b""
        while isinstance(event := connection.next_event(), h11.Data):
            body += bytes(event.data)
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.EndOfMessage) or connection.trailing_data != (b"", False):
        return None
    headers: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode(), raw_value.decode("latin-1")
        if name in headers and name != "cookie":
            return None
        headers[name] = f"{headers[name]}; {value}" if name in headers else value
    return Head(request.method.decode(), request.target.decode(), headers, body)


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """Return requests that differ from *data* in some places."""

    def change(changes: list[tuple[int, int, bytes]]) -> bytes:
        changed = data
        for place, length, token in changes:
            begin = place % (len(changed) + 1)
            changed = changed[:begin] + token + changed[begin + length :]
        return changed

    edit = st.tuples(
        st.integers(0, 200), st.integers(0, 4), st.sampled_from(TOKENS) | st.binary(max_size=2)
    )
    return st.lists(edit, max_size=3).map(change)


@given(mutated(GET) | mutated(POST) | st.lists(st.sampled_from(TOKENS)).map(b"".join))
@example(GET)
@example(POST)
@example(GET + GET)
@example(GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"))
def test_both_parsers_agree(data: bytes) -> None:
    """What is simple here is the same request there (request smuggling)."""
    head = parse_head(data)
    if head is not None:
        assert read_with_h11(data) == head


@pytest.mark.parametrize("data", [GET, POST])
def test_simple(data: bytes) -> None:
    """A plain request is taken; in pieces, or with another behind it, it is not."""
    assert parse_head(data) == read_with_h11(data) != None  # noqa: E711
    for end in range(len(data)):
        assert parse_head(data[:end]) is None
    assert parse_head(data + data) is None
    assert parse_head(data + b"\r\n") is None


@pytest.mark.parametrize(
    "line",
    [
        *("Host: other", "Content-Length: 3", "Transfer-Encoding: identity", "Content-Length: x"),
        *(" folded: yes", "\tfolded", "bad name: x", "bad\x00: x", "x: \x00", "é: x"),
    ],
)
def test_what_is_left_to_the_app(line: str) -> None:
    """Whatever could mean two things is left to who knows HTTP."""
    assert parse_head(GET[:-2] + line.encode() + b"\r\n\r\n") is None
