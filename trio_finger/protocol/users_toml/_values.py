"""What the keys of a user's table may hold, and what is shown of what they may not."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from trio_finger.protocol.text import TextError, clean, escape, is_safe, parse_plan, parse_status

MAX_TEXT = 256  # bytes of a full name, and of a project
MAX_LINK = 2048  # bytes
MAX_LINKS = 32


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise TextError(f"expected a text in quotes, got {describe(value)}")
    return value


def _read_line(value: object) -> str:
    text = _read_text(value).strip()
    if "\n" in text:
        raise TextError("expected one line")
    return text


def _read_title(value: object) -> str:
    title = clean(_read_line(value)).strip()
    if len(title.encode()) > MAX_TEXT:
        raise TextError(f"longer than {MAX_TEXT} bytes")
    return title


def _read_status(value: object) -> str:
    text = _read_line(value)
    return parse_status(text) if clean(text).strip() else ""


def _read_plan(value: object) -> str:
    return parse_plan(_read_text(value))


def _read_links(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        got = describe(value)
        raise TextError(f'expected a list, such as ["https://example.org/"], got {got}')
    if len(value) > MAX_LINKS:
        raise TextError(f"more than {MAX_LINKS} links")
    return tuple(map(_read_link, value))


def _read_link(value: object) -> str:
    link = _read_text(value)
    if len(link.encode()) > MAX_LINK:
        raise TextError(f"a link is longer than {MAX_LINK} bytes")
    if not all(is_safe(character) and not character.isspace() for character in link):
        raise TextError(f'"{show(link)}": a link cannot hold blanks or control characters')
    try:
        whole = link.startswith(("http://", "https://")) and bool(urlsplit(link).hostname)
    except ValueError:  # brackets without an address between them, say
        whole = False
    if not whole:
        raise TextError(f'"{show(link)}": expected http:// or https:// and a host')
    return link


def _read_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TextError(f"expected true or false, got {describe(value)}")
    return value


READERS: Mapping[str, Callable[[object], object]] = {
    "full_name": _read_title,
    "status": _read_status,
    "plan": _read_plan,
    "project": _read_title,
    "links": _read_links,
    "hidden": _read_switch,
    "webfinger": _read_switch,
}


def describe(value: object) -> str:
    match value:
        case str():
            return f'"{show(value)}"'
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time"


def show(text: str) -> str:
    if len(text) > 64:
        text = f"{text[:64]}\N{HORIZONTAL ELLIPSIS}"
    return text if text.isascii() and text.isprintable() else escape(text)
