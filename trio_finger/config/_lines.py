"""On which line of a TOML text a key stands; `tomllib` itself does not say."""

import re
import tomllib
from collections.abc import Sequence
from typing import Any


def find_line(text: str, path: Sequence[str]) -> int:
    """Return the number, from 1, of the line on which the key at *path* begins.

    The first lines of a TOML text are a TOML text themselves unless they end within
    a value. So the key is in what the shortest such beginning that knows it added
    to the one before. That reads the text once a line: fine for a configuration,
    and only done to report a fault.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    begins = 0
    for count in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _has(document, path):
            return begins + 1
        begins = count
    return 1


def error_line(error: tomllib.TOMLDecodeError) -> tuple[int | None, str]:
    """Take the line number out of the words of *error*: ``(line, the rest)``."""
    words = str(error)
    match = re.search(r" \(at line (\d+), column \d+\)$", words)
    return (int(match[1]), words[: match.start()]) if match else (None, words)


def _has(document: dict[str, Any], path: Sequence[str]) -> bool:
    value: Any = document
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True
