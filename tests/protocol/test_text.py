"""Names and statuses: what is let in is clean, and one user is one user."""

import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.text import (
    MAX_NAME,
    MAX_STATUS,
    TextError,
    clean,
    decode,
    fold,
    format_age,
    is_safe,
    parse_name,
    parse_status,
)

EVERYTHING = "".join(map(chr, range(sys.maxunicode + 1)))

# Said once more, independently of the code: C0 but TAB, DEL, C1; soft hyphen, bidi and
# zero-width controls; line and paragraph separators; surrogates; noncharacters; tags.
FORBIDDEN = "".join(
    chr(codepoint)
    for span in (
        range(0x9),
        range(0xA, 0x20),
        range(0x7F, 0xA0),
        range(0xAD, 0xAE),
        range(0x200B, 0x2010),
        range(0x2028, 0x202F),
        range(0x2060, 0x2065),
        range(0x2066, 0x2070),
        range(0xD800, 0xE000),
        range(0xFDD0, 0xFDF0),
        range(0xFEFF, 0xFF00),
        range(0xFFF9, 0xFFFC),
        range(0xE0020, 0xE0080),
        *(range(plane + 0xFFFE, plane + 0x10000) for plane in range(0, 0x110000, 0x10000)),
    )
    for codepoint in span
)


def test_all_of_unicode_is_cleaned() -> None:
    """Over all of Unicode, nothing unsafe is left, nothing else is lost or reordered (T9)."""
    cleaned = clean(EVERYTHING)
    assert set(cleaned).isdisjoint(FORBIDDEN)
    lost = sorted(set(EVERYTHING).difference(cleaned, FORBIDDEN))
    assert {unicodedata.category(character) for character in lost} <= {"Cf"}
    assert list(cleaned) == sorted(cleaned)


@pytest.mark.parametrize("place", ["{}", "a{}", "{}b", "a{}b", "é{}é"])
def test_forbidden_characters_go_wherever_they_stand(place: str) -> None:
    """A forbidden character is taken out from between any others, one by one."""
    for character in FORBIDDEN:
        assert clean(place.format(character)) == place.format("")


@given(texts())
def test_clean(text: str) -> None:
    """Cleaning leaves safe characters alone, and cleaning twice is cleaning once."""
    cleaned = clean(text)
    assert cleaned == "".join(character for character in text if is_safe(character))
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.binary() | texts().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_decode(data: bytes) -> None:
    """Whatever is decoded gives the same bytes back; everything else is a `TextError`."""
    try:
        assert decode(data).encode() == data
    except TextError as error:
        words = str(error)
        assert words == "not UTF-8 text"


@pytest.mark.parametrize(
    "data", [b"\xe9", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"]
)
def test_decode_refuses(data: bytes) -> None:
    """Neither Latin-1, overlong forms, surrogates nor half a character are decoded."""
    with pytest.raises(TextError, match=r"^not UTF-8 text$"):
        decode(data)


@given(texts(" \t"))
def test_parse_status(text: str) -> None:
    """A status is one clean line, neither empty nor with blanks around, and stays as it is."""
    try:
        status = parse_status(text)
    except TextError as error:
        words = str(error)
        assert words == "the status is empty"
        assert not clean(text).strip()
    else:
        assert status
        assert status == clean(status) == status.strip() == parse_status(status)
        assert len(status.splitlines()) == 1
        assert len(status.encode()) <= MAX_STATUS


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Happy and well", "Happy and well"),
        ("  Happy\tand well \r\n", "Happy\tand well"),
        ("two\nlines", "twolines"),
        ("\x1b]0;evil\x07red \x1b[31malert", "]0;evilred [31malert"),
        ("\u202egnp.exe", "gnp.exe"),
        ("%s {user.__class__} {{7*7}}", "%s {user.__class__} {{7*7}}"),
        ("naïve 😀 한국어", "naïve 😀 한국어"),
    ],
)
def test_statuses(text: str, status: str) -> None:
    """What may be shown stays, character by character; what may not goes."""
    assert parse_status(text) == status


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u200b", "\x1b\x07", "\u3000\xa0"])
def test_no_status(text: str) -> None:
    """What shows nothing is no status."""
    with pytest.raises(TextError, match=r"^the status is empty$"):
        parse_status(text)


@pytest.mark.parametrize("unit", ["a", "é", "한", "😀"])
def test_longest_status(unit: str) -> None:
    """A status has `MAX_STATUS` bytes at most, counted as UTF-8 after cleaning."""
    longest = unit * (MAX_STATUS // len(unit.encode()))
    longest += "a" * (MAX_STATUS - len(longest.encode()))
    assert parse_status(f" \x1b{longest}\u200b\r\n") == longest
    with pytest.raises(TextError, match=r"^the status is longer than 1024 bytes$"):
        parse_status(longest + "a")


@pytest.mark.parametrize("text", ["é" * 10_000_000, "x" + "\x1b" * 10_000_000])
def test_giant_statuses(text: str) -> None:
    """A giant is refused without the time that cleaning it would take."""
    with pytest.raises(TextError, match=r"^the status is longer than 1024 bytes$"):
        parse_status(text)


@given(texts("@/:!,. ./az"))
def test_parse_name(text: str) -> None:
    """A name is NFC, safe, free of what doors need for themselves, and stays as it is."""
    try:
        name = parse_name(text)
    except TextError as error:
        words = str(error)
        assert clean(words) == words
    else:
        assert 1 <= len(name) <= MAX_NAME
        assert name == clean(name) == unicodedata.normalize("NFC", text) == parse_name(name)
        assert not set(name) & set("@/:!,\t")
        assert name.split() == [name]
        assert fold(name) == fold(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the name is empty"),
        (" ", "a name cannot hold white space"),
        ("mo shez", "a name cannot hold white space"),
        ("moshez\t", "a name cannot hold white space"),
        ("mo\xa0shez", "a name cannot hold white space"),
        ("mo\u3000shez", "a name cannot hold white space"),
        ("mo\nshez", "a name cannot hold white space"),
        ("mo\u200bshez", "a name cannot hold control or invisible characters"),
        ("\u202ezehsom", "a name cannot hold control or invisible characters"),
        ("mo\0shez", "a name cannot hold control or invisible characters"),
        ("mo\x1bshez", "a name cannot hold control or invisible characters"),
        ("mo\udcffshez", "a name cannot hold control or invisible characters"),
        ("moshez@host", "a name cannot hold '@'"),
        ("../../etc/passwd", "a name cannot hold '/'"),
        ("/W", "a name cannot hold '/'"),
        ("moshez:x", "a name cannot hold ':'"),
        ("!finger", "a name cannot hold '!'"),
        ("moshez,shawn", "a name cannot hold ','"),
        (".", "'.' cannot be a name"),
        ("..", "'..' cannot be a name"),
    ],
)
def test_no_name(text: str, why: str) -> None:
    """What cannot be a name is refused rather than cleaned, in words that say why."""
    with pytest.raises(TextError) as caught:
        parse_name(text)
    assert str(caught.value) == why


@pytest.mark.parametrize("text", ["...", "a.", "%2e", "\\", "*", "0", "-rf", "moshé", "日本", "😀"])
def test_names(text: str) -> None:
    """Other characters are a name's own business."""
    assert parse_name(text) == text


@pytest.mark.parametrize(
    "unit",
    ["a", "e\u0301", "ᄒ\u1161\u11ab", "\u03b1\u0313\u0300\u0345", "\u03b1\u0345\u0313\u0300"],
)
def test_longest_name(unit: str) -> None:
    """A name has `MAX_NAME` characters at most, counted after normalization."""
    assert len(parse_name(unit * MAX_NAME)) == MAX_NAME
    for count in (MAX_NAME + 1, MAX_NAME + 2, 10 * MAX_NAME):
        with pytest.raises(TextError, match=r"^the name is longer than 64 characters$"):
            parse_name(unit * count)


def test_no_character_composes_more_than_expected() -> None:
    """NFC makes one character of four at most, so cutting before it loses no name."""
    assert all(len(unicodedata.normalize("NFD", character)) <= 4 for character in EVERYTHING)


@pytest.mark.parametrize("text", ["a\u0301" * 50_000, "\u0345\u0300" * 50_000, "é" * 1_000_000])
def test_giant_names(text: str) -> None:
    """A giant is refused without the time that normalizing it would take."""
    with pytest.raises(TextError, match=r"^the name is longer than 64 characters$"):
        parse_name(text)
    assert len(fold(text)) > MAX_NAME


@given(texts())
def test_fold_is_idempotent(text: str) -> None:
    """Folding what is folded changes nothing."""
    assert fold(fold(text)) == fold(text)


def test_fold_is_idempotent_for_every_character() -> None:
    """Over all of Unicode, folding what is folded changes nothing, an iota below included."""
    for mark in ("", "\u0345"):
        for character in EVERYTHING:
            folded = fold(character + mark)
            assert fold(folded) == folded


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@given(text=texts())
def test_fold_does_not_mind_normalization(form: Literal["NFC", "NFD"], text: str) -> None:
    """The same text, composed or decomposed, is the same user."""
    assert fold(unicodedata.normalize(form, text)) == fold(text)


@given(texts().map(lambda text: unicodedata.normalize("NFC", text)))
def test_fold_does_not_mind_case(text: str) -> None:
    """The same text, casefolded or with its ASCII letters in the other case, is the same user."""
    assert fold(text.casefold()) == fold(text)
    swapped = (letter.swapcase() if letter.isascii() else letter for letter in text)
    assert fold("".join(swapped)) == fold(text)


@pytest.mark.parametrize(
    "spellings",
    [
        ("moshez", "Moshez", "MOSHEZ"),
        ("José", "jose\u0301", "JOSÉ", "JOSE\u0301"),
        ("Straße", "STRASSE", "strasse", "STRAẞE"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("Åke", "\u212bke", "a\u030ake"),
        ("ǆ", "ǅ", "Ǆ"),
    ],
)
def test_spellings_of_one_user(spellings: tuple[str, ...]) -> None:
    """Case and composition make no other user."""
    assert len(set(map(fold, spellings))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("moshez", "moshes"),
        ("jose", "josé"),
        ("moshez", "mo\u200bshez"),
        ("paypal", "p\N{CYRILLIC SMALL LETTER A}ypal"),
        ("\N{LATIN SMALL LETTER DOTLESS I}", "i"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "A"),
    ],
)
def test_different_users(one: str, other: str) -> None:
    """Accents, invisible characters, other alphabets and widths do make another user."""
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "now"),
        (0, "now"),
        (59.9, "now"),
        (60, "1m"),
        (3599.9, "59m"),
        (3600, "1h"),
        (86399, "23h"),
        (86400, "1d"),
        (1e9, "11574d"),
    ],
)
def test_format_age(seconds: float, age: str) -> None:
    """An age is said in the largest unit that it has a whole one of."""
    assert format_age(seconds) == age
