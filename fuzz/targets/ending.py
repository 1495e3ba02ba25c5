"""When a status ends: refused, or in the future, in UTC, and the same written out."""

import os
import time
from datetime import UTC, datetime, timedelta

from fuzz.inputs import as_text, choose
from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.usermap._ending import describe_ending, parse_ending

_FARTHEST = timedelta(days=3653)
# Written out, so that no database of time zones is needed.
_ZONES = ("UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+14>-14", "<-12>12")
# Some of them just before clocks are put forward or back somewhere.
_NOWS = (
    datetime(2026, 11, 20, 23, 15, tzinfo=UTC),
    datetime(2027, 3, 28, 0, 15, tzinfo=UTC),
    datetime(2027, 10, 31, 0, 59, 59, 999999, tzinfo=UTC),
    datetime(2027, 3, 14, 6, 30, tzinfo=UTC),
    datetime(2028, 2, 29, 12, 0, tzinfo=UTC),
)


def check(data: bytes) -> None:
    """Any text is refused by `ValueError`, or is an end within ten years; at any time, anywhere."""
    text = as_text(data)
    os.environ["TZ"] = _ZONES[choose(data, len(_ZONES), b"zone")]
    time.tzset()
    now = _NOWS[choose(data, len(_NOWS), b"now")]
    assert parse_ending(None, None, now) is None
    for lasts, until in ((text, None), (None, text)):
        try:
            end = parse_ending(lasts, until, now)
        except ValueError:
            continue
        assert end is not None
        assert end.tzinfo is UTC
        assert now < end <= now + _FARTHEST
        assert is_clean(describe_ending(end))
        assert parse_ending(None, end.isoformat(" "), now) == end


TARGET = Target(
    check,
    seeds=(
        *(b"17:30", b"2:30", b"2026-11-21 17:30", b"2027-10-31T02:30:59.5", b"2027-03-28 02:30"),
        *(b"2026-11-21 17:30+01:00", b"2027-W12-3", b"90m", b"3653d", b"0001-01-01"),
        b"9999-12-31 23:59:59.999999-12:00",
    ),
    tokens=(b"2027-", b"2026-11-2", b"T", b"Z", b"+14:00", b"-23:59:59.999999", b":30", b"W"),
    max_len=64,
)
