"""The finger query: one line in any pieces, and a query that is the same written out."""

import re

from fuzz.inputs import pieces, single
from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.finger import (
    MAX_QUERY,
    Query,
    QueryReader,
    QueryTooLongError,
    format_query,
    parse_query,
)


def _read(chunks: list[bytes]) -> bytes | type[QueryTooLongError] | None:
    reader = QueryReader()
    try:
        for chunk in chunks:
            if (line := reader.receive_data(chunk)) is not None:
                return line
    except QueryTooLongError:
        return QueryTooLongError
    return None


def check(data: bytes) -> None:
    """The line ends where it should, however it arrives; any line at all is a query."""
    line = re.split(rb"[\r\n]", data, maxsplit=1)[0]
    expected = line if len(line) <= MAX_QUERY else QueryTooLongError
    unended = None if line == data and len(line) <= MAX_QUERY else expected
    for chunks in ([data] if data else [], pieces(data), single(data)):
        assert _read(chunks) == unended
        assert _read([*chunks, b""]) == expected
    query = parse_query(line)
    assert parse_query(b" " + line) == query
    for name in query.names:
        assert name.split() == [name]
        assert not set(name) & {"@", ","}
        # In "/W@host" it is no word of its own.
        assert name.lower() != "/w" or query.hosts
    assert all(host == host.strip() for host in query.hosts)
    _check_written(query)


def _check_written(query: Query) -> None:
    """What can be asked is one line that asks the same; all else is refused."""
    words = (*query.names, *query.hosts)
    harmless = all(is_clean(word) and "\t" not in word and word.lower() != "/w" for word in words)
    try:
        data = format_query(query)
    except ValueError:
        assert not harmless
        return
    assert harmless
    assert data.endswith(b"\r\n")
    assert not set(data[:-2]) & set(range(0x20))
    assert is_clean(data[:-2].decode())
    if all(word.split() == [word] for word in words):
        assert parse_query(data[:-2]) == query


TARGET = Target(
    check,
    seeds=(
        b"\r\n",
        b"/W moshez\r\n",
        b"moshez shawn@far@near\r\n",
        b"\xff\xfb\x1f\xff\xfd\x03foo, bar /w\n",
        "jos\u00e9\u3000\u202ex\r".encode(),
        b"x" * MAX_QUERY + b"\r\n",
        b"y" * (MAX_QUERY + 1) + b"\n",
    ),
    tokens=(b"/W", b"/w ", b"@", b",", b"\r\n", b"\xff\xfb\x40", b"\xff\xf4", b"\xe2\x80\xae"),
    max_len=1200,
)
