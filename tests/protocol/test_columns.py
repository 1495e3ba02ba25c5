"""Columns of a terminal: how many a text takes, and what fits into some."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.columns import cut, pad, width
from trio_finger.protocol.text import clean


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        ("Zoë ßÆ", 6),
        ("山田", 4),
        ("한국", 4),
        ("\u1112\u1161\u11ab", 2),  # 한, in parts
        ("ｱﾞ", 2),  # half-width
        ("Ａ", 2),  # noqa: RUF001 - fullwidth is what it is about
        ("\U0001f600", 2),
        ("☞ …", 3),
        ("e\N{COMBINING ACUTE ACCENT}", 1),
        ("a\N{COMBINING ENCLOSING CIRCLE}", 1),
        ("กี่", 1),
    ],
)
def test_width(text: str, columns: int) -> None:
    """Ideographs and emoji are wide, marks take no column, all else takes one."""
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("Zoë Za", 6, "Zoë Za"),
        ("Zoë Zad", 6, "Zoë..."),
        ("山田太", 6, "山田太"),
        ("山田太郎", 6, "山..."),
        ("山田太郎", 7, "山田..."),
        ("e\u0301" * 6, 6, "e\u0301" * 6),
        ("e\u0301" * 7, 6, "e\u0301" * 3 + "..."),
        ("山", 3, "山"),
        ("山田", 3, "..."),
    ],
)
def test_cut(text: str, columns: int, shown: str) -> None:
    """What is cut shows that it is; no mark loses its letter, and no letter its marks."""
    assert cut(text, columns) == shown


@given(text=texts("山e\u0301").map(clean), columns=st.integers(3, 50))
def test_cells(text: str, columns: int) -> None:
    """Whatever the text, it fits, fills its cell, and is as it was where it fits as it is."""
    shown = cut(text, columns)
    assert width(shown) <= columns
    assert width(pad(shown, columns)) == columns
    assert (shown == text) == (width(text) <= columns)
    assert text.startswith(shown) or text.startswith(shown.removesuffix("..."))
