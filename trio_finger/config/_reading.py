"""What every reader of values needs: texts, lists of them, and words for what is wrong.

All raise `ValueError` for what is no such thing.
"""

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def read_list(value: object, parse: Callable[[str], _T], example: str) -> tuple[_T, ...]:
    """Return the texts of a list, each as *parse* reads it; *example* is a text of the kind."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise expected(f'a list of texts, such as ["{example}"]', value)
    return tuple(parse(item) for item in value)


def read_string(value: object) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise expected("a text in quotes", value)
    return value


def read_line(value: object) -> str:
    """Return a text of characters that can be seen."""
    text = read_string(value)
    if not text.isprintable():
        raise expected("a text of printable characters", text)
    return text


def expected(what: str, value: object) -> ValueError:
    """Say what would be right, and show *value* as TOML writes it."""
    return ValueError(f"expected {what}, got {_show(value)}")


def _show(value: object) -> str:
    match value:
        case str():
            return f'"{value}"'
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_show, value))}]"
        case dict():
            return "a table"
        case _:
            return str(value)
