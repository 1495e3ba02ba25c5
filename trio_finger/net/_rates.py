"""How often each source may come: a bucket of tokens for everybody, in a bounded table."""

from collections import OrderedDict
from typing import Final

from trio_finger.protocol.address import parse_ip
from trio_finger.protocol.rate import Rate

# Sources that are remembered. Somebody who has more addresses than this is not held up by
# a limit on each; at some 200 bytes a source the table has 13 MB at most.
MAX_SOURCES: Final = 65_536

_SECOND: Final = 1_000_000_000  # nanoseconds: whole numbers add up, whatever the time is
_NETWORK: Final = (2**64 - 1) << 64  # of IPv6: one host may have all 2**64 addresses of it


class Rates:
    """A token bucket for every source.

    A full bucket holds `Rate.count` tokens and is filled at the same rate. What is kept of
    it is one number: when it will be full again (the generic cell rate algorithm, as in
    ITU-T I.371). When the table is full, whoever has been away for longest is forgotten.
    """

    def __init__(self, rate: Rate) -> None:
        self._interval = rate.seconds * _SECOND // rate.count
        self._patience = self._interval * (rate.count - 1)
        # In the order of their last token.
        self._full_at: OrderedDict[str | int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, host: str, now: float) -> bool:
        """Take a token of *host*, an IP address; return whether there was one.

        Args:
          host: who asks.
          now: the time in seconds, by any clock that does not go back.
        """
        source = _network(host) if ":" in host else host
        moment = int(now * _SECOND)
        full_at = self._full_at.pop(source, moment)
        if full_at < moment:
            full_at = moment
        taken = full_at - moment <= self._patience
        self._full_at[source] = full_at + self._interval if taken else full_at
        if len(self._full_at) > MAX_SOURCES:
            self._full_at.popitem(last=False)
        return taken


def _network(host: str) -> int | str:
    """Return the network of an IPv6 address; of an IPv4 one in its clothes, that."""
    ip = parse_ip(host)
    return str(ip) if ip.version == 4 else int(ip) & _NETWORK
