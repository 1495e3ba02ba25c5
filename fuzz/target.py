"""What a target is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What is tried with any input, and what to begin with.

    Attributes:
      check: takes any bytes; whatever it raises is a finding.
      seeds: inputs of the kind that is expected, from which others are made.
      tokens: what means something to the parser, and is hardly found by chance.
      max_len: the longest input, in bytes. Longer ones take longer, so it is little more
        than what it takes to reach the parser's own bounds.
    """

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...] = ()
    max_len: int = 2048
