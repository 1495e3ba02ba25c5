"""From the doors' counts to the metrics that Prometheus knows.

Every label is one of a few words of ours: no name, address or text of anybody's is one, or
there would be a time series for whatever strangers think of.
"""

import platform
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, get_args

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from trio_finger import __version__
from trio_finger.counts import DOORS, Counts
from trio_finger.net import Refusal
from trio_finger.sources import Directory

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# A series that begins with the first refusal has no increase by it. So all of them are there
# from the beginning, at every door with a gate; the IRC bot lets nobody in.
_NO_REFUSALS: Final = {
    door: dict.fromkeys(get_args(Refusal), 0) if door != "irc" else {} for door in DOORS
}


def make_registry(doors: Mapping[str, Counts], directory: Directory) -> CollectorRegistry:
    """Return a registry of our own, with what *doors* and this process have done.

    Args:
      doors: the counts of each door, by its name.
      directory: knows how many users there are for everybody, and what sources said.
    """
    registry = CollectorRegistry()
    registry.register(_Numbers(doors, directory))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class _Numbers(Collector):
    def __init__(self, doors: Mapping[str, Counts], directory: Directory) -> None:
        self._doors = doors
        self._directory = directory

    def collect(self) -> "Iterator[Metric]":
        """Yield the numbers as they are now."""
        yield InfoMetricFamily(
            "trio_finger",
            "What is running.",
            value={"version": __version__, "python": platform.python_version()},
        )
        users = len(self._directory.users)
        yield GaugeMetricFamily("trio_finger_users", "Users for everybody.", value=users)
        accepted = CounterMetricFamily(
            "trio_finger_connections", "Connections that were let in.", labels=["door"]
        )
        served = GaugeMetricFamily(
            "trio_finger_connections_open", "Connections that are open.", labels=["door"]
        )
        faults = CounterMetricFamily(
            "trio_finger_faults", "Connections that a fault of ours ended.", labels=["door"]
        )
        answered = CounterMetricFamily(
            "trio_finger_answers", "Answers, by their kind.", labels=["door", "kind"]
        )
        refused = CounterMetricFamily(
            "trio_finger_refused",
            "Connections that were not let in, or were cut, by reason.",
            labels=["door", "reason"],
        )
        for door, counts in self._doors.items():
            accepted.add_metric([door], counts.accepted)
            served.add_metric([door], counts.open)
            faults.add_metric([door], counts.faults)
            for kind, count in counts.answered.items():
                answered.add_metric([door, kind], count)
            for reason, count in (_NO_REFUSALS.get(door, {}) | counts.refused).items():
                refused.add_metric([door, reason], count)
        said = CounterMetricFamily(
            "trio_finger_source_answers",
            "What sources said that were asked, by what came of it.",
            labels=["source", "result"],
        )
        for (source, result), count in self._directory.answers.items():
            said.add_metric([source, result], count)
        yield from (accepted, served, faults, answered, refused, said)
