"""The app of the web door by itself, without a socket."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from quart_trio import QuartTrio

from trio_finger.counts import Counts
from trio_finger.protocol.profile import Profile
from trio_finger.services.web import Pages, Site, create_app
from trio_finger.sources import Directory
from trio_finger.store import Dropped, MemoryStore, StoreError, Token, Told
from trio_finger.usermap import Status, UserMap, make_token

NOW: Final = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
BEFORE: Final = {"moshez": "from the file", "shawn": "from the file"}


def make_app(users: UserMap, site: Site) -> QuartTrio:
    """Return an app that shows who is in *users*."""
    directory = Directory(users)
    return create_app(Pages(directory, site), Counts())


class FragileStore(MemoryStore):
    """A store that fails when it is told to."""

    is_full = False
    is_gone = False

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        if self.is_full:
            raise StoreError("the disk is full")
        await super().write(writes)

    async def find_token(self, token_id: str) -> Token | None:
        if self.is_gone:
            raise StoreError("the disk is gone")
        return await super().find_token(token_id)


class Door:
    """The web door with two users of the file, one who is hidden, and a token for moshez.

    Attributes:
      now: the time, which does not pass by itself.
    """

    def __init__(self, site: Site) -> None:
        self.now = NOW
        self.store = FragileStore(100)
        self.users = UserMap(self.store, clock=lambda: self.now)
        self.app = make_app(self.users, site)

    async def fill(self) -> None:
        """Let everything be there."""
        listed = {name: Status(name, text, NOW) for name, text in BEFORE.items()}
        hidden = {"hidden": Status("hidden", "Hiding", NOW)}
        await self.users.replace_file(listed | hidden, {"hidden": Profile(hidden=True)})
        self.token = await self.hand_out("moshez")

    async def hand_out(self, name: str, expires: datetime | None = None) -> str:
        """Return a new token for *name*."""
        text, token = make_token(name, self.now, expires)
        await self.store.add_token(token)
        return text
