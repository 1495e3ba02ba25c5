"""Sizes: refused, or just what the digits say."""

from fuzz.inputs import as_text
from fuzz.target import Target
from trio_finger.protocol.size import parse_size

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def check(data: bytes) -> None:
    """Only `ValueError` says no, and what is taken is as much as it is written."""
    text = as_text(data)
    try:
        size = parse_size(text)
    except ValueError as error:
        assert str(error).startswith("expected a size such as ")
        return
    digits = text.strip().rstrip("BiKMG")
    assert size == int(digits) * _UNITS[text.strip().removeprefix(digits)]
    assert size > 0


TARGET = Target(
    check,
    seeds=(b"64KiB", b" 1MiB\n", b"512B", b"2GiB", b"0B", b"999999999B"),
    tokens=(b"KiB", b"MB", b"\xd9\xa1", b"\xc2\xa0"),
    max_len=64,
)
