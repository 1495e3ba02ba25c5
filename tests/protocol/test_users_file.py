"""The users file: a bad line is named and spoils no other."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.text import (
    MAX_NAME,
    MAX_STATUS,
    TextError,
    clean,
    fold,
    parse_name,
    parse_status,
)
from trio_finger.protocol.users_file import (
    _PLAIN,
    Entry,
    LineFault,
    _parse_line,
    format_entry,
    parse_users,
)


def parse(data: bytes) -> list[Entry | LineFault]:
    """Parse a whole file; lines that say nothing are left out."""
    return [item for item in parse_users(data) if item is not None]


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (b"moshez: Happy and well", Entry("moshez", "Happy and well")),
        (b"moshez:Happy and well", Entry("moshez", "Happy and well")),
        (b"  moshez \t:  Happy and well  \r\n", Entry("moshez", "Happy and well")),
        (b"moshez: home: 12:30 # not a comment", Entry("moshez", "home: 12:30 # not a comment")),
        ("jose\u0301: naïve 😀".encode(), Entry("josé", "naïve 😀")),
        (b"\xef\xbb\xbfmoshez: Happy", Entry("moshez", "Happy")),
        (b"moshez: \x1b[31mred\0", Entry("moshez", "[31mred")),
    ],
)
def test_entry(line: bytes, entry: Entry) -> None:
    """A line is a name, a colon and a status, with blanks around as people like."""
    assert parse(line) == [entry]


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"  \t\r\n", b"# moshez: Happy", b"   #", b"\xef\xbb\xbf"]
)
def test_nothing_said(line: bytes) -> None:
    """Blank lines and comments say nothing, and nothing about them is wrong."""
    assert parse(line) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"moshez", 'expected "name: status", found no colon'),
        (b": Happy", "the name is empty"),
        (b"moshez:", "the status is empty"),
        (b"moshez: \x07", "the status is empty"),
        (b"mo shez: Happy", "a name cannot hold white space"),
        (b"mo\0shez: Happy", "a name cannot hold control or invisible characters"),
        ("mo\u200bshez: Happy".encode(), "a name cannot hold control or invisible characters"),
        (b"moshez@host: Happy", "a name cannot hold '@'"),
        (b"moshez: na\xefve", "not UTF-8 text"),
        (b"a" * (MAX_NAME + 1) + b": Happy", "the name is longer than 64 characters"),
        (b"moshez: " + b"x" * (MAX_STATUS + 1), "the status is longer than 1024 bytes"),
    ],
)
def test_fault(line: bytes, words: str) -> None:
    """A bad line is named by its number and spoils none of its neighbours (T30)."""
    first, second = Entry("shawn", "Alive"), Entry("glyph", "Deep")
    data = format_entry(first) + line + b"\n" + format_entry(second)
    assert parse(data) == [first, LineFault(2, words), second]


def test_duplicates() -> None:
    """The first line of a user counts, however the others spell the name; each is named."""
    assert parse("José: 1\n\nshawn: 2\njose\u0301: 3\nJOSÉ: 4\n".encode()) == [
        Entry("José", "1"),
        Entry("shawn", "2"),
        LineFault(4, "josé is on line 1 already"),
        LineFault(5, "JOSÉ is on line 1 already"),
    ]


def test_a_faulty_line_takes_no_name() -> None:
    """A line that was skipped does not make the next one a duplicate."""
    assert parse(b"moshez:\nmoshez: Happy\n") == [
        LineFault(1, "the status is empty"),
        Entry("moshez", "Happy"),
    ]


def test_byte_order_mark_further_down() -> None:
    """Only at the beginning of the file is a byte order mark no character of the name."""
    words = "a name cannot hold control or invisible characters"
    assert parse(b"shawn: Alive\n\xef\xbb\xbfmoshez: Happy\n")[1:] == [LineFault(2, words)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends(end: bytes) -> None:
    """A file from any system has the same lines under the same numbers."""
    data = b"shawn: Alive" + end + end + b"no colon" + end + b"moshez: Happy"
    assert parse(data) == [
        Entry("shawn", "Alive"),
        LineFault(3, 'expected "name: status", found no colon'),
        Entry("moshez", "Happy"),
    ]


def test_lines_carry_no_profile() -> None:
    """A line says a name and a status, and nothing else of anybody."""
    (entry,) = parse(b"moshez: Happy\n")
    assert isinstance(entry, Entry)
    assert entry.profile is None


def test_lazy() -> None:
    """The lines are parsed one by one, as the entries are asked for."""
    items = parse_users(b"a: 1\nb: 2\n")
    assert next(items) == Entry("a", "1")
    assert next(items) == Entry("b", "2")


@given(
    st.binary(max_size=100)
    | texts(":# \nab", max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_file(data: bytes) -> None:
    """Any file gives clean entries, each user once, and faults with rising line numbers."""
    items = parse(data)
    entries = [item for item in items if isinstance(item, Entry)]
    faults = [item for item in items if isinstance(item, LineFault)]
    for entry in entries:
        assert parse_name(entry.name) == entry.name
        assert parse_status(entry.status) == entry.status
    assert len({fold(entry.name) for entry in entries}) == len(entries)
    numbers = [fault.line for fault in faults]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, len(data.splitlines()) + 1))
    assert all(clean(fault.words) == fault.words for fault in faults)


def is_name(text: str) -> bool:
    """Whether *text* is a name as it is."""
    try:
        return parse_name(text) == text
    except TextError:
        return False


def is_status(text: str) -> bool:
    """Whether *text* is a status as it is."""
    try:
        return parse_status(text) == text
    except TextError:
        return False


characters = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Zp"])
characters |= st.sampled_from("#.")
entries = st.builds(
    Entry,
    name=st.text(characters, min_size=1, max_size=10).filter(is_name),
    status=texts(": #", max_size=20).filter(is_status),
)


@given(st.lists(entries, unique_by=lambda entry: fold(entry.name), max_size=5))
def test_format_and_parse_are_inverses(entries: list[Entry]) -> None:
    """A file that was written is read again as the same entries."""
    assert parse(b"".join(map(format_entry, entries))) == entries


nearly_plain = texts(":# .\tabAB\x7f", max_size=30) | st.builds(
    "{}:{}{}".format,
    st.text(st.characters(codec="ascii"), max_size=66),
    st.sampled_from(["", " ", "  ", "\t"]),
    st.text(st.characters(codec="ascii"), max_size=20),
)


@given(nearly_plain.filter(lambda line: not {"\n", "\r"} & set(line)))
@example("a" * 64 + ": " + "s" * MAX_STATUS)
@example("a" * 65 + ": " + "s" * MAX_STATUS)
@example("a: " + "s" * (MAX_STATUS + 1))
@example(".: a")
@example("a: a ")
def test_plain_lines_are_read_as_others_are(line: str) -> None:
    """What is taken for plain, and so is not looked at with care, would come to the same."""
    data = line.encode("utf-8", "replace")
    if plain := _PLAIN.fullmatch(data):
        name, status = plain.groups()
        assert _parse_line(data) == Entry(name.decode(), status.decode())
