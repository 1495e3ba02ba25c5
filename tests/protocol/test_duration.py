"""Lengths of time, as people write them."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.duration import Duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("0.5s", 0.5),
        ("007s", 7),
        # Somebody may type it.
        (" 30m\t", 1800),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration is a number and a unit, and blanks around them do not count."""
    duration = parse_duration(text)
    assert duration == pytest.approx(seconds)
    assert isinstance(duration, Duration)


NO_DURATIONS = ["", "s", "30", "30 s", "-1s", "+1s", "1e3s", ".5s", "5.s", "1h30m", "30S", "1w"]
NO_DURATIONS += ["infs", "nans", "0s", "0.0h", "٣s", "1_000s", "0x1s", "30s30s", "30s\0", "3\n0s"]


@pytest.mark.parametrize("text", NO_DURATIONS)
def test_no_duration(text: str) -> None:
    """What is no duration, or none at all, is refused with an example of one."""
    with pytest.raises(
        ValueError, match=r'^expected a duration such as "30s", "5m" or "1h", got "'
    ):
        parse_duration(text)


numbers = st.from_regex(r"[0-9]{1,30}(\.[0-9]{1,30})?(ms|s|m|h|d)", fullmatch=True)


@given(texts("0123456789.smhd") | numbers)
@example("9" * 400 + "s")
@example("1" + "0" * 308 + "d")
@example(f"0.{'0' * 322}1ms")
def test_any_duration(text: str) -> None:
    """Whatever is taken for a duration is longer than nothing and comes to an end."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        words = str(error)
        assert words.startswith("expected a duration")
    else:
        assert 0 < seconds < math.inf


@given(st.integers(1, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]))
def test_every_number_and_unit(number: int, unit: tuple[str, float]) -> None:
    """A duration is its number times its unit."""
    assert parse_duration(f"{number}{unit[0]}") == pytest.approx(number * unit[1])
