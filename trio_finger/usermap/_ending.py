"""When a status ends: from what people say to a point in time, and back.

A time without a zone is one of the daemon's time zone, which is why every answer that
names an end names its zone, too.
"""

import re
from datetime import UTC, datetime, time, timedelta

from trio_finger.protocol.duration import parse_duration

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_FARTHEST = timedelta(days=3653)


def parse_ending(lasts: str | None, until: str | None, now: datetime) -> datetime | None:
    """Return the point in time (UTC) that *lasts* or *until* speaks of, if either does.

    Args:
      lasts: a duration, such as ``30m``.
      until: ``17:30``, the next time that clocks here say so; ``2026-11-21 17:30``; or
        that with seconds, or with an offset such as ``+01:00``.
      now: the time from which both are seen.

    Raises:
      ValueError: it is no such text, or not in the future, or years ahead.
    """
    if lasts is not None:
        end = now + timedelta(seconds=min(parse_duration(lasts), 2 * _FARTHEST.total_seconds()))
    elif until is not None:
        end = _parse_until(until.strip(), now)
    else:
        return None
    if end <= now:
        raise ValueError(f"{describe_ending(end)} is not in the future")
    if end > now + _FARTHEST:
        raise ValueError("the end is more than ten years ahead; leave it out instead")
    return end


def describe_ending(end: datetime) -> str:
    """Return *end* as people here read it: in the time zone of this machine."""
    return f"{end.astimezone():%Y-%m-%d %H:%M %Z}"


def _parse_until(text: str, now: datetime) -> datetime:
    try:
        if (match := _TIME.fullmatch(text)) is None:
            # By way of the time here, since whatever is said of it is said in that.
            return datetime.fromisoformat(text).astimezone().astimezone(UTC)
        today = now.astimezone().date()
        hour, minute = int(match[1]), int(match[2])
        # Where clocks are put back they say so twice.
        ends = (
            datetime.combine(day, time(hour, minute, fold=fold)).astimezone(UTC)
            for day in (today, today + timedelta(days=1))
            for fold in (0, 1)
        )
        return next(end for end in ends if end > now)
    except (ValueError, OverflowError, StopIteration):
        raise ValueError(
            f'expected a time such as "17:30" or "2026-11-21 17:30", got "{text}"'
        ) from None
