"""Text in ASCII: what a reader would write, or a question mark, and one line of it."""

import sys
from unicodedata import category

import pytest
from hypothesis import given

from tests.strategies import texts
from trio_finger.protocol.ascii import to_ascii


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("Happy and well", "Happy and well"),
        ("a\tb", "a\tb"),
        ("", ""),
        ("José Ñandú Čapek Ångström", "Jose Nandu Capek Angstrom"),
        ("cafe\N{COMBINING ACUTE ACCENT}", "cafe"),
        ("Straße, ẞ", "Strasse, SS"),
        ("Æsop æon Œuvre œil", "AEsop aeon OEuvre oeil"),
        ("Øre ø Đ đ Ł ł ð þ \u0131", "Ore o D d L l d th i"),
        ("\u2018one\u2019 \u201ctwo\u201d \u201ethree\u201c", '\'one\' "two" "three"'),
        ("« quoi »", "<< quoi >>"),
        ("a\u2010b\u2013c\u2014d\u2212e", "a-b-c-d-e"),
        ("wait…", "wait..."),
        ("100 € £5", "100 EUR GBP5"),
        ("½ cup, 21\N{DEGREE SIGN}, 2\N{MULTIPLICATION SIGN}3", "1/2 cup, 21deg, 2x3"),
        ("no\N{NO-BREAK SPACE}break\N{IDEOGRAPHIC SPACE}wide", "no break wide"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A} \N{LATIN SMALL LIGATURE FI} ①", "A fi 1"),
        ("™ © ®", "TM (C) (R)"),
        ("山田", "??"),
        ("한국", "??"),
        ("Привет", "??????"),
        ("☕", "?"),
        ("☺\N{VARIATION SELECTOR-16}", "?"),
        ("\N{COMBINING ACUTE ACCENT}", "?"),
        ("\u32c0", "1?"),
        ("a\nb\r\x1b\x7f\x9b\ud800", "a?b?????"),
    ],
)
def test_spelling(text: str, spelled: str) -> None:
    """Letters lose what ASCII has not, signs are written out, and the rest is unknown."""
    assert to_ascii(text) == spelled


def test_all_of_unicode() -> None:
    """Whatever the character, what stands for it is printable ASCII, or TAB, and is short."""
    for character in map(chr, range(sys.maxunicode + 1)):
        if category(character) == "Cn":
            continue  # not assigned to anything, and so not made of anything either
        spelled = to_ascii(character)
        assert spelled
        assert spelled.isascii()
        assert spelled.isprintable() or spelled == "\t" == character
        assert len(spelled) <= 18


@given(texts())
def test_any_text(text: str) -> None:
    """One line stays one line, nothing becomes nothing, and ASCII stays as it is."""
    spelled = to_ascii(text)
    assert spelled.replace("\t", "").isprintable()
    assert spelled.isascii()
    assert bool(spelled) == bool(text)
    assert spelled.count("\t") == text.count("\t")
    assert to_ascii(spelled) == spelled
