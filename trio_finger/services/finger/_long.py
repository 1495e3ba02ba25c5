"""The long form of an answer: all that there is to say about a user (RFC 1288, 2.5.2)."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from trio_finger.config import Finger
from trio_finger.protocol.columns import pad
from trio_finger.protocol.profile import Profile
from trio_finger.usermap import Status

_MIDDLE = 40  # the column of a terminal where the right half begins

# Characters in a line of a plan; what is longer becomes several. Plans that people set are
# shorter, but what a program prints may be one line of a megabyte.
_LONGEST = 4096


def long_lines(
    status: Status, profile: Profile, config: Finger, spell: Callable[[str], str]
) -> Iterator[str]:
    """Yield the lines about one user; what there is nothing to say of is left out.

    All that the list shows is here too, and whole: the age as the time since when, and the
    full name of whoever has one. Whoever has none is known by their login alone.

    Args:
      status: who it is, and what they are up to.
      profile: who they are besides.
      config: what may be said.
      spell: writes a line of text with the characters that the client knows.
    """
    yield _halves(f"Login: {spell(status.name)}", "Name: ", spell(profile.full_name))
    shown = config.fields
    if status.text and "status" in shown:
        yield f"Status: {spell(status.text)}"
    since = f"Since: {_time(status.since)}" if "since" in shown else ""
    until = _time(status.until) if "until" in shown else ""
    if since or until:
        yield _halves(since, "Until: ", until)
    if "web" in shown:
        for link in profile.links:
            yield f"Web: {spell(link)}"
    if profile.project and "project" in shown:
        yield f"Project: {spell(profile.project)}"
    if config.plan:
        yield "Plan:" if profile.plan else "No Plan."
        if profile.plan:
            yield from map(spell, plan_lines(profile.plan))


def plan_lines(plan: str) -> Iterator[str]:
    """Yield the lines of *plan*, each when it is asked for, so that it may have megabytes."""
    start = 0
    while True:
        end = plan.find("\n", start, start + _LONGEST + 1)
        if end >= 0:
            yield plan[start:end]
            start = end + 1
        elif len(plan) - start > _LONGEST:
            yield plan[start : start + _LONGEST]
            start += _LONGEST
        else:
            yield plan[start:]
            return


def join_blocks(blocks: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of all *blocks*, with an empty one between two."""
    for count, block in enumerate(blocks):
        if count:
            yield ""
        yield from block


def _halves(left: str, label: str, value: str) -> str:
    """Put what there is to say on the right where a terminal has its middle."""
    if not (left and value):
        return left or f"{label}{value}"
    return f"{pad(left, _MIDDLE - 1)} {label}{value}"


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else ""
