"""What lies over what: the users file below, what people told us above.

A status or a plan that was told remembers what the file said at that moment, and holds
until the file says something else. Those that no longer hold are taken out, so reading is
one look-up in each layer. Nothing here waits, and nothing here is kept anywhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from trio_finger.protocol.profile import Profile
from trio_finger.store import Dropped, Field, Told
from trio_finger.usermap._file import FileLayer
from trio_finger.usermap._part import MASK, Part
from trio_finger.usermap._status import Status

_NO_PROFILE: Final = Profile()

# How many statuses that were asked for are at hand, so that they need not be put together
# anew. They take some two megabytes, and the garbage collector a millisecond.
_AT_HAND: Final = 16_384


class Layers:
    """Everybody's status and profile, by folded name.

    Args:
      clock: tells the time (UTC).
      may_hide: the file can hide users.

    Attributes:
      told: what was told, by what it is; only `put` changes it.
      file: what the users file says; only `edit` changes it.
      at_hand: what holds for some of those who were asked for, and has no end.
    """

    def __init__(self, clock: Callable[[], datetime], *, may_hide: bool) -> None:
        self.file = FileLayer()
        self._parts = self.file.parts
        self.at_hand: dict[str, Status] = {}
        self._statuses: dict[str, Told] = {}
        self._plans: dict[str, Told] = {}
        self.told: Mapping[Field, dict[str, Told]] = {
            "status": self._statuses,
            "plan": self._plans,
        }
        self._partial = True
        self._may_hide = may_hide
        self._clock = clock

    @property
    def partial(self) -> bool:
        """Whether the file may say more than is known: it is still to be read, or has faults."""
        return self._partial

    @partial.setter
    def partial(self, partial: bool) -> None:
        self._partial = partial
        self.at_hand.clear()

    # Reading

    def status(self, key: str) -> Status | None:
        """Return what holds for *key*, hidden or not; ``None`` for nobody."""
        told = self._statuses.get(key)
        # What has ended is over this moment, even if nobody has taken it back yet.
        if told is not None and told.until is not None and told.until <= self._clock():
            told = None
        return self._over_file(key, told)

    def _over_file(self, key: str, told: Told | None) -> Status | None:
        if told is not None:
            name = self.file.name(key) or told.name
            return Status(name, told.text, told.since, told.until)
        listed = self.file.status(key)
        if listed is None and (plan := self._plans.get(key)) is not None:
            return Status(plan.name, "", plan.since)
        return listed

    def visible(self, key: str) -> Status | None:
        """Return what holds for *key*; ``None`` for nobody, and for the hidden."""
        return None if self.is_hidden(key) else self.status(key)

    def look_up(self, key: str) -> Status | None:
        """Return the same, and have it at hand the next time."""
        named = key in self._parts[hash(key) & MASK].texts
        if not named and key not in self._statuses and key not in self._plans:
            return None  # a name that nobody has is asked for often enough
        status = self.visible(key)
        if status is not None and status.until is None:
            if len(self.at_hand) >= _AT_HAND:
                self.at_hand.clear()
            self.at_hand[key] = status
        return status

    def announced(self, key: str) -> Status | None:
        """Return what subscribers hear of *key*: that a status is over once it is taken back."""
        return None if self.is_hidden(key) else self._over_file(key, self._statuses.get(key))

    def is_hidden(self, key: str) -> bool:
        """Whether *key* exists for themselves and the operator alone, as far as is known."""
        if self._may_hide and self._partial and key not in self.file:
            # It named them when they set something, and may still, with more to say.
            return any(key in layer and layer[key].over is not None for layer in self.told.values())
        profile = self.file.profile(key)
        return profile is not None and profile.hidden

    def is_plain(self, key: str, new: Part) -> bool:
        """Whether nothing was told of *key*, and no profile is there or in *new*."""
        return not (
            self._parts[hash(key) & MASK].profiles
            or new.profiles
            or key in self._statuses
            or key in self._plans
        )

    def profile(self, key: str) -> Profile:
        """Return the profile of *key*, with the plan that holds; an empty one for the hidden."""
        if self.is_hidden(key):
            return _NO_PROFILE
        profile = self.file.profile(key) or _NO_PROFILE
        told = self._plans.get(key)
        return profile if told is None else replace(profile, plan=told.text)

    def said(self, key: str, field: Field) -> str | None:
        """Return what the file says there; ``None`` if it does not name that user."""
        text = self.file.text(key)
        if text is None or field == "status":
            return text
        return (self.file.profile(key) or _NO_PROFILE).plan

    def outdated(self, key: str, new: Part) -> list[Dropped]:
        """Return what is over for *key* if *new* is what the file says."""
        line = new.line(key)
        said: Mapping[Field, str | None] = {
            "status": None if line is None else line.text,
            "plan": None if line is None else (line.profile or _NO_PROFILE).plan,
        }
        return [
            Dropped(told.name, field)
            for field, layer in self.told.items()
            if (told := layer.get(key)) is not None and told.over != said[field]
        ]

    # Writing

    def put(self, key: str, writes: Iterable[Told | Dropped]) -> None:
        """Take over *writes* for *key*, which are kept by now."""
        for write in writes:
            if isinstance(write, Told):
                self.told[write.field][key] = write
            else:
                self.told[write.field].pop(key, None)
        self.at_hand.pop(key, None)

    def edit(self, key: str, new: Part) -> None:
        """Have the file say of *key* what *new* says, if anything."""
        self.file.take(key, new)
        self.at_hand.pop(key, None)
