"""The users file: every line by itself, what is taken clean, what is wrong named."""

import re

from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.text import MAX_NAME, MAX_STATUS, fold
from trio_finger.protocol.users_file import Entry, LineFault, format_entry, parse_users

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


def check(data: bytes) -> None:
    """Who is taken is clean and is taken once; what is wrong is named on its line."""
    while data.startswith(_BYTE_ORDER_MARK):
        data = data.removeprefix(_BYTE_ORDER_MARK)
    items = _parse(data)
    lines = _LINE_END.split(data)
    entries = [item for item in items if isinstance(item, Entry)]
    for entry in entries:
        check_entry(entry)
        assert entry.status
        assert entry.profile is None
    assert len({fold(entry.name) for entry in entries}) == len(entries)
    faults = [item for item in items if isinstance(item, LineFault)]
    numbers = [fault.line for fault in faults]
    assert numbers == sorted(set(numbers))
    assert set(numbers) <= set(range(1, len(lines) + 1))
    assert all(is_clean(fault.words) for fault in faults)
    assert _parse(b"".join(map(format_entry, entries))) == entries
    # What is there for speed sees no difference to what it is faster than: a blank before a
    # line, and which end it has, change nothing but that.
    for end in (b"\n", b"\r\n"):
        assert _parse(end.join(b" " + line for line in lines)) == items
        assert _parse(end.join(lines)) == items
    assert _parse(_BYTE_ORDER_MARK + data) == items


def _parse(data: bytes) -> list[Entry | LineFault]:
    return [item for item in parse_users(data) if item is not None]


def check_entry(entry: Entry) -> None:
    """The name and the status are clean, of one line, and no longer than allowed."""
    assert 1 <= len(entry.name) <= MAX_NAME
    assert entry.name.split() == [entry.name]
    assert is_clean(entry.name)
    assert not set(entry.name) & set("@/:!,")
    assert entry.status == entry.status.strip()
    assert is_clean(entry.status)
    assert len(entry.status.encode()) <= MAX_STATUS


TARGET = Target(
    check,
    seeds=(
        b"moshez: Happy and well\nshawn: Alive\n",
        b"\xef\xbb\xbf# who\r\n\r\nmoshez:Happy\rshawn: home: 12:30\n",
        "jose\u0301: na\u00efve\nJOS\u00c9: twice\nno colon\nmo shez: x\n".encode(),
        b"moshez: \x1b[31mred\0\n\xff: x\n: y\nz:\n",
        b"a" * 65 + b": x\nb: " + b"y" * 1025,
    ),
    tokens=(b": ", b"#", b"\r\n", b"\xef\xbb\xbf", b"\xcc\x81", b"\xe2\x80\xae", b"\xc2\x85"),
)
