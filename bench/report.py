"""What was measured, as tables for people, and beside the goals."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal, and what came of it.

    Attributes:
      key: its number in the list of goals.
      what: what is measured, against what.
      measured: what it came to.
      bound: what it must come to.
      unit: of both.
      at_least: whether it must be no less than the bound, and not no more.
    """

    key: str
    what: str
    measured: float
    bound: float
    unit: str = "x"
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is as it must be."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def row(self) -> list[str]:
        """Return it as a row of a table."""
        word = "at least" if self.at_least else "at most"
        measured = f"{_number(self.measured)} {self.unit}".strip()
        bound = f"{word} {self.bound:,g} {self.unit}".strip()
        return [self.key, self.what, measured, bound, "yes" if self.is_met else "**no**"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@dataclass(slots=True)
class Section:
    """One measurement.

    Attributes:
      title: its headline.
      lines: what there is to say, in Markdown.
      goals: those that it is about.
    """

    title: str
    lines: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def say(self, *lines: str) -> None:
        """Add a paragraph, or a table."""
        self.lines += [*lines, ""]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table in Markdown that can also be read as it is; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(head), line(rule), *map(line, rows)]


def goals_table(goals: Sequence[Goal]) -> list[str]:
    """Return *goals* as a table."""
    return table(["goal", "what", "measured", "must be", "met"], [goal.row() for goal in goals])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios, each of what was measured in the same round."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def render(section: Section) -> str:
    """Return *section* as Markdown."""
    goals = [*goals_table(section.goals), ""] if section.goals else []
    return "\n".join([f"## {section.title}", "", *section.lines, *goals])
