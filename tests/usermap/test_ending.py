"""When a status ends: what people say, in the time zone of the machine, and how it is said back."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.usermap import describe_ending
from trio_finger.usermap._ending import parse_ending

# Written out, so that no database of time zones is needed.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
KOLKATA = "IST-5:30"
KIRITIMATI = "<+14>-14"
BAKER_ISLAND = "<-12>12"
ZONES = ["UTC0", BERLIN, NEW_YORK, KOLKATA, KIRITIMATI, BAKER_ISLAND]

NOW = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
FARTHEST = timedelta(days=3653)


@contextmanager
def zone(name: str) -> Iterator[None]:
    """Have the machine be in a time zone."""
    before = os.environ.get("TZ")
    try:
        os.environ["TZ"] = name
        time.tzset()
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def until(text: str, now: datetime = NOW) -> datetime:
    """Return the end that *text* names."""
    end = parse_ending(None, text, now)
    assert end is not None
    return end


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_no_end() -> None:
    """Who says nothing of an end gets none."""
    assert parse_ending(None, None, NOW) is None


@pytest.mark.parametrize(
    ("lasts", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("1.5h", timedelta(minutes=90)),
        ("90m", timedelta(minutes=90)),
        (" 2d ", timedelta(days=2)),
        ("1ms", timedelta(milliseconds=1)),
        ("3653d", FARTHEST),
    ],
)
def test_lasts(lasts: str, length: timedelta) -> None:
    """A duration counts from now."""
    assert parse_ending(lasts, None, NOW) == NOW + length


@pytest.mark.parametrize(
    ("name", "text", "end"),
    [
        ("UTC0", "23:30", "2026-11-20 23:30"),
        ("UTC0", "23:16", "2026-11-20 23:16"),
        ("UTC0", "23:15", "2026-11-21 23:15"),
        ("UTC0", "23:14", "2026-11-21 23:14"),
        ("UTC0", "00:00", "2026-11-21 00:00"),
        ("UTC0", "0:00", "2026-11-21 00:00"),
        ("UTC0", "9:05", "2026-11-21 09:05"),
        ("UTC0", " 17:30\n", "2026-11-21 17:30"),
        # It is fifteen past midnight there.
        (BERLIN, "00:15", "2026-11-21 23:15"),
        (BERLIN, "00:16", "2026-11-20 23:16"),
        (BERLIN, "17:30", "2026-11-21 16:30"),
        (BERLIN, "23:59", "2026-11-21 22:59"),
        # It is a quarter past six in the evening there.
        (NEW_YORK, "18:16", "2026-11-20 23:16"),
        (NEW_YORK, "18:15", "2026-11-21 23:15"),
        (NEW_YORK, "00:00", "2026-11-21 05:00"),
        (KOLKATA, "17:30", "2026-11-21 12:00"),
        (KIRITIMATI, "13:15", "2026-11-21 23:15"),
        (KIRITIMATI, "13:16", "2026-11-20 23:16"),
        (BAKER_ISLAND, "11:16", "2026-11-20 23:16"),
    ],
)
def test_time(name: str, text: str, end: str) -> None:
    """A time of day is the next one that clocks here show, today or tomorrow."""
    with zone(name):
        assert until(text) == utc(end)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-11-21 17:30", "2026-11-21 16:30"),
        ("2026-11-21T17:30", "2026-11-21 16:30"),
        ("2026-11-21 17:30:59", "2026-11-21 16:30:59"),
        ("2026-11-21 17:30:59.5", "2026-11-21 16:30:59.500000"),
        ("2026-11-21 17:30+01:00", "2026-11-21 16:30"),
        ("2026-11-21 17:30-08:00", "2026-11-22 01:30"),
        ("2026-11-21T17:30Z", "2026-11-21 17:30"),
        ("2026-11-21 17:30:59+05:30", "2026-11-21 12:00:59"),
        ("2026-11-22", "2026-11-21 23:00"),
        ("2027-07-01 12:00", "2027-07-01 10:00"),
    ],
)
def test_date(text: str, end: str) -> None:
    """A date and a time are of the zone here, as it is on that day, or of one that they name."""
    with zone(BERLIN):
        assert until(text) == utc(end)


@pytest.mark.parametrize(
    "text",
    ["2026-11-20 23:15Z", "2026-11-20 23:14:59Z", "2026-11-20", "1970-01-01", "0001-01-03 00:00Z"],
)
@pytest.mark.parametrize("name", ZONES)
def test_past(text: str, name: str) -> None:
    """An end that is not in the future is refused, and named as it was understood."""
    with zone(name):
        now = NOW + timedelta(hours=13)  # in every zone
        with pytest.raises(ValueError, match=r"^\d+-\d\d-\d\d \d\d:\d\d \S+ is not in the future$"):
            parse_ending(None, text, now)


def test_no_time_at_all() -> None:
    """What lasts for less than can be told is over, and no status."""
    with pytest.raises(ValueError, match="not in the future"):
        parse_ending("0.0000001ms", None, NOW)
    with pytest.raises(ValueError, match="expected a duration"):
        parse_ending("0s", None, NOW)


@pytest.mark.parametrize(
    ("lasts", "text"),
    [
        ("3653.000001d", None),
        ("999999999d", None),
        ("999999999.999999999d", None),
        ("100000h", None),
        (None, "2036-11-21 00:00Z"),
        (None, "9999-01-01"),
        (None, "9999-12-30 23:59:59.999999+00:00"),
    ],
)
@pytest.mark.parametrize("name", ZONES)
def test_too_far(name: str, lasts: str | None, text: str | None) -> None:
    """More than ten years ahead, be it as far as numbers go, is refused in words."""
    with zone(name), pytest.raises(ValueError, match="more than ten years ahead"):
        parse_ending(lasts, text, NOW)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "soon", "tomorrow", "24:00", "17:60", "17:3", "17", "1730", "17:30:00", "-1:30"),
        *("17:30Z", "5pm", "5:30 pm", "99:99", "٠٩:٣٠", "30m", "1e9", "nan", "9" * 5000),
        *("2026-13-01", "2026-02-30 12:00", "2026-11-21 25:00", "0000-01-01", "10000-01-01"),
        *("2026-11-21 17:30+25:00", "2026-11-21 17:30+", "21.11.2026 17:30", "\0", "\udcff17:30"),
    ],
)
def test_no_ending(text: str) -> None:
    """What is neither a time nor a date is refused, with what would be right."""
    with pytest.raises(ValueError, match=re.escape('expected a time such as "17:30" or "20')):
        parse_ending(None, text, NOW)


@pytest.mark.parametrize(
    "text", ["0001-01-01 00:00Z", "9999-12-31 23:59Z", "9999-12-31 23:59-14:00"]
)
@pytest.mark.parametrize("name", ZONES)
def test_ends_of_time(name: str, text: str) -> None:
    """A date that does not exist in some zone is refused like any other in the past or too far."""
    with zone(name), pytest.raises(ValueError, match=r"expected|not in the future|ten years"):
        parse_ending(None, text, NOW)


@pytest.mark.parametrize("text", ["", "soon", "30", "m", "-5m", "1e3s", "1h30m", "9" * 5000 + "d"])
def test_no_duration(text: str) -> None:
    """What is no duration is refused, with what would be right."""
    with pytest.raises(ValueError, match=re.escape('expected a duration such as "30s"')):
        parse_ending(text, None, NOW)


# Where clocks are put forward or back


def test_hour_that_is_left_out() -> None:
    """A time that clocks skip is one just before or after the gap, and tomorrow itself again."""
    with zone(BERLIN):
        before, after = utc("2027-03-28 00:30"), utc("2027-03-28 01:30")
        now = utc("2027-03-28 00:15")  # 01:15; from 02:00 clocks go to 03:00
        assert until("02:30", now) in (before, after)
        assert until("2027-03-28 02:30", now) in (before, after)
        assert until("03:30", now) == after
        assert until("02:30", after) == utc("2027-03-29 00:30")


def test_hour_that_comes_twice() -> None:
    """A time that clocks show twice is the next one of both."""
    with zone(BERLIN):
        first, second = utc("2027-10-31 00:30"), utc("2027-10-31 01:30")
        for text in ("02:30", "2027-10-31 02:30"):
            assert until(text, first - timedelta(minutes=1)) == first
        assert until("02:30", first) == second
        assert until("02:30", second - timedelta(minutes=1)) == second
        assert until("02:30", second) == utc("2027-11-01 01:30")
        assert describe_ending(first) == "2027-10-31 02:30 CEST"
        assert describe_ending(second) == "2027-10-31 02:30 CET"


# Any text, at any time, anywhere

times = st.builds("{}:{:02}".format, st.integers(0, 30), st.integers(0, 70))
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23))
zones = st.none() | st.builds(timezone, offsets)
dates = st.builds(
    lambda moment, separator, spec: moment.isoformat(separator, spec),
    st.datetimes(timezones=zones) | st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(["T", " "]),
    st.sampled_from(["minutes", "seconds", "auto"]),
)
nows = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(text=times | dates | texts("0123456789:-+TWZ. "), now=nows, name=st.sampled_from(ZONES))
@example(text="0001-01-01", now=NOW, name=BERLIN)
@example(text="0001-01-01 00:00+14:00", now=NOW, name=NEW_YORK)
@example(text="9999-12-31 23:59-12:00", now=NOW, name=KIRITIMATI)
@example(text="2026-11-21\ud80017:30", now=NOW, name="UTC0")
def test_any_until(text: str, now: datetime, name: str) -> None:
    """Any text is refused or an end in the future, in UTC, that can be said in words."""
    with zone(name):
        try:
            end = until(text, now)
        except ValueError:
            return
        assert end.tzinfo is UTC
        assert now < end <= now + FARTHEST
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d \S+", describe_ending(end))


@given(st.integers(0, 23), st.integers(0, 59), nows, st.sampled_from(ZONES))
def test_any_time(hour: int, minute: int, now: datetime, name: str) -> None:
    """Any time of the day is one within the next day or so, and clocks then show it."""
    with zone(name):
        end = until(f"{hour}:{minute:02}", now)
        assert timedelta() < end - now <= timedelta(hours=25)
        here = end.astimezone()
        skipped = here.utcoffset() != (end - timedelta(hours=1)).astimezone().utcoffset()
        assert (here.hour, here.minute) == (hour, minute) or skipped


@given(st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)", fullmatch=True), nows)
def test_any_duration(text: str, now: datetime) -> None:
    """Any duration is refused or an end in the future."""
    try:
        end = parse_ending(text, None, now)
    except ValueError:
        return
    assert end is not None
    assert end.tzinfo is UTC
    assert now < end <= now + FARTHEST


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(ZONES))
def test_described_is_understood(moment: datetime, name: str) -> None:
    """What is said of an end names that minute, in the zone that it names."""
    with zone(name):
        end = moment.replace(tzinfo=UTC)
        said, _, name_of_zone = describe_ending(end).rpartition(" ")
        here = end.astimezone()
        assert said == f"{here:%Y-%m-%d %H:%M}"
        assert name_of_zone == here.tzname()
