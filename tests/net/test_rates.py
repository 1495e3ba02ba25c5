"""How often each source may come: as a bucket of tokens would have it, in a bounded table."""

import sys
from fractions import Fraction
from ipaddress import IPv6Address
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_finger.net._rates import MAX_SOURCES, Rates
from trio_finger.protocol.rate import Rate

HOST, OTHER = "192.0.2.7", "192.0.2.8"


def take(rates: Rates, host: str, now: float, count: int) -> int:
    """Take *count* tokens of *host* at *now*; return how many there were."""
    return sum(rates.take(host, now) for _ in range(count))


@pytest.mark.parametrize("rate", [Rate(20, 1), Rate(1, 1), Rate(3, 1), Rate(7, 60), Rate(90, 3600)])
@pytest.mark.parametrize("clock", [0, 12_345.678, 543_210.987, 8_765_432.1])
def test_burst(rate: Rate, clock: float) -> None:
    """As many as the rate has may come at one moment, and not one more, whatever the time is."""
    for number in range(50):
        rates = Rates(rate)
        assert take(rates, HOST, clock + number * 0.37, rate.count + 5) == rate.count


@given(count=st.integers(1, 100), clock=st.floats(0, 10_000_000))
def test_any_burst(count: int, clock: float) -> None:
    """The same for any number and at any time."""
    assert take(Rates(Rate(count, 1)), HOST, clock, count + 5) == count


class Bucket:
    """What a token bucket is: tokens come in steadily, to a limit; fractions do not round."""

    def __init__(self, rate: Rate) -> None:
        self.size = rate.count
        self.per_second = Fraction(rate.count, rate.seconds)
        self.tokens = Fraction(rate.count)
        self.at = Fraction(0)

    def take(self, now: float) -> bool | None:
        """Take a token; ``None`` where a billionth of one decides, which floats cannot tell."""
        self.tokens += (Fraction(now) - self.at) * self.per_second
        self.tokens = min(self.tokens, Fraction(self.size))
        self.at = Fraction(now)
        if abs(self.tokens - 1) < Fraction(1, 10**6):
            return None
        return self.settle(taken=self.tokens >= 1)

    def settle(self, *, taken: bool) -> bool:
        """Say what became of the last one."""
        self.tokens -= taken
        return taken


rates = st.builds(Rate, st.integers(1, 30), st.sampled_from([1, 60, 3600]))
waits = st.lists(st.just(0.0) | st.floats(0, 5) | st.integers(0, 100).map(float), max_size=100)


@given(rate=rates, waits=waits, clock=st.floats(0, 1_000_000))
@example(rate=Rate(2, 1), waits=[0.0, 0.0, 0.0, 0.5, 0.0, 2.0, 0.0, 0.0, 0.0], clock=0.0)
def test_as_a_token_bucket(rate: Rate, waits: list[float], clock: float) -> None:
    """T26: whoever comes, at any times, is let in as often as a token bucket would let them in."""
    table, bucket = Rates(rate), Bucket(rate)
    for wait in waits:
        clock += wait
        expected = bucket.take(clock)
        taken = table.take(HOST, clock)
        if expected is None:
            bucket.settle(taken=taken)
        else:
            assert taken is expected


@given(rate=rates, seed=st.integers(0, 2**32))
def test_in_the_long_run(rate: Rate, seed: int) -> None:
    """T26: one who never stops asking gets the rate, whatever the pattern."""
    random = Random(seed)
    table, now, taken = Rates(rate), 0.0, 0
    while now < 5 * rate.seconds:
        taken += table.take(HOST, now)
        now += random.uniform(0, rate.interval / 5)
    assert 4.5 * rate.count <= taken <= 6 * rate.count + 1


def test_refused_ones_cost_no_token() -> None:
    """Whoever knocks on in vain is let in as soon as one who waits."""
    table = Rates(Rate(2, 1))
    assert take(table, HOST, 100.0, 2) == 2
    assert not any(table.take(HOST, 100 + 0.49 * step / 100) for step in range(100))
    assert table.take(HOST, 100.51)
    assert not table.take(HOST, 100.52)


def test_others_have_their_own() -> None:
    """T26: one source that is refused takes nothing from any other."""
    table = Rates(Rate(5, 1))
    assert take(table, HOST, 1.0, 1000) == 5
    assert take(table, OTHER, 1.0, 1000) == 5
    assert take(table, "2001:db8::1", 1.0, 1000) == 5
    assert take(table, HOST, 1.1, 1000) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:0:1::1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("::ffff:c000:207", "192.0.2.7", True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        ("::1", "127.0.0.1", False),
        ("192.0.2.7", "192.0.2.8", False),
    ],
)
def test_t26_what_a_source_is(one: str, other: str, same: bool) -> None:
    """T26: IPv6 counts by /64, of which one host has all; wrapped IPv4 is that address."""
    table = Rates(Rate(1, 1))
    assert table.take(one, 1.0)
    assert table.take(other, 1.0) is not same


def test_t26_a_network_of_addresses() -> None:
    """T26: all the addresses of one /64 share one bucket, and one place in the table."""
    random, table = Random(26), Rates(Rate(10, 1))
    network = int(IPv6Address("2001:db8::"))
    hosts = (str(IPv6Address(network + random.randrange(2**64))) for _ in range(2000))
    assert sum(table.take(host, 1.0) for host in hosts) == 10
    assert len(table) == 1


def test_t26_bounded() -> None:
    """T26: however many sources there are, no more are remembered than `MAX_SOURCES`.

    That are some megabytes; and whoever came last is remembered, with what is left to them.
    """
    random, table = Random(26), Rates(Rate(1, 3600))
    most = 0
    for number in range(MAX_SOURCES + 5000):
        bits = random.getrandbits(128)
        host = str(IPv6Address(bits)) if number % 2 else f"10.{bits % 256}.{number >> 8}.{number}"
        table.take(host, 1.0)
        most = max(most, len(table))
    assert most == len(table) == MAX_SOURCES
    assert not table.take(host, 1.0)
    size = sys.getsizeof(table._full_at) + MAX_SOURCES * (24 + 64)
    assert size < 20 * 1024 * 1024


def test_t26_who_is_forgotten() -> None:
    """T26: when the table is full, whoever has been away for longest is forgotten, nobody else."""
    table = Rates(Rate(1, 3600))
    hosts = [
        f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(MAX_SOURCES)
    ]
    for host in hosts:
        assert table.take(host, 1.0)
    assert not table.take(hosts[0], 2.0)  # refused, but not away
    assert table.take("192.0.2.1", 3.0)
    assert table.take("192.0.2.2", 3.0)
    assert len(table) == MAX_SOURCES
    assert not table.take(hosts[0], 4.0)
    assert not table.take(hosts[3], 4.0)
    assert table.take(hosts[1], 4.0)  # as if for the first time


@pytest.mark.parametrize("clock", [0.0, 1.0, 2.0**20, 2.0**25, 2.0**40])
def test_the_highest_rate_on_an_old_machine(clock: float) -> None:
    """Where a token takes less time than the clock can tell, it is no limit, and no fault."""
    table = Rates(Rate(999_999_999, 1))
    assert take(table, HOST, clock, 100) == 100
