"""What is told of users over HTTP, in each form: pages, JSON and plain text.

Nothing here waits for anybody, so the lane for simple requests and the routes of the app
tell the same in the same words.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit

import trio
from jinja2 import DictLoader, Environment

from trio_finger.protocol.accept import Form
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import clean, fold, format_age
from trio_finger.services.web._answer import BY_FORM, Answer, format_moment, plain
from trio_finger.services.web._long import Long, cut
from trio_finger.services.web._site import Site
from trio_finger.sources import Directory
from trio_finger.store import Past
from trio_finger.usermap import Reader, Status

# All files that the pages are made of, read when the program starts: no request ever
# opens one, and a daemon that has given up its privileges may no longer reach them.
_FOLDER: Final = Path(__file__).parent
_TEMPLATES: Final = {path.name: path.read_text() for path in _FOLDER.glob("templates/*")}
STATIC: Final = {path.name: path.read_bytes() for path in _FOLDER.glob("static/*")}

# Stands in the address of each of them, so that a browser may keep it for ever.
VERSION: Final = blake2b(
    b"".join(map(STATIC.__getitem__, sorted(STATIC))), digest_size=6
).hexdigest()

CONTENT_TYPES: Final = MappingProxyType(
    {
        Form.HTML: "text/html; charset=utf-8",
        Form.JSON: "application/json",
        Form.TEXT: "text/plain; charset=utf-8",
    }
)

# How many long answers are worked on in turn with everybody else.
_TURNS: Final = 2

NO_SUCH_USER: Final = "No such user"
NO_STATUS: Final = "No status"

_MAX_KEPT: Final = 32 << 20  # bytes of pages; of users with a history of a few, some 10,000


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page, and what it was made of."""

    status: Status
    profile: Profile
    last_change: int  # from which it follows what changes
    answer: Answer


class Pages:
    """Tells of users.

    Args:
      directory: who is there.
      site: what is said of the other doors.

    Attributes:
      directory: the same.
      site: the same.
      base: what comes before every path of ours; empty, or ``/`` and more.
      names: what browsers may call us, casefolded.
      turns: whoever works on a long answer has one.
    """

    def __init__(self, directory: Directory, site: Site) -> None:
        public = urlsplit(site.url or "")
        self.base = public.path
        self.names = {site.name.casefold(), "localhost", public.hostname or "localhost"}
        self.site = site
        self.directory = directory
        self._kept: dict[str, _Kept] = {}
        self._kept_bytes = 0
        self.turns = trio.CapacityLimiter(_TURNS)
        self._environment = Environment(
            loader=DictLoader(_TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(site=site, base=self.base, version=VERSION)
        self._environment.filters.update(path=self.path, age=_age, when=_when, iso=format_moment)

    def path(self, name: str) -> str:
        """Return the path of a user's page, right even for one who is called RPC2."""
        return f"{self.base}/~{quote(name, safe='')}"

    def address(self, name: str, url: str) -> str:
        """Return the same as a whole address; *url* is our public one."""
        return f"{url}/~{quote(name, safe='')}"

    def render(self, template: str, code: int = 200, **context: object) -> Answer:
        """Return a page of that template."""
        text = self._environment.get_template(template).render(context)
        return Answer(text.encode(), CONTENT_TYPES[Form.HTML], code)

    def render_pieces(self, template: str, **context: object) -> Iterator[str]:
        """Yield a page that may be long, piece by piece."""
        return self._environment.get_template(template).generate(context)

    # One user

    def at_hand(self, name: str) -> Answer | None:
        """Return the page of *name*, in any spelling, if one is kept and is true still."""
        if not self.directory.is_plain:
            return None  # somebody may have to be asked
        key, users = fold(name), self.directory.users
        if (kept := self._kept.get(key)) is None or (status := users.get(name)) is None:
            return None
        is_true = _is_same(kept.status, status) and kept.profile == users.profile(name)
        return kept.answer if is_true and users.remembers(kept.last_change) else None

    def user(
        self,
        status: Status,
        profile: Profile,
        form: Form,
        url: str,
        history: Sequence[Past] = (),
        *,
        keep: bool = False,
    ) -> Answer:
        """Tell of one user.

        Args:
          status: what they are up to.
          profile: who they are.
          form: of the answer.
          url: our public address.
          history: what was set, the newest first.
          keep: have it at hand, where it is a page; the history is all of it.
        """
        long = self.long_user(status, profile, form, url, history)
        answer = Answer("".join(long.pieces).encode(), long.content_type, headers=long.headers)
        if keep and form is Form.HTML:
            last_change = self.directory.users.last_change
            self._keep(fold(status.name), _Kept(status, profile, last_change, answer))
        return answer

    def long_user(
        self, status: Status, profile: Profile, form: Form, url: str, history: Sequence[Past]
    ) -> Long:
        """Tell the same of one user whose plan may be long."""
        match form:
            case Form.HTML:
                pieces = self.render_pieces(
                    "user.html",
                    last_change=self.directory.users.last_change,
                    status=status,
                    profile=profile,
                    plan=cut(profile.plan),
                    history=history,
                )
            case Form.JSON:
                pieces = _members(self.describe(status, url), profile)
            case Form.TEXT:
                pieces = _lines(status, profile)
        return Long(pieces, CONTENT_TYPES[form], (BY_FORM,), self.turns)

    def nobody(self, name: str, form: Form) -> Answer:
        """Tell that there is no such user."""
        match form:
            case Form.HTML:
                body = self.render("nobody.html", name=clean(name)).body
            case Form.JSON:
                body = f'{{"error": "{NO_SUCH_USER}"}}\n'.encode()
            case Form.TEXT:
                body = f"{NO_SUCH_USER}\n".encode()
        return Answer(body, CONTENT_TYPES[form], 404, (BY_FORM,))

    def _keep(self, key: str, kept: _Kept) -> None:
        size = len(kept.answer.body)
        if self._kept_bytes + size > _MAX_KEPT:
            self._kept.clear()
            self._kept_bytes = 0
        # What is replaced goes on counting until then.
        self._kept_bytes += size
        self._kept[key] = kept

    def online(self, name: str, users: Reader) -> Answer:
        """Tell the status of one user alone, for programs that want nothing else.

        Raises:
          UnavailableError: that cannot be said just now.
        """
        status = users.get(name)
        return plain(status.text) if status else plain(NO_SUCH_USER, 404)

    def describe(self, status: Status, url: str) -> dict[str, object]:
        """Return what JSON has of a user in every place."""
        return {
            "name": status.name,
            "status": status.text or status.details,
            "since": format_moment(status.since),
            "until": format_moment(status.until) if status.until else None,
            "url": self.address(status.name, url),
        }


def _is_same(kept: Status, status: Status) -> bool:
    """Whether nothing was set since *kept* was looked at, not even the same again.

    A status without an end is the same object until then. One with an end was set, and no
    other was set at the same moment.
    """
    return kept is status or (status.until is not None and kept == status)


def _members(described: Mapping[str, object], profile: Profile) -> Iterator[str]:
    """Yield a JSON object of a user, the plan of which comes last and in pieces."""
    known = {
        **described,
        "full_name": profile.full_name,
        "project": profile.project,
        "links": profile.links,
    }
    yield f'{json.dumps(known, ensure_ascii=False)[:-1]}, "plan": "'
    for piece in cut(profile.plan):
        yield json.dumps(piece, ensure_ascii=False)[1:-1]
    yield '"}\n'


def _lines(status: Status, profile: Profile) -> Iterator[str]:
    """Yield what a terminal shows of a user."""
    yield f"{status.name}: {status.text or status.details or NO_STATUS}\n"
    yield f"Since: {_when(status.since)}\n"
    if status.until:
        yield f"Until: {_when(status.until)}\n"
    if profile.full_name:
        yield f"Name: {profile.full_name}\n"
    if profile.project:
        yield f"Project: {profile.project}\n"
    for link in profile.links:
        yield f"Web: {link}\n"
    if profile.plan:
        yield "Plan:\n"
        yield from cut(profile.plan)
        yield "\n" * (not profile.plan.endswith("\n"))


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _age(since: datetime) -> str:
    return format_age((datetime.now(UTC) - since).total_seconds())
