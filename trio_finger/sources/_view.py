"""The user map with what sources said of some names laid under it."""

import heapq
from collections.abc import Iterator, Mapping

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import fold
from trio_finger.sources._asked import Verdict
from trio_finger.usermap import Status, UnavailableError, UserMap


class View:
    """Whom one question is answered from, a `Reader`.

    Args:
      users: who is there by what was set, and by the users file.
      said: what sources said of the names that were asked for, by folded name.
      services: who is listed besides the users, by folded name; their details are titles.
    """

    def __init__(
        self, users: UserMap, said: Mapping[str, Verdict], services: Mapping[str, Status]
    ) -> None:
        self._users = users
        self._said = said
        self._services = services

    def get(self, name: str) -> Status | None:
        """Return what *name* is up to; ``None`` for no such user.

        Raises:
          UnavailableError: only a source could say that, and it failed.
        """
        key = fold(name)
        # A service comes before whoever has taken its name.
        known = None if key in self._services else self._users.get(name)
        verdict = self._said.get(key)
        if verdict is None or (known is not None and known.text):
            return known
        found = verdict.found
        if found is None:
            if verdict.failed and known is None:
                raise UnavailableError
            return known
        assert found.since is not None  # whoever asked has seen to that
        details = found.profile.plan if found.whole else ""
        spelled = known.name if known is not None else name
        return Status(spelled, found.text, found.since, details=details)

    def profile(self, name: str) -> Profile:
        """Return what the users file says of *name*, and a source where that says nothing."""
        key = fold(name)
        own = Profile() if key in self._services else self._users.profile(name)
        verdict = self._said.get(key)
        if verdict is None or verdict.found is None:
            service = self._services.get(key)
            return own if service is None else Profile(full_name=service.details)
        said = verdict.found.profile
        return Profile(
            full_name=own.full_name or said.full_name,
            plan=own.plan or said.plan,
            project=own.project or said.project,
            links=own.links or said.links,
        )

    def named(self, word: str, limit: int) -> list[Status]:
        """Return those in whose full name *word* is a word; see `UserMap.named`."""
        return self._users.named(word, limit)

    def __len__(self) -> int:
        return len(self._users) + len(self._services)

    def __iter__(self) -> Iterator[Status]:
        """Iterate over users and services, in the order of their folded names."""
        if not self._services:
            return iter(self._users)
        services = [self._services[key] for key in sorted(self._services)]
        people = (user for user in self._users if fold(user.name) not in self._services)
        return heapq.merge(people, services, key=lambda status: fold(status.name))
