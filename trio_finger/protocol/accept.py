"""Which form of an answer a web client wants (RFC 9110, section 12.5.1)."""

import re
from enum import Enum
from typing import Final


class Form(Enum):
    """A form that an answer can have; the value is its media type."""

    HTML = "text/html"
    JSON = "application/json"
    TEXT = "text/plain"


# Clients for the terminal, which take anything and show it as it is.
_TERMINAL: Final = re.compile(r"(curl|wget|httpie|xh|fetch)\b", re.ASCII | re.IGNORECASE)

_RANGE: Final = re.compile(
    r"[ \t]*(?P<type>[\w!#$&^.+-]+|\*)/(?P<subtype>[\w!#$&^.+-]+|\*)[ \t]*(?P<rest>(;.*)?)",
    re.ASCII,
)
_WEIGHT: Final = re.compile(r";[ \t]*q=(?P<weight>[01](\.[0-9]{0,3})?)[ \t]*(;|$)", re.IGNORECASE)

_LONGEST: Final = 1000  # characters of a header that are looked at; browsers send some 150


def choose_form(accept: str, agent: str) -> Form:
    """Return the form that suits a client best.

    Where it likes several the same, as those do that send ``*/*`` or nothing, it is a page;
    for a client of the terminal it is plain text. So it is where it would take none of them,
    since something is better than an error (RFC 9110, 12.4.1).

    Args:
      accept: its ``Accept``; empty for none.
      agent: its ``User-Agent``.
    """
    first = Form.TEXT if _TERMINAL.match(agent) else Form.HTML
    forms = [first, *(form for form in Form if form is not first)]
    ranges = _parse_ranges(accept[:_LONGEST])
    if not ranges:
        return first
    return max(forms, key=lambda form: _rank(form.value, ranges))


def _parse_ranges(accept: str) -> dict[str, float]:
    """Return the weight of each media range, in their order; what is none is passed over."""
    ranges: dict[str, float] = {}
    for item in accept.split(","):
        if (match := _RANGE.fullmatch(item)) is None:
            continue
        weight = _WEIGHT.search(match["rest"])
        media_range = f"{match['type']}/{match['subtype']}".lower()
        ranges[media_range] = min(float(weight["weight"]), 1) if weight else 1
    return ranges


def _rank(media_type: str, ranges: dict[str, float]) -> tuple[float, int, int]:
    """Return what is greater for what a client likes better.

    The weight of the most specific range comes first. Of equal weights, who names something
    likes that better than who takes anything; and what is named first, better than the rest.
    """
    general = media_type.partition("/")[0] + "/*"
    for specificity, media_range in ((2, media_type), (1, general), (0, "*/*")):
        if media_range in ranges:
            # What it will not have is worse than what it does not name.
            weight = ranges[media_range] or -1
            return weight, specificity, -list(ranges).index(media_range)
    return 0, 0, 0
