"""Sizes as people write them: ``"64KiB"``, ``"1MiB"``."""

import re

_SIZE = re.compile(r"([0-9]{1,9})(B|KiB|MiB|GiB)", re.ASCII)
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Size(int):
    """A number of bytes, written ``"512B"``, ``"64KiB"``, ``"1MiB"``."""


def parse_size(text: str) -> Size:
    """Parse ``"64KiB"``; the units are B, KiB, MiB and GiB, each 1,024 of the one before.

    Raises:
      ValueError: *text* is something else, or nothing at all.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ValueError(f'expected a size such as "512B", "64KiB" or "1MiB", got "{text}"')
    return Size(int(match[1]) * _UNITS[match[2]])
