"""Lengths of time as people write them: ``"30s"``, ``"1.5h"``."""

import re

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(float):
    """A time in seconds, written ``"30s"``, ``"5m"``, ``"1h"``."""


def parse_duration(text: str) -> Duration:
    """Parse ``"30s"``, ``"1.5h"``; the units are ms, s, m, h and d.

    Raises:
      ValueError: *text* is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(f'expected a duration such as "30s", "5m" or "1h", got "{text}"')
    return Duration(float(match[1]) * _UNITS[match[2]])
