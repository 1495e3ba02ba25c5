"""Finger queries: RFC 1288, 2.3, in whatever pieces and spellings they arrive."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.strategies import NASTY, chunked, texts
from trio_finger.protocol.finger import (
    MAX_QUERY,
    Query,
    QueryReader,
    QueryTooLongError,
    format_query,
    parse_query,
)


def read(*chunks: bytes) -> bytes | None:
    """Return the line that *chunks* hold; ``None`` if they end before it does."""
    reader = QueryReader()
    for chunk in chunks:
        line = reader.receive_data(chunk)
        if line is not None:
            return line
    return None


def outcome(*chunks: bytes) -> bytes | type[QueryTooLongError] | None:
    """Return what comes of *chunks*, a refusal included."""
    try:
        return read(*chunks)
    except QueryTooLongError:
        return QueryTooLongError


inputs = st.binary(max_size=40) | st.text("ab \r\n\xff", max_size=10).map(str.encode)
long_inputs = st.builds(
    lambda length, end, rest: b"x" * length + end + rest,
    st.integers(MAX_QUERY - 3, MAX_QUERY + 3),
    st.sampled_from([b"\r\n", b"\n", b"\r", b""]),
    st.binary(max_size=5),
)


@given(chunked(inputs | long_inputs), st.booleans())
def test_chunking_does_not_matter(chunks: list[bytes], ends: bool) -> None:
    """However the input is cut into pieces, the line, or the refusal, is the same."""
    whole = [b"".join(chunks)] if chunks else []
    end = [b""] * ends
    assert outcome(*chunks, *end) == outcome(*whole, *end)


@given(inputs)
def test_line(data: bytes) -> None:
    """The line is what stands before the first CR or LF, or before the end of the input."""
    line = data.replace(b"\r", b"\n").split(b"\n")[0]
    assert read(*filter(None, [data]), b"") == line
    if len(line) == len(data) > 0:
        assert read(data) is None


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_longest_line(end: bytes) -> None:
    """`MAX_QUERY` bytes are read and one more is refused, whole and byte by byte (T1)."""
    longest = b"x" * MAX_QUERY
    for line, expected in ((longest, longest), (longest + b"x", QueryTooLongError)):
        data = line + end
        assert outcome(data) == expected
        assert outcome(*(data[at : at + 1] for at in range(len(data)))) == expected


def test_longest_line_at_the_end_of_the_input() -> None:
    """The end of the input counts as the end of a line of `MAX_QUERY` bytes, and not of more."""
    assert read(b"x" * MAX_QUERY, b"") == b"x" * MAX_QUERY
    assert outcome(b"x" * (MAX_QUERY + 1), b"") is QueryTooLongError


def test_endless_line_is_refused_at_once() -> None:
    """The refusal comes with the first byte too many, not with an end that may never come."""
    reader = QueryReader()
    assert reader.receive_data(b"x" * MAX_QUERY) is None
    with pytest.raises(QueryTooLongError, match=r"^a query has at most 1024 bytes$"):
        reader.receive_data(b"x")


# RFC 1288, 2.3, and what clients send in its name; the numbers are those of our checklist.
CASES = [
    # C1: nothing is the list.
    (b"\r\n", Query()),
    (b" \t \r\n", Query()),
    # C2
    (b"foo\r\n", Query(("foo",))),
    # C3
    (b"/W\r\n", Query(verbose=True)),
    (b"/W \r\n", Query(verbose=True)),
    # C4
    (b"/W foo\r\n", Query(("foo",), verbose=True)),
    (b"/W    foo\r\n", Query(("foo",), verbose=True)),
    (b"/W\tfoo\r\n", Query(("foo",), verbose=True)),
    # C5: not the token, but a name.
    (b"/Wfoo\r\n", Query(("/Wfoo",))),
    (b"/Wrong\r\n", Query(("/Wrong",))),
    (b"/\r\n", Query(("/",))),
    (b"W\r\n", Query(("W",))),
    # C6: to be forwarded.
    (b"@h\r\n", Query(hosts=("h",))),
    (b"foo@h\r\n", Query(("foo",), hosts=("h",))),
    (b"/W foo@h\r\n", Query(("foo",), verbose=True, hosts=("h",))),
    (b"/W @h\r\n", Query(verbose=True, hosts=("h",))),
    # C7: the nearest host last.
    (b"foo@a@b@c\r\n", Query(("foo",), hosts=("a", "b", "c"))),
    (b"@a@b\r\n", Query(hosts=("a", "b"))),
    (b"foo" + b"@h" * 510 + b"\r\n", Query(("foo",), hosts=("h",) * 510)),
    # C8: hosts that were left out.
    (b"foo@\r\n", Query(("foo",), hosts=("",))),
    (b"@\r\n", Query(hosts=("",))),
    (b"foo@@h\r\n", Query(("foo",), hosts=("", "h"))),
    (b"@@\r\n", Query(hosts=("", ""))),
    (b"/W @\r\n", Query(verbose=True, hosts=("",))),
    # C9: other ends, and none.
    (b"foo\n", Query(("foo",))),
    (b"foo\r", Query(("foo",))),
    (b"foo", Query(("foo",))),
    (b"foo\r\nbar\r\n", Query(("foo",))),
    (b"", Query()),
    # C10
    (b"foo /W\r\n", Query(("foo",), verbose=True)),
    (b"/w foo\r\n", Query(("foo",), verbose=True)),
    (b"/W foo /w\r\n", Query(("foo",), verbose=True)),
    (b"foo@h /W\r\n", Query(("foo",), verbose=True, hosts=("h",))),
    # C11
    (b"a b\r\n", Query(("a", "b"))),
    (b"a,b\r\n", Query(("a", "b"))),
    (b" a ,, b\t\r\n", Query(("a", "b"))),
    (b"/W a,b\r\n", Query(("a", "b"), verbose=True)),
    (b"a b@h\r\n", Query(("a", "b"), hosts=("h",))),
    # C12: WILL, WONT, DO and DONT with an option, and the commands without one.
    (b"\xff\xfb\x1f\xff\xfd\x03foo\r\n", Query(("foo",))),
    (b"\xff\xfc\xff\xff\xfe\x00/W foo\r\n", Query(("foo",), verbose=True)),
    (b"\xff\xf4\xff\xf2foo\r\n", Query(("foo",))),
    (b"\xff\xfb\x1f\r\n", Query()),
    # Bytes beyond ASCII are text; what is not UTF-8 is kept, and is nobody's.
    ("josé\r\n".encode(), Query(("josé",))),
    (b"jos\xe9\r\n", Query(("jos\udce9",))),
]


@pytest.mark.parametrize(("data", "query"), CASES)
def test_r2_whole_grammar(data: bytes, query: Query) -> None:
    """Every form of RFC 1288, 2.3 means what the RFC says, and liberal ones what is meant."""
    line = read(*filter(None, [data]), b"")
    assert line is not None
    assert parse_query(line) == query


@given(st.binary(max_size=60) | texts("/Ww@, \t").map(lambda text: text.encode("utf-8", "replace")))
@example(b"\xff")
@example(b"\xff\xfb")
@example(b"\xff\xff\xf1\xfb\x01")
def test_r2_no_line_is_refused(line: bytes) -> None:
    """Any line is a query, whose names and hosts hold nothing that parted them."""
    query = parse_query(line)
    for name in query.names:
        assert name.split() == [name]
        assert not set(name) & set(",@")
        assert name.lower() != "/w"
    for host in query.hosts:
        assert host == host.strip()
        assert not set(host) & set(",@")


# Safe, but nothing that parts words, and no noncharacter or surrogate. Private and not
# yet assigned characters are what names may hold, and newer systems than ours know them.
words = st.text(
    st.characters(
        exclude_characters=",@", exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"]
    ).filter(lambda character: ord(character) & 0xFFFE != 0xFFFE),
    min_size=1,
    max_size=8,
).filter(lambda word: word.lower() != "/w" and not any(0xFDD0 <= ord(c) <= 0xFDEF for c in word))
queries = st.builds(
    Query,
    names=st.lists(words, max_size=4).map(tuple),
    verbose=st.booleans(),
    hosts=st.lists(words, max_size=3).map(tuple),
)


@given(queries)
@example(Query(("\U0001fae8",)))
@example(Query(("\ue000",)))
def test_format_and_parse_are_inverses(query: Query) -> None:
    """A query that was written is read again as the same query."""
    data = format_query(query)
    line = read(data)
    assert line is not None
    assert data == line + b"\r\n"
    assume(len(line) <= MAX_QUERY)
    assert parse_query(line) == query


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (Query(), b"\r\n"),
        (Query(verbose=True), b"/W\r\n"),
        (Query(("foo",)), b"foo\r\n"),
        (Query(("foo", "bar"), verbose=True), b"/W foo bar\r\n"),
        (Query(("foo",), hosts=("far", "near")), b"foo@far@near\r\n"),
        (Query(hosts=("h",), verbose=True), b"/W @h\r\n"),
    ],
)
def test_format(query: Query, data: bytes) -> None:
    """A query is written as RFC 1288, 2.3 has it: /W first, one CRLF at the end."""
    assert format_query(query) == data


@given(st.builds(Query, names=st.tuples(texts("/w@, ")), hosts=st.tuples() | st.tuples(texts("."))))
def test_format_writes_one_line(query: Query) -> None:
    """Whatever is written is one line, and what would be more is refused (F2, R1)."""
    try:
        data = format_query(query)
    except ValueError as error:
        words = str(error)
        assert words.isprintable()
    else:
        assert data.endswith(b"\r\n")
        assert data[:-2].decode().splitlines() in ([], [data[:-2].decode()])
        assert not set(data[:-2]) & set(range(0x20))


@pytest.mark.parametrize("word", ["a\r\nb", "a\n", "\r", "\0", "\x1b", "/W", "/w", *NASTY[:10]])
def test_format_refuses(word: str) -> None:
    """Neither a name nor a host can end the line early, or turn into /W."""
    for query in (
        Query((word,)),
        Query(hosts=(word,)),
        Query(("a", word)),
        Query(("a",), hosts=("b", word)),
    ):
        with pytest.raises(ValueError, match=r" cannot be asked for$"):
            format_query(query)
