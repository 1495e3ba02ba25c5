"""What is asked of an SQLite database, and what it answers."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import trio

from trio_finger.protocol.text import fold
from trio_finger.store._interface import Dropped, Field, Past, Token, Told
from trio_finger.store._sqlite_schema import transaction
from trio_finger.store._sqlite_thread import Connection

# So many rows go into one statement. Each statement costs a thread the interpreter's
# lock, which it waits for; more rows than this save nothing any more.
_ROWS = 64

_TELL = "INSERT OR REPLACE INTO told (key, field, name, text, since, until, over) {rows}"
# With the rows at the place of the SELECT, SQLite would go through the whole table.
_DROP = """
WITH over (key, field) AS ({rows})
DELETE FROM told WHERE (key, field) IN (SELECT key, field FROM over)
"""
_REMEMBER = "INSERT INTO history (key, name, text, since, until) {rows}"
_PRUNE = """
WITH user (key) AS ({rows})
DELETE FROM history WHERE id IN (
  SELECT history.id FROM user CROSS JOIN history
  WHERE history.key = user.key AND history.id <= (
    SELECT id FROM history WHERE key = user.key ORDER BY id DESC LIMIT 1 OFFSET ?
  )
)
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_Row = tuple[Any, ...]


class SqliteStore:
    """Keeps everything in a database; see `open_sqlite`.

    Args:
      writer: what changes something goes through it, one transaction at a time.
      reader: the rest, so that it never waits for the disk to have kept something.
      history: how many statuses of each user are remembered.
    """

    def __init__(self, writer: Connection, reader: Connection, history: int) -> None:
        self._writer = writer
        self._reader = reader
        self._length = history

    async def load(self) -> list[Told]:
        return await self._reader.run("read", _load)

    async def write(self, writes: Sequence[Told | Dropped]) -> None:
        if not writes:
            await trio.lowlevel.checkpoint()
            return
        # The caller's list may change while the thread works.
        await self._writer.run(
            "kept", partial(write_all, writes=tuple(writes), length=self._length)
        )

    async def history(self, name: str) -> list[Past]:
        query = (
            "SELECT name, text, since, until FROM history WHERE key = ? ORDER BY id DESC LIMIT ?"
        )
        return [_past(row) for row in await self._read(query, fold(name), self._length)]

    async def latest(self, limit: int) -> list[Past]:
        # It goes back through the table itself, which is in that order, and stops at the limit.
        query = "SELECT name, text, since, until FROM history ORDER BY id DESC LIMIT ?"
        return [_past(row) for row in await self._read(query, limit)]

    async def remembered(self) -> list[str]:
        return [key for (key,) in await self._read("SELECT DISTINCT key FROM history")]

    async def add_token(self, token: Token) -> None:
        await self._change(
            "INSERT INTO token (id, name, digest, created, expires) VALUES (?, ?, ?, ?, ?)",
            token.id,
            token.name,
            token.digest,
            _number(token.created),
            _number(token.expires),
        )

    async def find_token(self, token_id: str) -> Token | None:
        query = "SELECT id, name, digest, created, expires FROM token WHERE id = ?"
        rows = await self._read(query, token_id)
        return _token(rows[0]) if rows else None

    async def tokens(self) -> list[Token]:
        query = "SELECT id, name, digest, created, expires FROM token ORDER BY created, number"
        return [_token(row) for row in await self._read(query)]

    async def revoke_token(self, token_id: str) -> bool:
        return await self._change("DELETE FROM token WHERE id = ?", token_id) > 0

    async def _read(self, query: str, *values: object) -> list[_Row]:
        return await self._reader.run(
            "read", lambda connection: connection.execute(query, values).fetchall()
        )

    async def _change(self, statement: str, *values: object) -> int:
        """Run *statement* in a transaction of its own; return how many rows it changed."""

        def change(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                return connection.execute(statement, values).rowcount

        return await self._writer.run("kept", change)


def _load(connection: sqlite3.Connection) -> list[Told]:
    rows = connection.execute("SELECT name, text, since, over, field, until FROM told")
    return [
        Told(name, text, _time(since), over, field, _end(until))
        for name, text, since, over, field, until in rows
    ]


def write_all(
    connection: sqlite3.Connection, writes: Sequence[Told | Dropped], length: int
) -> None:
    """Do *writes* in one transaction; *length* statuses of each user are remembered."""
    # Of several writes for one user and field only the last counts, so they can be sorted
    # by kind. The history, which counts all, stays in order.
    last: dict[tuple[str, Field], Told | Dropped] = {}
    past: list[_Row] = []
    for write in writes:
        key = fold(write.name)
        last[key, write.field] = write
        if isinstance(write, Dropped) or write.field != "status" or write.unseen:
            continue
        if length:
            past.append((key, write.name, write.text, _number(write.since), _number(write.until)))
    dropped = [keys for keys, write in last.items() if isinstance(write, Dropped)]
    told = [
        (*keys, write.name, write.text, _number(write.since), _number(write.until), write.over)
        for keys, write in last.items()
        if isinstance(write, Told)
    ]
    with transaction(connection):
        _execute(connection, _DROP, dropped)
        _execute(connection, _TELL, told)
        _execute(connection, _REMEMBER, past)
        _execute(connection, _PRUNE, list({row[:1]: None for row in past}), length)


def prune(connection: sqlite3.Connection, length: int) -> None:
    """Forget what is too much for a history of *length*, which may have been longer before."""
    query = "SELECT key FROM history GROUP BY key HAVING count(*) > ?"
    keys = connection.execute(query, (length,)).fetchall()
    if keys:
        with transaction(connection):
            _execute(connection, _PRUNE, keys, length)


def _execute(
    connection: sqlite3.Connection, statement: str, rows: Sequence[_Row], *others: object
) -> None:
    """Run *statement* with *rows* for its ``{rows}``, and with the parameters *others*."""
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        places = "(" + ",".join("?" * len(some[0])) + ")"
        query = statement.format(rows="VALUES " + ",".join([places] * len(some)))
        connection.execute(query, [*(value for row in some for value in row), *others])


def _number(moment: datetime | None) -> int | None:
    """Return *moment* in microseconds since 1970; exact, as no float would be."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _time(number: int) -> datetime:
    return _EPOCH + timedelta(microseconds=number)


def _end(number: int | None) -> datetime | None:
    return None if number is None else _time(number)


def _past(row: _Row) -> Past:
    name, text, since, until = row
    return Past(name, text, _time(since), _end(until))


def _token(row: _Row) -> Token:
    token_id, name, digest, created, expires = row
    return Token(token_id, name, digest, _time(created), _end(expires))
