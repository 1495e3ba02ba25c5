"""The latest changes as feeds, of everybody and of each user: Atom and JSON Feed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from quart import Response
from quart_trio import QuartTrio

from trio_finger.protocol.feed import (
    ATOM_TYPE,
    JSON_FEED_TYPE,
    Entry,
    Feed,
    format_atom,
    format_json_feed,
)
from trio_finger.protocol.text import fold
from trio_finger.services.web._answer import Answer, format_moment, plain, respond
from trio_finger.services.web._asking import get_asker, get_url
from trio_finger.services.web._index import find_newest
from trio_finger.services.web._pages import NO_SUCH_USER, Pages
from trio_finger.sources import Asker
from trio_finger.store import Past, StoreError

_LENGTH: Final = 50  # entries; with the longest statuses a feed has some 150 KB then

_SETTLED: Final = timedelta(seconds=2)

# A feed has to say when there was something new last. One with nothing in it says this.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _News:
    """A feed, and when it may have changed last; ``None`` if that was just now."""

    feed: Feed
    modified: datetime | None


def add_feeds(app: QuartTrio, pages: Pages) -> None:
    """Have *app* serve feeds of the latest changes.

    Args:
      app: the app.
      pages: knows who is there, and where their pages are.
    """
    editor = _Editor(pages)

    @app.get("/feed.atom")
    async def atom() -> Response:
        return await respond(_as_atom(await editor.tell_all(get_url(pages.site))))

    @app.get("/feed.json")
    async def json_feed() -> Response:
        return await respond(_as_json(await editor.tell_all(get_url(pages.site))))

    @app.get("/~<name>/feed.atom")
    async def user_atom(name: str) -> Response:
        return await respond(
            _as_atom(await editor.tell_user(name, get_url(pages.site), get_asker()))
        )

    @app.get("/~<name>/feed.json")
    async def user_json_feed(name: str) -> Response:
        return await respond(
            _as_json(await editor.tell_user(name, get_url(pages.site), get_asker()))
        )


class _Editor:
    """Makes feeds of what was said.

    Args:
      pages: knows who is there, and where their pages are.
    """

    def __init__(self, pages: Pages) -> None:
        self._directory = pages.directory
        self._pages = pages
        # It is a part of every id. With TLS or without, it is the same place.
        self._place = (pages.site.url or pages.site.name).rpartition("://")[2].casefold()

    async def tell_all(self, url: str) -> _News:
        """Tell the latest changes of everybody; *url* is our public address."""
        said = [
            Past(change.name, status.text, status.since, status.until)
            for change in self._directory.users.latest(_LENGTH)
            if (status := change.status) is not None
        ]
        if len(said) < _LENGTH:
            # What the users file said when we began is no change, but new to whoever reads this.
            async with self._pages.turns:
                newest = await find_newest(self._directory.everybody, _LENGTH)
            said += (Past(user.name, user.text, user.since, user.until) for user in newest)
        return self._tell("Everybody", said, url, f"{url}/", self._id("everybody"))

    async def tell_user(self, name: str, url: str, asker: Asker) -> _News | None:
        """Tell the latest changes of one user; ``None`` if there is no such user.

        Args:
          name: in any spelling.
          url: our public address.
          asker: for whom.

        Raises:
          UnavailableError: that cannot be said just now.
        """
        status = (await self._directory.find([name], asker)).get(name)
        if status is None:
            return None
        try:
            history = await self._directory.users.history(name)
        except StoreError:
            history = []  # the status itself is in memory
        name = status.name
        # What the users file says, or a source, is in no history.
        said = [Past(name, status.text or status.details, status.since, status.until)]
        said += (Past(name, past.text, past.since, past.until) for past in history)
        return self._tell(
            name, said, url, self._pages.address(name, url), self._id("user", fold(name))
        )

    def _tell(self, who: str, said: Iterable[Past], url: str, page: str, id_: str) -> _News:
        newest = sorted(said, key=lambda past: past.since, reverse=True)
        entries: dict[str, Entry] = {}
        for past in newest:
            if past.text:
                entry = self._describe(past, url)
                entries.setdefault(entry.id, entry)  # of what was said twice, once is enough
        feed = Feed(
            id_,
            title=f"{who} at {self._pages.site.name}",
            page=page,
            icon=f"{url}/static/icon.svg",
            updated=format_moment(newest[0].since if newest else _EPOCH),
            entries=list(islice(entries.values(), _LENGTH)),
        )
        return _News(feed, self._modified())

    def _modified(self) -> datetime | None:
        """Return when anything was last different, which this may have been; ``None`` for just now.

        What is left out of a feed has no moment in it, and what a source says has one that
        nobody knows. And HTTP counts in seconds: within this one, there may be something new
        still (RFC 9110, 8.8.2.2).
        """
        if not self._directory.is_plain:
            return None
        number = self._directory.users.last_change
        modified = _EPOCH + timedelta(microseconds=number)
        return modified if number and datetime.now(UTC) - modified > _SETTLED else None

    def _describe(self, past: Past, url: str) -> Entry:
        moment = format_moment(past.since)
        until = f"\nUntil {past.until:%Y-%m-%d %H:%M} UTC" if past.until else ""
        return Entry(
            # The clock may have been the same for two texts.
            self._id("status", fold(past.name), moment, past.text),
            title=f"{past.name}: {past.text.splitlines()[0]}",
            author=past.name,
            page=self._pages.address(past.name, url),
            moment=moment,
            content=past.text + until,
        )

    def _id(self, *words: str) -> str:
        """Return a URI that is the same for the same words at the same place, for ever."""
        return uuid5(NAMESPACE_URL, "\n".join([self._place, *words])).urn


def _as_atom(news: _News | None) -> Answer:
    if news is None:
        return plain(NO_SUCH_USER, 404)
    body = format_atom(news.feed, _address(news.feed, "feed.atom"))
    return Answer(body, ATOM_TYPE, modified=news.modified)


def _as_json(news: _News | None) -> Answer:
    if news is None:
        return plain(NO_SUCH_USER, 404)
    body = format_json_feed(news.feed, _address(news.feed, "feed.json"))
    return Answer(body, JSON_FEED_TYPE, modified=news.modified)


def _address(feed: Feed, name: str) -> str:
    return f"{feed.page.removesuffix('/')}/{name}"
