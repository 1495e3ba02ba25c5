"""How many columns of a terminal text takes, which is not how many characters it has.

An ideograph and most emoji take two columns, an accent that is a character of its own
takes none (Unicode Standard Annex 11). A TAB counts as one; whoever lays out columns has
none in them.
"""

import re
import unicodedata
from functools import lru_cache

# Below this, every character takes one column.
_NOT_PLAIN = re.compile("[\u0300-\U0010ffff]")

_NO_COLUMN = frozenset({"Mn", "Me", "Cf"})
_WIDE = frozenset({"W", "F"})

# Vowels and finals of Korean syllables that are written with several characters: they are
# drawn into the first of them.
_JAMO_INSIDE = range(0x1160, 0x1200)

_ELLIPSIS = "..."


def width(text: str) -> int:
    """Return how many columns *text* takes."""
    return sum(map(_width, text)) if _NOT_PLAIN.search(text) else len(text)


def pad(text: str, columns: int) -> str:
    """Return *text* with blanks after it until it takes *columns*."""
    return text + " " * (columns - width(text))


def cut(text: str, columns: int) -> str:
    """Return as much of *text* as fits into *columns*, 3 at least; ``...`` says there is more."""
    room = columns - len(_ELLIPSIS)
    if not _NOT_PLAIN.search(text):
        return text if len(text) <= columns else text[:room] + _ELLIPSIS
    taken = end = 0
    for index, character in enumerate(text, start=1):
        taken += _width(character)
        if taken <= room:
            end = index
        elif taken > columns:
            return text[:end] + _ELLIPSIS
    return text


@lru_cache(maxsize=4096)  # some more than a text in Chinese has
def _width(character: str) -> int:
    if unicodedata.category(character) in _NO_COLUMN or ord(character) in _JAMO_INSIDE:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
