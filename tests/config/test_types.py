"""What each value of the configuration may be, and the words for what it may not."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.config import Network
from trio_finger.config._types import Natural, Nick, StoreUrl, read_value
from trio_finger.protocol.address import Address, Listen, UnixAddress
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.rate import Rate

BASE = Path("/etc/trio-finger")

Places = tuple[Listen, ...]
Networks = tuple[Network, ...]
Choice = Literal["console", "json"]
Limit = Rate | None


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
        (["h:1", "[::1]:2"], Places, (Address("h", 1), Address("::1", 2))),
        (["unix:run/s"], Places, (UnixAddress("/etc/trio-finger/run/s"),)),
        (["unix:/run/s", "h:1"], Places, (UnixAddress("/run/s"), Address("h", 1))),
        ([], Places, ()),
        ("memory:", StoreUrl, "memory:"),
        ("sqlite:trio-finger.db", StoreUrl, "sqlite:/etc/trio-finger/trio-finger.db"),
        ("sqlite:/var/lib/a b.db", StoreUrl, "sqlite:/var/lib/a b.db"),
        (0, Natural, 0),
        (1_000_000, Natural, 1_000_000),
        ([], Networks, ()),
        (
            ["192.0.2.0/24", "127.0.0.1", "2001:db8::/32"],
            Networks,
            (ip_network("192.0.2.0/24"), ip_network("127.0.0.1/32"), ip_network("2001:db8::/32")),
        ),
        ("20/s", Limit, Rate(20, 1)),
        ("off", Limit, None),
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
        ("h:79", Places, 'expected a list of texts, such as ["127.0.0.1:7079"], got "h:79"'),
        ([79], Places, 'expected a list of texts, such as ["127.0.0.1:7079"], got [79]'),
        (["h:1", "h"], Places, '"h" is not "HOST:PORT" or "[IPV6]:PORT"'),
        (["unix:"], Places, "the path of a UNIX socket is missing"),
        (["unix:a\0b"], Places, "an address has only printable characters"),
        (
            ["unix:" + "s" * 91],
            Places,
            "the path of a UNIX socket has at most 107 bytes, this one 108: "
            f'"/etc/trio-finger/{"s" * 91}"',
        ),
        ("redis:", StoreUrl, 'expected "sqlite:PATH" or "memory:", got "redis:"'),
        ("sqlite:", StoreUrl, 'expected "sqlite:PATH" or "memory:", got "sqlite:"'),
        ("memory:x", StoreUrl, 'expected "sqlite:PATH" or "memory:", got "memory:x"'),
        ("trio.db", StoreUrl, 'expected "sqlite:PATH" or "memory:", got "trio.db"'),
        (7, StoreUrl, "expected a text in quotes, got 7"),
        (-1, Natural, "expected a whole number from 0 to 1000000, got -1"),
        (1_000_001, Natural, "expected a whole number from 0 to 1000000, got 1000001"),
        (True, Natural, "expected a whole number from 0 to 1000000, got true"),
        ("0", Natural, 'expected a whole number from 0 to 1000000, got "0"'),
        (
            "192.0.2.0/24",
            Networks,
            'expected a list of texts, such as ["192.0.2.0/24"], got "192.0.2.0/24"',
        ),
        (
            ["192.0.2.1/24"],
            Networks,
            'expected a network such as "192.0.2.0/24"; 192.0.2.1/24 has host bits set',
        ),
        (
            ["localhost"],
            Networks,
            "expected a network such as \"192.0.2.0/24\"; 'localhost' does not appear to be an "
            "IPv4 or IPv6 network",
        ),
        (20, Limit, 'expected a rate such as "20/s", "600/m" or "off", got 20'),
        (False, Limit, 'expected a rate such as "20/s", "600/m" or "off", got false'),
        ("20", Limit, 'expected a rate such as "20/s", "600/m" or "off", got "20"'),
        (7, Nick, "expected a text in quotes, got 7"),
        ("xml", Choice, 'expected "console" or "json", got "xml"'),
        (["json"], Choice, 'expected "console" or "json", got ["json"]'),
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
SINGLE = (bool, int, str, Path, Duration, Limit, Address, StoreUrl, Natural, Nick, Choice)
kinds = st.sampled_from([*SINGLE, Places, Networks])


@given(values, kinds)
def test_any_value(value: object, kind: Any) -> None:
    """Any value that TOML can hold is read, or refused by a `ValueError` that has words."""
    try:
        read_value(value, kind, BASE)
    except ValueError as error:
        words = str(error)
        assert words
