"""Everybody, as a list: all of it, or those whom a word finds, by name or by change.

There may be a million of them. So a list is made in turns with everybody else, and has an
end, at which it says how to get the rest.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, TypeAlias
from urllib.parse import urlencode

from trio_finger.protocol.accept import Form
from trio_finger.protocol.text import fold
from trio_finger.services.web._answer import BY_FORM
from trio_finger.services.web._long import Long
from trio_finger.services.web._pages import CONTENT_TYPES, NO_STATUS, Pages
from trio_finger.sources import Directory
from trio_finger.usermap import Pace, Reader, Status

Sort: TypeAlias = Literal["name", "change"]

_LENGTH: Final = 10_000  # of a list; as a page that is some four megabytes
_LONGEST_WORD: Final = 100  # characters that are looked for
_LONGEST_NAME: Final = 64  # characters, which is as long as names are

_EXAMPLES: Final = 100  # how many users are looked at to find one to show


@dataclass(frozen=True, slots=True)
class Selection:
    """Who is asked for.

    Attributes:
      word: is in the name, the full name or the status; empty for everybody.
      sort: what comes first: the first name, or the newest status.
      after: by name, only those after this one.
    """

    word: str = ""
    sort: Sort = "name"
    after: str = ""

    @staticmethod
    def parse(word: str, sort: str, after: str) -> "Selection":
        """Return what somebody asks for; what makes no sense is passed over."""
        return Selection(
            word.strip()[:_LONGEST_WORD],
            "change" if sort == "change" else "name",
            after[:_LONGEST_NAME],
        )

    def rest(self, last: str) -> str:
        """Return the query that asks for those after *last*."""
        return "?" + urlencode({"q": self.word, "after": last} if self.word else {"after": last})


async def tell_index(pages: Pages, selection: Selection, form: Form, url: str) -> Long:
    """Tell who is there.

    Args:
      pages: tells of users.
      selection: who is asked for.
      form: of the answer.
      url: our public address.
    """
    directory = pages.directory
    # Before the users are, so that who goes on from there misses nothing.
    last_change = directory.users.last_change
    async with pages.turns:  # a crowd of these would keep everybody else waiting
        found, more = await _select(directory.everybody, selection)
    users = _Listed(directory, found)
    by_name = selection.sort == "name"
    rest = f"{url}/{selection.rest(found[-1].name)}" if more and by_name else None
    del found
    match form:
        case Form.HTML:
            pieces = pages.render_pieces(
                "index.html",
                last_change=last_change,
                users=users,
                query=selection.word,
                sort=selection.sort,
                after=selection.after,
                part=more or bool(selection.after),
                next=rest,
                url=url,
                example=_example(users),
            )
        case Form.JSON:
            pieces = _members((pages.describe(user, url) for user in users), rest)
        case Form.TEXT:
            pieces = (f"{user.name}: {user.text or user.details or NO_STATUS}\n" for user in users)
    return Long(pieces, CONTENT_TYPES[form], (BY_FORM,), pages.turns)


class _Listed:
    """Who stands in a list: who is slow to read it shall not keep what everybody was up to.

    Args:
      directory: knows what they are up to.
      found: who they are.
    """

    def __init__(self, directory: Directory, found: Iterable[Status]) -> None:
        self._users = directory.users
        # A service, or a user without a status, is kept whole; of others there are many.
        self._entries = [status.name if status.text else status for status in found]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Status]:
        for entry in self._entries:
            status = self._users.get(entry) if isinstance(entry, str) else entry
            if status is not None:  # not gone meanwhile
                yield status


def _members(users: Iterable[Mapping[str, object]], rest: str | None) -> Iterator[str]:
    """Yield a JSON object of users."""
    separator = '{"users": ['
    for user in users:
        yield separator + json.dumps(user, ensure_ascii=False)
        separator = ", "
    opening = separator if separator != ", " else ""
    yield f'{opening}], "next": {json.dumps(rest)}}}\n'


async def find_newest(users: Reader, limit: int, word: str = "") -> list[Status]:
    """Return the newest statuses, the newest first.

    Args:
      users: who is there.
      limit: how many at most.
      word: is in their names, full names or statuses, casefolded.
    """
    pace = Pace()
    newest: list[tuple[float, int, Status]] = []
    for number, user in enumerate(users):
        await pace.did(2)
        if not word or _matches(word, user, users):
            # Of two at the same moment, the first comes first.
            add = heapq.heappush if len(newest) < limit else heapq.heappushpop
            add(newest, (user.since.timestamp(), -number, user))
    return [user for _, _, user in sorted(newest, reverse=True)]


async def _select(users: Reader, selection: Selection) -> tuple[list[Status], bool]:
    """Return whom *selection* asks for, and whether there are more of them."""
    word, after = selection.word.casefold(), fold(selection.after)
    if selection.sort == "change":
        newest = await find_newest(users, _LENGTH + 1, word)
        return newest[:_LENGTH], len(newest) > _LENGTH
    pace = Pace()
    found: list[Status] = []
    for user in users:
        await pace.did(2)
        if (after and fold(user.name) <= after) or (word and not _matches(word, user, users)):
            continue
        if len(found) == _LENGTH:
            return found, True
        found.append(user)
    return found, False


def _matches(word: str, user: Status, users: Reader) -> bool:
    return (
        word in user.name.casefold()
        or word in user.text.casefold()
        or word in users.profile(user.name).full_name.casefold()
    )


def _example(users: Iterable[Status]) -> str:
    """Return a name for commands that people copy into a shell: one that is only a word."""
    some = islice(users, _EXAMPLES)
    return next((user.name for user in some if _is_word(user.name)), "NAME")


def _is_word(name: str) -> bool:
    return name.isascii() and name.replace("_", "").isalnum()
