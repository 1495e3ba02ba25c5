"""What lies over what: the users file below, what people told us above.

A status or a plan that was told remembers what the file said at that moment, and holds
until the file says something else. Those that no longer hold are taken out, so reading is
one look-up in each layer. Nothing here waits, and nothing here is kept anywhere.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from trio_finger.protocol.profile import Profile
from trio_finger.store import Dropped, Field, Told
from trio_finger.usermap._status import Status

_NO_PROFILE = Profile()

ToldLayers = Mapping[Field, dict[str, Told]]


class Layers:
    """Everybody's status and profile, by folded name.

    Args:
      told: what was told, by what it is.
      clock: tells the time (UTC).
      file: what the users file says they are up to.
      profiles: what it says of them besides, of those of whom it says something.
      partial: it may say more than is known here: it is still to be read, or has faults.
      may_hide: it can hide users.
    """

    def __init__(
        self,
        told: ToldLayers,
        clock: Callable[[], datetime],
        file: Mapping[str, Status],
        profiles: Mapping[str, Profile],
        *,
        partial: bool,
        may_hide: bool,
    ) -> None:
        self.told = told
        self.file = file
        self.profiles = profiles
        self._partial = partial
        self._may_hide = may_hide
        self._clock = clock
        self._statuses = told["status"]
        self._plans = told["plan"]

    def over(
        self, file: Mapping[str, Status], profiles: Mapping[str, Profile], *, partial: bool
    ) -> "Layers":
        """Return what was told over another file."""
        return Layers(
            self.told, self._clock, file, profiles, partial=partial, may_hide=self._may_hide
        )

    def status(self, key: str) -> Status | None:
        """Return what holds for *key*, hidden or not; ``None`` for nobody."""
        told = self._statuses.get(key)
        # What has ended is over this moment, even if nobody has taken it back yet.
        if told is not None and told.until is not None and told.until <= self._clock():
            told = None
        return self._over_file(key, told)

    def _over_file(self, key: str, told: Told | None) -> Status | None:
        listed = self.file.get(key)
        if told is not None:
            return Status(listed.name if listed else told.name, told.text, told.since, told.until)
        if listed is None and (plan := self._plans.get(key)) is not None:
            return Status(plan.name, "", plan.since)
        return listed

    def visible(self, key: str) -> Status | None:
        """Return what holds for *key*; ``None`` for nobody, and for the hidden."""
        return None if self.is_hidden(key) else self.status(key)

    def announced(self, key: str) -> Status | None:
        """Return what subscribers hear of *key*: that a status is over once it is taken back."""
        return None if self.is_hidden(key) else self._over_file(key, self._statuses.get(key))

    def is_hidden(self, key: str) -> bool:
        """Whether *key* exists for themselves and the operator alone, as far as is known."""
        if self._may_hide and self._partial and key not in self.file:
            # It named them when they set something, and may still, with more to say.
            return any(key in layer and layer[key].over is not None for layer in self.told.values())
        profile = self.profiles.get(key)
        return profile is not None and profile.hidden

    def profile(self, key: str) -> Profile:
        """Return the profile of *key*, with the plan that holds; an empty one for the hidden."""
        if self.is_hidden(key):
            return _NO_PROFILE
        profile = self.profiles.get(key, _NO_PROFILE)
        told = self._plans.get(key)
        return profile if told is None else replace(profile, plan=told.text)

    def said(self, key: str, field: Field) -> str | None:
        """Return what the file says there; ``None`` if it does not name that user."""
        listed = self.file.get(key)
        if listed is None:
            return None
        return listed.text if field == "status" else self.profiles.get(key, _NO_PROFILE).plan

    def everybody(self) -> list[str]:
        """Return the keys of all whom the layers name, sorted."""
        return sorted(self.file.keys() | self._statuses.keys() | self._plans.keys())

    def count(self) -> int:
        """Return how many users are there for everybody."""
        besides = self._statuses.keys() | self._plans.keys()
        hidden = sum(profile.hidden for profile in self.profiles.values())
        others = sum(key not in self.file and self.visible(key) is not None for key in besides)
        return len(self.file) + others - hidden

    def outdated(self) -> dict[str, list[Dropped]]:
        """Return what was told over something that the file no longer says, by user."""

        def is_unknown(key: str) -> bool:
            return self._partial and key not in self.file

        found: dict[str, list[Dropped]] = {}
        for field, layer in self.told.items():
            for key, told in layer.items():
                if told.over != self.said(key, field) and not is_unknown(key):
                    found.setdefault(key, []).append(Dropped(told.name, field))
        return found

    def put(self, key: str, writes: Iterable[Told | Dropped]) -> None:
        """Take over *writes* for *key*, which are kept by now."""
        for write in writes:
            if isinstance(write, Told):
                self.told[write.field][key] = write
            else:
                self.told[write.field].pop(key, None)
