"""What has to hold of every text that is let in or sent out, said apart from our own code."""

import unicodedata

_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def is_clean(text: str) -> bool:
    """Whether *text* has no control character but TAB, and none that hides or reorders.

    Noncharacters, such as U+FFFE, are not clean either: XML cannot hold them.
    """
    return (text.isascii() and text.isprintable()) or not any(map(_is_unsafe, text))


def is_encodable(text: str) -> bool:
    """Whether *text* can be written as UTF-8: it has no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _is_unsafe(character: str) -> bool:
    codepoint = ord(character)
    return (
        (unicodedata.category(character) in _UNSAFE and character != "\t")
        or codepoint & 0xFFFE == 0xFFFE
        or 0xFDD0 <= codepoint <= 0xFDEF
    )
