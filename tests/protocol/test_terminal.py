"""What a stranger sends does nothing to a terminal but show."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.terminal import printable
from trio_finger.protocol.text import clean


def is_harmless(text: str) -> bool:
    """Whether a terminal shows all of *text*, and does nothing else."""
    return clean(text) == text.replace("\n", "")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"Happy and well\r\n", "Happy and well\n"),
        (b"Happy and well", "Happy and well"),
        (b"one\r\ntwo\nthree\r\n", "one\ntwo\nthree\n"),
        (b"a\tb\r\n", "a\tb\n"),
        ("naïve 😀\r\n".encode(), "naïve 😀\n"),
        (b"good\rbad\r\n", "good^Mbad\n"),
        (b"\x1b[2J\x1b]0;title\x07", "^[[2J^[]0;title^G"),
        (b"\0\x7f", "^@^?"),
        ("\x9b31m".encode(), "<U+009B>31m"),
        (b"\x9b31m", "\ufffd31m"),
        ("\u202egnp.exe\u200b".encode(), "<U+202E>gnp.exe<U+200B>"),
        ("\u2028\ufffe\U000e0041".encode(), "<U+2028><U+FFFE><U+E0041>"),
        (b"na\xefve", "na\ufffdve"),
    ],
)
def test_printable(data: bytes, text: str) -> None:
    """Text stays text; what would act on a terminal is shown as what it is."""
    assert printable(data) == text


def test_all_of_unicode_is_harmless() -> None:
    """Over all of Unicode nothing gets through that acts on a terminal, and nothing is lost."""
    for codepoint in range(sys.maxunicode + 1):
        character = chr(codepoint)
        shown = printable(character.encode("utf-8", "surrogatepass"))
        assert shown
        if shown != character:
            assert is_harmless(shown)
            assert clean(character) == ""
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert is_harmless(printable(everything.encode("utf-8", "surrogatepass")))


@given(st.binary() | texts("\r\n\x1b[").map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are shown without a control character but TAB and LF (RFC 1288, 3.3)."""
    shown = printable(data)
    assert is_harmless(shown)
    assert shown.count("\n") == data.count(b"\n")
