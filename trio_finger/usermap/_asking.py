"""From what somebody asks for to what has to be kept for it, or to a refusal."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import escape, fold, parse_name, parse_plan, parse_status
from trio_finger.store import Dropped, Field, Told
from trio_finger.usermap._caller import Caller
from trio_finger.usermap._ending import parse_ending
from trio_finger.usermap._layers import Layers

# How much may be set at one time. Who may set at all may set anybody's, and must still
# not fill the memory: a status has a kilobyte at most, a plan 16.
MAX_TOLD: Final[dict[Field, int]] = {"status": 1_000_000, "plan": 10_000}


class RefusedError(Exception):
    """A status may not be set or cleared; ``str()`` of it says why, fit to show."""


class DeniedError(RefusedError):
    """It may not be set by this caller."""


@dataclass(slots=True, eq=False)
class Ask:
    """What one caller waits for.

    Attributes:
      name: the user, and `key` the folded name.
      status: what to set; empty to clear it, ``None`` to leave it.
      plan: the same for the plan.
      until: when the status ends.
      by: who asks.
      settled: it has been kept, or `error` says why not.
    """

    name: str
    key: str
    status: str | None
    plan: str | None
    until: datetime | None
    by: Caller
    settled: bool = False
    error: Exception | None = None


def understand(request: SetRequest, by: Caller, now: datetime) -> Ask:
    """Check what can be checked of *request* by itself.

    Raises:
      RefusedError: it makes no sense.
      DeniedError: *by* may not set that user's status.
    """
    try:
        name = parse_name(request.name)
        if not by.may_set(fold(name)):
            raise DeniedError(f"you may not set the status of {name}")
        return Ask(
            name,
            fold(name),
            parse_status(request.status) if request.status else request.status,
            None if request.plan is None else parse_plan(request.plan),
            parse_ending(request.lasts, request.until, now),
            by,
        )
    except ValueError as error:
        raise RefusedError(escape(str(error))) from None  # it may quote what was asked for


def is_secret(ask: Ask, layers: Layers) -> bool:
    """Whether whoever asks must not learn that there is such a user."""
    return layers.is_hidden(ask.key) and not ask.by.knows(ask.key)


def decide(ask: Ask, layers: Layers, *, create: bool, now: datetime) -> list[Told | Dropped]:
    """Return what has to be kept for *ask*, given what there is.

    Raises:
      RefusedError: what there is does not allow it.
    """
    key = ask.key
    before = None if is_secret(ask, layers) else layers.status(key)
    if ask.status or ask.plan:
        if not create and (before is None or key not in layers.file):
            raise DeniedError("only users whom the users file names can be set")
    elif before is None:
        raise RefusedError("no such user")
    name = before.name if before is not None else ask.name
    texts: dict[Field, str | None] = {"status": ask.status, "plan": ask.plan}
    unseen = layers.is_hidden(key)
    return [
        _write(
            key,
            Told(name, text, now, layers.said(key, field), field, unseen=unseen),
            ask.until,
            layers,
        )
        for field, text in texts.items()
        if text or (text is not None and key in layers.told[field])
    ]


def _write(key: str, told: Told, until: datetime | None, layers: Layers) -> Told | Dropped:
    if not told.text:
        return Dropped(told.name, told.field)
    layer = layers.told[told.field]
    if key not in layer and len(layer) >= MAX_TOLD[told.field]:
        raise RefusedError(f"too many are set already: {len(layer)}")
    return replace(told, until=until) if told.field == "status" else told
