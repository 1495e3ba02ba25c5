"""What a stranger sends does nothing to a terminal but show."""

import re
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.terminal import printable
from trio_finger.protocol.text import clean

EVERYTHING = "".join(map(chr, range(sys.maxunicode + 1)))


def is_harmless(shown: bytes) -> bool:
    """Whether a terminal that knows UTF-8 shows all of it, and does nothing else."""
    text = shown.decode()
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
def test_r29_printable(data: bytes, text: str) -> None:
    """Text stays text; what would act on a terminal is shown as what it is."""
    assert printable(data).decode() == text


def test_r29_all_of_unicode_is_harmless() -> None:
    """Over all of Unicode nothing gets through that acts on a terminal, and nothing is lost."""
    shown = printable("|\n".join(EVERYTHING).encode("utf-8", "surrogatepass"))
    assert is_harmless(shown)
    for character, spelled in zip(EVERYTHING, shown.decode().split("|\n"), strict=True):
        assert spelled
        assert spelled == character or clean(character) == ""
    assert is_harmless(printable(EVERYTHING.encode("utf-8", "surrogatepass")))


def test_r29_what_acts_is_shown_as_what_it_is() -> None:
    """Of controls, format characters, separators and noncharacters, none gets through."""
    for character in EVERYTHING:
        if unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} and character not in "\t\n":
            shown = printable(character.encode()).decode()
            assert shown in {f"^{chr(ord(character) ^ 0x40)}", f"<U+{ord(character):04X}>"}


def test_r29_emoji_and_letters() -> None:
    """People's own text stays what it is, however its letters are composed."""
    for text in (
        "Übergröße",
        "שלום",
        "日本語",
        "한국어",
        "e\u0301",
        "👍🏽",
        "❤\ufe0f",
        "🇫🇷",
        "\xa0",
    ):
        assert printable(text.encode()).decode() == text


@given(st.binary() | texts("\r\n\x1b[").map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_r29_any_bytes(data: bytes) -> None:
    """Any bytes are shown without a control character but TAB and LF (RFC 1288, 3.3)."""
    shown = printable(data)
    assert is_harmless(shown)
    assert shown.count(b"\n") == data.count(b"\n")


# What is let through


@given(st.binary())
@example(b"\xc2\r\n\x9b")
@example(b"\xed\xb2\x9b")
def test_r30_eight_bit(data: bytes) -> None:
    """Bytes that are not UTF-8 stay what they are, but for controls, and nothing else is another
    for it."""
    shown = printable(data, eight_bit=True).decode("utf-8", "surrogateescape")
    text = data.decode("utf-8", "surrogateescape")
    # Controls are shown as they are when they come as UTF-8.
    text = re.sub("[\udc80-\udc9f]", lambda match: chr(ord(match[0]) - 0xDC00), text)
    kept = "[\udca0-\udcff]"
    assert re.findall("[\udc80-\udcff]", shown) == re.findall(kept, text)
    assert is_harmless(re.sub(kept, "", shown).encode())
    assert re.sub(kept, "\ufffd", shown).encode() == printable(
        re.sub(kept, "\ufffd", text).encode()
    )


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_r30_no_controls(encoding: str) -> None:
    """T9: of all bytes, those that control a terminal of bytes take leave of their own."""
    for byte in range(0x80, 0x100):
        data = b"a%cb" % byte
        shown = printable(data, encoding=encoding, eight_bit=True)
        assert shown == (data if byte >= 0xA0 else b"a<U+%04X>b" % byte)
        leave = printable(data, encoding=encoding, eight_bit=True, control=True)
        assert leave == data


@given(st.binary())
def test_r31_control(data: bytes) -> None:
    """All text stays what it is, whatever it does; what is not text is not let through."""
    expected = data.decode("utf-8", "replace").replace("\r\n", "\n").encode()
    assert printable(data, control=True) == expected


@given(st.binary())
def test_r30_r31_both(data: bytes) -> None:
    """With both, nothing but the end of a line is another."""
    shown = printable(data, eight_bit=True, control=True)
    assert shown == data.replace(b"\r\n", b"\n")


# Terminals that do not know UTF-8


def test_r29_latin_1() -> None:
    """A terminal of Latin-1 gets none of the bytes that control it, and what it has as it is."""
    shown = printable(EVERYTHING.encode("utf-8", "surrogatepass"), encoding="latin-1")
    assert not re.search(rb"[\0-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert printable("Ûé€".encode(), encoding="latin-1") == b"\xdb\xe9<U+20AC>"


def test_r30_latin_1() -> None:
    """It can be shown Latin-1 as it came, and UTF-8, too."""
    shown = printable(b"na\xefve \xc3\xa9", encoding="latin-1", eight_bit=True)
    assert shown == b"na\xefve \xe9"


@given(st.binary(), st.sampled_from(["ascii", "latin-1", "koi8-r", "cp437", "shift_jis"]))
def test_r29_any_terminal(data: bytes, encoding: str) -> None:
    """Every text can be shown on every terminal, and is harmless there."""
    shown = printable(data, encoding=encoding)
    assert is_harmless(shown.decode(encoding).encode())
