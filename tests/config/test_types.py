"""What each value of the configuration may be, and the words for what it may not."""

import math
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.config import parse_duration
from trio_finger.config._types import Duration, Nick, StoreUrl, read_value
from trio_finger.protocol.address import Address

BASE = Path("/etc/trio-finger")

Addresses = tuple[Address, ...]
Choice = Literal["console", "json"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (True, bool, True),
        (1, int, 1),
        ("finger.example.org", str, "finger.example.org"),
        ("users", Path, BASE / "users"),
        ("../users", Path, BASE / "../users"),
        ("/srv/users", Path, Path("/srv/users")),
        ("30s", Duration, 30.0),
        ("127.0.0.1:79", Address, Address("127.0.0.1", 79)),
        (["h:1", "[::1]:2"], Addresses, (Address("h", 1), Address("::1", 2))),
        ("memory:", StoreUrl, "memory:"),
        ("fingerbot", Nick, "fingerbot"),
        ("json", Choice, "json"),
    ],
)
def test_right(value: object, kind: Any, expected: object) -> None:
    """A value of the right kind is read as what the program uses."""
    assert read_value(value, kind, BASE) == expected


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("true", bool, 'expected true or false, got "true"'),
        (1, bool, "expected true or false, got 1"),
        ("10", int, 'expected a whole number of 1 or more, got "10"'),
        (0, int, "expected a whole number of 1 or more, got 0"),
        (-1, int, "expected a whole number of 1 or more, got -1"),
        (1.5, int, "expected a whole number of 1 or more, got 1.5"),
        (True, int, "expected a whole number of 1 or more, got true"),
        ("", str, 'expected a text in quotes, got ""'),
        (False, str, "expected a text in quotes, got false"),
        ({"a": 1}, Path, "expected a text in quotes, got a table"),
        ("", Path, 'expected a text in quotes, got ""'),
        (30, Duration, 'expected a duration such as "30s", "5m" or "1h", got 30'),
        ("30", Duration, 'expected a duration such as "30s", "5m" or "1h", got "30"'),
        ("h", Address, '"h" is not "HOST:PORT" or "[IPV6]:PORT"'),
        (79, Address, 'expected "HOST:PORT", got 79'),
        ("h:79", Addresses, 'expected a list such as ["127.0.0.1:7079"], got "h:79"'),
        ([79], Addresses, 'expected "HOST:PORT", got 79'),
        (["h:1", "h"], Addresses, '"h" is not "HOST:PORT" or "[IPV6]:PORT"'),
        (
            [],
            Addresses,
            "name at least one address, or leave the section out to turn it off",
        ),
        ("redis:", StoreUrl, 'expected "memory:", got "redis:"'),
        (7, Nick, "expected a text in quotes, got 7"),
        ("xml", Choice, 'expected "console" or "json", got "xml"'),
        (["json"], Choice, 'expected "console" or "json", got [\'json\']'),
    ],
)
def test_wrong(value: object, kind: Any, words: str) -> None:
    """The words for a wrong value say what would be right, and show it as TOML writes it."""
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        read_value(value, kind, BASE)


@pytest.mark.parametrize("text", ["finger bot", "7bot", "bot\r\nQUIT", "b" * 500])
def test_wrong_nick(text: str) -> None:
    """A nick that could not be one on any server is refused."""
    with pytest.raises(ValueError, match=" nick"):
        read_value(text, Nick, BASE)


def test_path_with_nul() -> None:
    """A path that no file can have is refused here, and not met by whoever opens it."""
    with pytest.raises(ValueError, match=r"^expected "):
        read_value("us\0ers", Path, BASE)


values = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.datetimes()
    | st.dates()
    | st.times()
    | texts(":[]0179sm./"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts(max_size=5), inner, max_size=2)
    ),
    max_leaves=5,
)
kinds = st.sampled_from(
    [bool, int, str, Path, Duration, Address, Addresses, StoreUrl, Nick, Choice]
)


@given(values, kinds)
def test_any_value(value: object, kind: Any) -> None:
    """Any value that TOML can hold is read, or refused by a `ValueError` that has words."""
    try:
        read_value(value, kind, BASE)
    except ValueError as error:
        words = str(error)
        assert words


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
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration is a number and a unit."""
    assert parse_duration(text) == pytest.approx(seconds)


NO_DURATIONS = ["", "s", "30", "30 s", "-1s", "+1s", "1e3s", ".5s", "5.s", "1h30m", "30S", "1w"]
NO_DURATIONS += ["infs", "nans", "0s", "0.0h", "٣s", "1_000s", "0x1s", "30s30s", "30s\0"]


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
