"""Durations and rates: refused, or just what the digits say."""

import math
from decimal import Decimal

from fuzz.inputs import as_text
from fuzz.target import Target
from trio_finger.protocol.duration import parse_duration
from trio_finger.protocol.rate import parse_rate

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS = {"ms": Decimal("0.001")} | {unit: Decimal(size) for unit, size in _SECONDS.items()}


def check(data: bytes) -> None:
    """Only `ValueError` says no, and what is taken is as long as it is written."""
    text = as_text(data)
    _check_duration(text)
    _check_rate(text)


def _check_duration(text: str) -> None:
    try:
        duration = parse_duration(text)
    except ValueError as error:
        assert str(error).startswith("expected a duration such as ")
        return
    digits = text.strip().rstrip("mshd")
    exact = Decimal(digits) * _UNITS[text.strip().removeprefix(digits)]
    assert duration > 0
    assert math.isclose(duration, exact, rel_tol=1e-12)


def _check_rate(text: str) -> None:
    try:
        rate = parse_rate(text)
    except ValueError as error:
        assert str(error).startswith("expected a rate such as ")
        return
    if rate is None:
        assert text == "off"
    else:
        assert rate.count > 0
        assert rate.interval > 0
        count, _, unit = text.partition("/")
        assert (rate.count, rate.seconds) == (int(count), _SECONDS[unit])


TARGET = Target(
    check,
    seeds=(b"30s", b" 1.5h\n", b"250ms", b"999999999.999999999d", b"0.0s", b"20/s", b"600/m"),
    tokens=(b"ms", b"off", b"/h", b"\xd9\xa1", b"0.000000001", b"\xc2\xa0"),
    max_len=64,
)
