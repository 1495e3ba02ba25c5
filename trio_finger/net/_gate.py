"""Who is let in at a door, and what the others are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from structlog.typing import FilteringBoundLogger

from trio_finger.config import Network
from trio_finger.counts import Counts
from trio_finger.net._damper import Damper
from trio_finger.net._rates import Rates
from trio_finger.protocol.address import parse_ip
from trio_finger.protocol.rate import Rate

# Why a connection is not served. They are labels of a metric.
Refusal = Literal["connections", "rate", "network", "proxy", "descriptors", "tls", "slow"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a door takes.

    Attributes:
      connections: how many are served at once.
      rate: how many one source may make.
      allow: the networks that are served; empty for all.
      deny: those that are not, whatever `allow` says.
      proxies: the networks whose connections have to begin with a PROXY header.
      words: what those are told, over a plain connection, who are refused for a reason.
    """

    connections: int
    rate: Rate | None = None
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    words: Mapping[Refusal, bytes] = field(default_factory=dict)


class Gate:
    """One door's limits at work.

    Args:
      limits: what they are.
      counts: the door's numbers.
      log: is told who was refused, without being flooded.

    Attributes:
      limits: the same.
      counts: the same.
      damper: the log.
      has_proxies: whether anybody may be a proxy.
    """

    def __init__(self, limits: Limits, counts: Counts, log: FilteringBoundLogger) -> None:
        self.limits = limits
        self.counts = counts
        self.damper = Damper(log)
        self._rates = Rates(limits.rate) if limits.rate is not None else None
        self._has_networks = bool(limits.allow or limits.deny)
        self.has_proxies = bool(limits.proxies)

    def is_proxy(self, host: str | None) -> bool:
        """Whether connections from *host* have to name their real source."""
        return self.has_proxies and is_in(host, self.limits.proxies)

    def refuse(self, host: str | None, now: float) -> Refusal | None:
        """Count one who comes from *host*, and say why that one is not served, if so.

        Args:
          host: an IP address; ``None`` where there is none, as on a UNIX socket.
          now: the time, by Trio's clock.
        """
        if host is not None:
            if self._has_networks and not self._is_allowed(host):
                return self._refused("network", host)
            if self._rates is not None and not self._rates.take(host, now):
                return self._refused("rate", host)
        return None

    def is_full(self, host: str | None) -> bool:
        """Whether nobody more can be served; if so, one from *host* counts as refused."""
        if self.counts.open < self.limits.connections:
            return False
        self._refused("connections", host)
        return True

    def enter(self, *, accepted_already: bool = False) -> None:
        """Count a connection that is being served from now on."""
        self.counts.accepted += not accepted_already
        self.counts.open += 1

    def leave(self) -> None:
        """Count its end."""
        self.counts.open -= 1

    def cut(self, why: Refusal, event: str, **values: object) -> None:
        """Count a connection that was let in and not served to its end, and log *event*."""
        self.counts.refused[why] += 1
        self.damper.say(self.damper.log.info, event, **values)

    def fault(self, fault: BaseException, peer: str) -> None:
        """Count and log what is wrong with our own code."""
        self.counts.faults += 1
        self.damper.say(
            self.damper.log.exception, "fault in a connection", peer=peer, exc_info=fault
        )

    def note_exhausted(self, error: OSError) -> None:
        """Count an attempt to accept for which the system lacked something."""
        self.counts.refused["descriptors"] += 1
        self.damper.say(self.damper.log.error, "cannot accept", reason=error.strerror)

    def _is_allowed(self, host: str) -> bool:
        limits = self.limits
        return not is_in(host, limits.deny) and (not limits.allow or is_in(host, limits.allow))

    def _refused(self, reason: Refusal, host: str | None) -> Refusal:
        self.counts.refused[reason] += 1
        say, peer = self.damper.log.warning, host or "?"
        match reason:
            case "network":
                self.damper.say(say, "network not allowed", peer=peer)
            case "rate":
                self.damper.say(say, "too many from one source", peer=peer)
            case _:
                limit = self.limits.connections
                self.damper.say(say, "too many connections", peer=peer, limit=limit)
        return reason


def is_in(host: str | None, networks: tuple[Network, ...]) -> bool:
    """Whether *host*, an IP address, is in one of *networks*."""
    if host is None:
        return False
    address = parse_ip(host)
    return any(address in network for network in networks)
