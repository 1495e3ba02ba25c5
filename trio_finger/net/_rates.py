"""How often each source may come: a bucket of tokens for everybody, in a bounded table."""

from collections import OrderedDict
from ipaddress import IPv6Address

from trio_finger.protocol.rate import Rate

# Sources that are remembered. Somebody who has more addresses than this is not held up by
# a limit on each; at some 150 bytes a source the table has 10 MB at most.
MAX_SOURCES = 65_536

_NETWORK = (2**64 - 1) << 64  # of IPv6: one host may have all 2**64 addresses of it


class Rates:
    """A token bucket for every source.

    A full bucket holds `Rate.count` tokens and is filled at the same rate. What is kept of
    it is one number: when it will be full again (the generic cell rate algorithm, as in
    ITU-T I.371). A bucket that is full is as good as one never heard of, and is dropped.
    """

    def __init__(self, rate: Rate) -> None:
        self._interval = rate.interval
        self._patience = rate.seconds - rate.interval
        # In the order of their last token.
        self._full_at: OrderedDict[str | int, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, host: str, now: float) -> bool:
        """Take a token of *host*, an IP address, at *now*; return whether there was one."""
        source = _network(host) if ":" in host else host
        full_at = self._full_at.pop(source, now)
        if full_at < now:
            full_at = now
        taken = full_at - now <= self._patience
        self._full_at[source] = full_at + self._interval if taken else full_at
        self._forget(now)
        return taken

    def _forget(self, now: float) -> None:
        """Drop the oldest two, if nothing is lost with them: more go than there come new."""
        for _ in range(2):
            oldest = next(iter(self._full_at))  # there is one: it was just put there
            if self._full_at[oldest] > now and len(self._full_at) <= MAX_SOURCES:
                return
            del self._full_at[oldest]


def _network(host: str) -> int | str:
    """Return the network of an IPv6 address; of an IPv4 one in its clothes, that."""
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return int(address) & _NETWORK
