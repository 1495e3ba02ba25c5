"""What a name and a status may be: decoded once, cleaned once, on the way in.

Every door takes bytes from strangers. They become text here, and what comes out
is safe to keep and to show anywhere: a door only escapes for its own syntax.
"""

import re
import unicodedata

MAX_NAME = 64  # characters
MAX_STATUS = 1024  # bytes of UTF-8
MAX_PLAN = 16 * 1024  # bytes of UTF-8

# The longest text that NFC can shorten to MAX_NAME characters: it composes four into
# one at most. Normalizing takes time that grows with the square of a text's length,
# so nothing longer is ever normalized.
_MAX_SPELLED_NAME = 4 * MAX_NAME

# What is longer than this is no status with some control characters in it, and is not
# worth cleaning.
_MAX_RAW_STATUS = 4 * MAX_STATUS  # characters

# Characters that some door needs for itself: ``user@host``, ``/W`` and paths,
# ``name: status``, ``!finger name``, ``name,name``.
_RESERVED_IN_NAMES = "@/:!,"

# Control characters, format characters (bidi overrides, zero-width joiners, tags),
# surrogates, line and paragraph separators: they move the cursor, hide or reorder
# what stands beside them, or break a line in two.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


# Characters of other categories that nothing is seen of, or only a blank. They do no
# harm in a status; of two names that look alike, one is an impostor.
_INVISIBLE_IN_NAMES = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


# Not even as character references.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class TextError(ValueError):
    """A name or a status that cannot be one; ``str()`` of it is fit to show."""


def decode(data: bytes) -> str:
    """Decode *data* as UTF-8.

    Raises:
      TextError: it is not UTF-8. Guessing another encoding would keep text that
        its writer never wrote.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise TextError("not UTF-8 text") from None


def is_safe(character: str) -> bool:
    """Whether *character* may be shown anywhere: a terminal, a page, XML."""
    if character == "\t":
        return True
    # Noncharacters (U+FFFE and its like) have no category of their own, and XML
    # cannot hold them.
    codepoint = ord(character)
    noncharacter = codepoint & 0xFFFE == 0xFFFE or 0xFDD0 <= codepoint <= 0xFDEF
    return not noncharacter and unicodedata.category(character) not in _UNSAFE_CATEGORIES


def is_line(text: str) -> bool:
    """Whether *text* can stand in a line of words: all of it is safe, and it has no TAB."""
    return "\t" not in text and all(map(is_safe, text))


def clean(text: str) -> str:
    """Return *text* without the characters that could deceive or do harm."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(filter(is_safe, text))


def parse_status(text: str) -> str:
    """Return *text* as one line of clean text, without blanks around it.

    Raises:
      TextError: nothing is left of it, or more than `MAX_STATUS` bytes are.
    """
    status = clean(text[: _MAX_RAW_STATUS + 1]).strip()
    if not status:
        raise TextError("the status is empty")
    if len(text) > _MAX_RAW_STATUS or len(status.encode()) > MAX_STATUS:
        raise TextError(f"the status is longer than {MAX_STATUS} bytes")
    return status


def parse_plan(text: str) -> str:
    """Return *text* as the clean lines of a plan, LF between them, none empty at the end.

    Raises:
      TextError: it is longer than `MAX_PLAN` bytes.
    """
    if len(text) > MAX_PLAN or len(text.encode("utf-8", "surrogatepass")) > MAX_PLAN:
        raise TextError(f"the plan is longer than {MAX_PLAN} bytes")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(clean(line).rstrip() for line in lines).rstrip("\n")


def fit_for_xml(text: str) -> str:
    """Return *text* without the characters that no XML can hold (XML 1.0, section 2.2)."""
    return _NOT_XML.sub("", text)


def shorten(text: str, size: int) -> str:
    """Return as much of *text* as has *size* bytes of UTF-8 at most, without blanks at its end."""
    return text.encode()[:size].decode("utf-8", "ignore").rstrip()


def parse_name(text: str) -> str:
    """Return *text* as a user's name: NFC, 1 to `MAX_NAME` characters.

    A name is refused rather than cleaned: whoever asks for ``mo\u200bshez`` must
    not be answered for ``moshez``.

    Raises:
      TextError: it holds what no name may hold, or is empty or too long.
    """
    name = unicodedata.normalize("NFC", text[: _MAX_SPELLED_NAME + 1])
    if not name:
        raise TextError("the name is empty")
    if len(name) > MAX_NAME:
        raise TextError(f"the name is longer than {MAX_NAME} characters")
    for character in name:
        if character.isspace():
            raise TextError("a name cannot hold white space")
        if character in _RESERVED_IN_NAMES:
            raise TextError(f"a name cannot hold {character!r}")
        if not is_safe(character) or _INVISIBLE_IN_NAMES.match(character):
            raise TextError("a name cannot hold control or invisible characters")
    if name.startswith("#"):
        raise TextError("a name cannot begin with '#', as a comment in the users file does")
    if name in {".", ".."}:
        # A browser would ask for another page than this user's.
        raise TextError(f"{name!r} cannot be a name")
    return name


def fold(name: str) -> str:
    """Return the form under which *name* is compared: casefolded after NFC.

    ``fold(a) == fold(b)`` says that *a* and *b* are one user. What is longer than any
    spelling of a name is cut first.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFC", name[: _MAX_SPELLED_NAME + 1]).casefold()
    return unicodedata.normalize("NFC", folded)


def format_age(seconds: float) -> str:
    """Return *seconds* in the largest whole unit: ``5m``, ``3h``, ``12d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return "now"


def escape(text: str) -> str:
    """Return *text* on one line, with what is not safe in it as ``\\n``, ``\\x1b``, ``\\u202e``."""
    return "".join(
        character if is_line(character) else character.encode("unicode_escape").decode()
        for character in text.encode("utf-8", "replace").decode()
    )
