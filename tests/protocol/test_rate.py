"""Rates as people write them, and the words for what is none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.rate import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "rate", "interval"),
    [
        ("20/s", Rate(20, 1), 0.05),
        ("600/m", Rate(600, 60), 0.1),
        ("1000/h", Rate(1000, 3600), 3.6),
        ("1/s", Rate(1, 1), 1.0),
        ("1/h", Rate(1, 3600), 3600.0),
        ("007/s", Rate(7, 1), 1 / 7),
        ("999999999/s", Rate(999_999_999, 1), 1 / 999_999_999),
    ],
)
def test_right(text: str, rate: Rate, interval: float) -> None:
    """A rate is so many in a second, a minute or an hour."""
    assert parse_rate(text) == rate
    assert rate.interval == interval


def test_off() -> None:
    """That there is no limit is a word, and none but this one."""
    assert parse_rate("off") is None


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "20", "/s", "20/", "s", "20/d", "20/S", "20/ s", " 20/s", "20/s\n", "20/s/s"),
        *("0/s", "000/m", "-1/s", "+1/s", "1.5/s", "1e3/s", "1_000/s", "1000000000/s"),
        *("OFF", "Off", "off ", "none", "\u0662\u0660/s", "\u00b2/s", "20\u2215s"),
    ],
)
def test_wrong(text: str) -> None:
    """What is no rate is refused in words that show some; no rate lets nobody in."""
    words = f'expected a rate such as "20/s", "600/m" or "off", got "{text}"'
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        parse_rate(text)


@given(st.integers(1, 999_999_999), st.sampled_from("smh"))
def test_any_rate(count: int, unit: str) -> None:
    """Every number of every unit is what it says."""
    rate = parse_rate(f"{count}/{unit}")
    assert rate is not None
    assert (rate.count, rate.seconds) == (count, {"s": 1, "m": 60, "h": 3600}[unit])
    assert rate.interval > 0


@given(texts("0129/smhof"))
def test_any_text(text: str) -> None:
    """Any text is a rate, none, or refused: there is no other exception."""
    try:
        rate = parse_rate(text)
    except ValueError:
        return
    assert rate is None or rate.count > 0
