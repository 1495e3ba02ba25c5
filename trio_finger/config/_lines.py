"""On which line of a TOML text a key stands; `tomllib` itself does not say."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any, TypeAlias

# The path to a key: the names of tables, and the number, from 0, of a table in a list.
Key: TypeAlias = tuple[str | int, ...]


def find_lines(text: str, paths: Iterable[Key]) -> dict[Key, int]:
    """Return the number, from 1, of the line on which the key at each of *paths* begins.

    The first lines of a TOML text are a TOML text themselves unless they end within
    a value. So a key is in what the shortest such beginning that knows it added
    to the one before. That reads the text once a line: fine for a configuration,
    and only done to report faults. A key that is nowhere is on line 1.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    found = dict.fromkeys(paths, 1)
    missing = set(found)
    begins = 0
    for count in range(1, len(lines) + 1):
        if not missing:
            break
        try:
            document = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        known = {path for path in missing if _has(document, path)}
        found |= dict.fromkeys(known, begins + 1)
        missing -= known
        begins = count
    return found


def error_line(error: tomllib.TOMLDecodeError) -> tuple[int | None, str]:
    """Take the line number out of the words of *error*: ``(line, the rest)``."""
    words = str(error)
    match = re.search(r" \(at line (\d+), column \d+\)$", words)
    return (int(match[1]), words[: match.start()]) if match else (None, words)


def _has(document: dict[str, Any], path: Key) -> bool:
    value: Any = document
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
