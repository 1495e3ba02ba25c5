"""Text in ASCII, for clients that show nothing else (RFC 1288, 2.2).

What looks like an ASCII letter becomes one, what is usually written otherwise where there
are no such characters is written so, and what is neither becomes a question mark.
"""

import unicodedata
from functools import lru_cache

_UNKNOWN = "?"

# Nothing is seen of these alone: marks above and below a letter, and format characters.
_INVISIBLE = frozenset({"Mn", "Me", "Cf"})

# What Unicode itself does not take apart into what is meant. One spelling a line, for each
# of the characters after it.
_GROUPS = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u00b4\u0384",
    '"': "\u201c\u201d\u201e\u201f\u2033\u2036\u00a8",
    "<": "\u2039",
    ">": "\u203a",
    "<<": "\u00ab",
    ">>": "\u00bb",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u00af",
    "~": "\u02dc\u223c",
    "^": "\u02c6",
    "*": "\u2022\u2023\u2219\u22c5\u2605\u2606",
    ".": "\u00b7",
    ",": "\u00b8",
    "!": "\u00a1",
    "?": "\u00bf",
    "/": "\u2044\u2215\u00f7",
    "|": "\u00a6",
    "x": "\u00d7",
    "+-": "\u00b1",
    "<-": "\u2190",
    "->": "\u2192",
    "<=": "\u2264",
    ">=": "\u2265",
    "!=": "\u2260",
    "=>": "\u21d2",
    "(C)": "\u00a9",
    "(R)": "\u00ae",
    "deg": "\u00b0",
    "c": "\u00a2",
    "EUR": "\u20ac",
    "GBP": "\u00a3",
    "JPY": "\u00a5",
    "ss": "ß",
    "SS": "ẞ",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "o": "ø",
    "O": "Ø",
    "d": "đð",
    "D": "ĐÐ",
    "th": "þ",
    "TH": "Þ",
    "h": "ħ",
    "H": "Ħ",
    "i": "\u0131",
    "l": "ł",
    "L": "Ł",
    "ng": "ŋ",
    "NG": "Ŋ",
    "t": "ŧ",
    "T": "Ŧ",
}
_SPELLINGS = {character: text for text, group in _GROUPS.items() for character in group}


def to_ascii(text: str) -> str:
    """Return *text*, one line, in printable ASCII and TAB: ``Café`` becomes ``Cafe``.

    It is never empty if *text* is not. It may be longer, or shorter.
    """
    if text.isascii() and text.isprintable():
        return text
    # Character by character, since what takes a long text apart as a whole needs time that
    # grows with the square of its length.
    return "".join(map(_spell, text)) or _UNKNOWN[: len(text)]


@lru_cache(maxsize=4096)  # some more than a text in Chinese has
def _spell(character: str) -> str:
    """Return what stands for one character."""
    if character in _SPELLINGS:
        return _SPELLINGS[character]
    parts = [_spell_part(part) for part in unicodedata.normalize("NFKD", character)]
    # A syllable in a script of its own is one unknown character, of however many parts.
    return "".join(parts) if any(part not in ("", _UNKNOWN) for part in parts) else max(parts)


def _spell_part(part: str) -> str:
    if " " <= part <= "~" or part == "\t":
        return part
    if part in _SPELLINGS:
        return _SPELLINGS[part]
    return "" if unicodedata.category(part) in _INVISIBLE else _UNKNOWN
