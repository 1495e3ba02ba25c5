"""``trio-finger token``: what lets people set their status from elsewhere."""

import os
import pwd
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from trio_finger.cli._configuration import find_config, no_config
from trio_finger.cli._messages import fail
from trio_finger.cli._types import DURATION, NAME
from trio_finger.config import ConfigError, load_config
from trio_finger.protocol.duration import Duration

if TYPE_CHECKING:
    from trio_finger.store import Store, Token

_T = TypeVar("_T")

_CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.  [default: as the daemon finds it]",
)


@click.group()
def token() -> None:
    """Hand out tokens, with which people set their status from elsewhere.

    A token is for one user. It goes with PUT and DELETE to /~NAME/status and with XML-RPC's
    setUser, and works, or stops working, in a running daemon at once.
    """


@token.command()
@click.option("--expires", type=DURATION, help='After how long it stops working, such as "90d".')
@_CONFIG
@click.argument("name", type=NAME)
def create(name: str, expires: Duration | None, config: Path | None) -> None:
    """Make a token for NAME and print it.

    It is not seen again: only a hash of it is kept.
    """
    from trio_finger.usermap import make_token

    now = datetime.now(UTC)
    try:
        end = now + timedelta(seconds=expires) if expires else None
    except OverflowError:
        fail("that is too long; leave --expires out")
    text, record = make_token(name, now, end)

    async def add(store: "Store") -> None:
        await store.add_token(record)

    _with_store(config, add)
    click.echo(text)


@token.command("list")
@_CONFIG
def list_(config: Path | None) -> None:
    """Show who has tokens, their ids and times; never a token."""

    async def find(store: "Store") -> "list[Token]":
        return await store.tokens()

    now = datetime.now(UTC)
    rows = [("ID", "USER", "CREATED", "EXPIRES")]
    for record in _with_store(config, find):
        expires = _show(record.expires) if record.expires else "never"
        if record.expires and record.expires <= now:
            expires += " (expired)"
        rows.append((record.id, record.name, _show(record.created), expires))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@token.command()
@_CONFIG
@click.argument("id_", metavar="ID")
def revoke(id_: str, config: Path | None) -> None:
    """Have the token with this ID, as list shows it, stop working."""

    async def drop(store: "Store") -> bool:
        return await store.revoke_token(id_)

    if not _with_store(config, drop):
        fail(f"there is no token with the id {id_!r}")


def _with_store(named: Path | None, work: Callable[["Store"], Awaitable[_T]]) -> _T:
    """Return what *work* comes to on the store of the configuration."""
    import trio

    from trio_finger.store import StoreError, open_store, store_files

    try:
        config = load_config(find_config(named) or no_config())
        url = config.store.url
        if url == "memory:":
            fail('[store] url = "memory:" keeps no tokens; use "sqlite:PATH"')
        files = store_files(url)
        is_new = not files[0].exists()

        async def use_store() -> _T:
            async with open_store(url, history=config.store.history, sole=False) as store:
                if is_new and os.geteuid() == 0:
                    _give(files, config.daemon.user)
                return await work(store)

        return trio.run(use_store)
    except (ConfigError, StoreError) as error:
        fail(str(error))


def _give(files: list[Path], user: str) -> None:
    """Let the daemon, which does not stay root, have what root has made here."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        fail(f"daemon.user: there is no user {user!r} on this machine")
    for file in files:
        with suppress(FileNotFoundError):
            os.chown(file, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _show(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
