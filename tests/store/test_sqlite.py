"""A database that outlives crashes, full disks and strangers (T31)."""

# ruff: noqa: ASYNC240 - nobody else waits while a test touches the disk

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_finger.store import Dropped, StoreError, Token, Told, open_store
from trio_finger.store._sqlite import open_sqlite, sqlite_files
from trio_finger.store._sqlite_migrations import MIGRATIONS
from trio_finger.store._sqlite_schema import APPLICATION_ID, migrate
from trio_finger.store._sqlite_store import SqliteStore
from trio_finger.store._sqlite_thread import Connection, GiveWay, words

SINCE = datetime(2026, 11, 20, 23, 15, 1, 234567, tzinfo=UTC)
MOSHEZ = Told("moshez", "Happy and well", SINCE, over=None)
PLAN = replace(MOSHEZ, field="plan", text="Sleep.\nEat.", until=SINCE)
TOKEN = Token("abc", "moshez", bytes(range(32)), SINCE, None)

PATIENCE = 20  # seconds; nothing here takes as long

needs_an_ordinary_user = pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read and write everything, whatever its mode"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "statuses.db"


@asynccontextmanager
async def open_at(path: Path, *, history: int = 3, sole: bool = True) -> AsyncIterator[SqliteStore]:
    """Open the store at *path*, with a look behind its interface."""
    with trio.fail_after(PATIENCE):
        async with open_sqlite(path, history=history, sole=sole) as store:
            assert isinstance(store, SqliteStore)
            yield store


async def refused(path: Path, *, sole: bool = True) -> str:
    """Return the words with which opening *path* is refused."""
    with pytest.raises(StoreError) as caught:
        async with open_at(path, sole=sole):
            pytest.fail("it was opened")  # pragma: no cover
    return str(caught.value)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the database at *path* as another program does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def behind(connection: Connection) -> sqlite3.Connection:
    return connection._connection


def texts(records: list[Told]) -> set[str]:
    return {told.text for told in records}


# From one run to the next


@pytest.mark.parametrize("rest", ["statuses.db", "new/folder/it's %41?mode=memory#ü.db"])
async def test_restart_keeps_everything(tmp_path: Path, rest: str) -> None:
    """What was told, the history and the tokens are there after a restart."""
    url = f"sqlite:{tmp_path / rest}"
    async with open_store(url) as store:
        await store.write([MOSHEZ, replace(MOSHEZ, text="Elsewhere"), PLAN])
        await store.add_token(TOKEN)
        history = await store.history("moshez")
    assert (tmp_path / rest).is_file()
    async with open_store(url) as store:
        assert texts(await store.load()) == {"Elsewhere", PLAN.text}
        assert await store.history("moshez") == history
        assert len(history) == 2
        assert await store.latest(10) == history
        assert await store.tokens() == [TOKEN]
        await store.write([replace(MOSHEZ, text="Back")])
        assert (await store.history("moshez"))[0].text == "Back"


async def test_history_does_not_grow(path: Path) -> None:
    """What is not in the history any more is not in the file either."""
    async with open_at(path) as store:
        for number in range(10):
            await store.write([replace(MOSHEZ, text=f"{number}"), PLAN])
    with connected(path) as connection:
        rows = connection.execute("SELECT text FROM history ORDER BY id").fetchall()
        assert rows == [("7",), ("8",), ("9",)]


async def test_shorter_history(path: Path) -> None:
    """A history that shall be shorter than before is cut when the daemon opens it."""
    async with open_at(path, history=100) as store:
        for name in "moshez", "zoë", "brief":
            length = 2 if name == "brief" else 70
            await store.write([replace(MOSHEZ, name=name, text=f"{n}") for n in range(length)])
    async with open_at(path, history=3, sole=False) as store:
        assert len(await store.history("moshez")) == 3
    async with open_at(path, history=5), open_at(path, history=100, sole=False) as store:
        assert [past.text for past in await store.history("zoë")] == ["69", "68", "67", "66", "65"]
        assert len(await store.history("moshez")) == 5
        assert len(await store.history("brief")) == 2
    async with open_at(path, history=0), open_at(path, history=100, sole=False) as store:
        assert await store.history("moshez") == await store.history("brief") == []
        assert len(await store.load()) == 3


async def test_closed_is_one_file(path: Path) -> None:
    """Once closed, everything is in the database itself, for whoever copies it."""
    async with open_at(path) as store:
        await store.write([MOSHEZ])
        assert sorted(path.parent.iterdir()) == sorted(sqlite_files(path))
    database, *_, lock = sqlite_files(path)
    assert sorted(path.parent.iterdir()) == [database, lock]
    assert [file.stat().st_mode & 0o777 for file in (database, lock)] == [0o600, 0o600]


async def test_files_of_a_link(path: Path) -> None:
    """The files are where a symbolic link leads to, and so is the lock."""
    link = path.parent / "link"
    link.symlink_to(path)
    assert sqlite_files(link) == sqlite_files(path)
    async with open_at(link) as store:
        await store.write([MOSHEZ])
        assert all(file.exists() for file in sqlite_files(link))
        assert "another daemon" in await refused(path)


async def test_nothing_is_opened_later(path: Path) -> None:
    """An open store works without its folder, as one does that may not enter it any more."""
    folder = path.parent / "folder"
    async with open_at(folder / "x.db", history=100) as store:
        folder.rename(path.parent / "moved")
        for _ in range(3):
            # Enough for the write-ahead log to be emptied between, and for its index to grow.
            await store.write(
                [replace(PLAN, name=f"{n}", text="p" * 60_000) for n in range(200)]
                + [replace(MOSHEZ, name=f"{n}") for n in range(2000)]
            )
            await store.add_token(TOKEN)
            assert len(await store.load()) == 2200
            assert await store.revoke_token("abc")
            assert await store.history("1999")
    # The log could not be removed, but all of it is in the database.
    assert (path.parent / "moved" / "x.db-wal").stat().st_size == 0
    async with open_at(path.parent / "moved" / "x.db") as store:
        assert len(await store.load()) == 2200


# Crashes

WRITER = """
import sys, trio
from datetime import UTC, datetime
from pathlib import Path
from trio_finger.store import Told, Token, open_store

async def main():
    now = datetime.now(UTC)
    async with open_store(sys.argv[1], history=5) as store:
        await store.add_token(Token("abc", "moshez", b"digest", now, None))
        number = 0
        while True:
            number += 1
            await store.write([Told(f"user{n}", str(number), now, None) for n in range(100)])
            print(number, flush=True)

trio.run(main)
"""


@contextmanager
def running_writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a daemon's worth of writes; each line that comes is the number of one that returned."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, f"sqlite:{path}"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("lines", [0, 1, 2, 7, 40])
async def test_killed(path: Path, lines: int) -> None:
    """What had returned when the process was killed is there, and no half of anything."""
    with running_writer(path) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        said = lines + len(process.stdout.read().split())  # what it still said before it died
    assert process.returncode == -signal.SIGKILL
    async with open_at(path, history=5) as store:
        records = await store.load()
        numbers = {int(told.text) for told in records}
        if said:
            assert len(records) == 100
            assert len(await store.tokens()) == 1
            assert len(numbers) == 1  # all or nothing
            assert numbers.pop() in (said, said + 1)
            newest = [(await store.history(told.name))[0].text for told in records]
            assert newest == [told.text for told in records]
        else:
            assert len(records) in (0, 100)
        await store.write([MOSHEZ])


async def test_killed_while_it_was_made(path: Path) -> None:
    """A database whose making was interrupted is made anew, whatever is left of it."""
    for statements in (
        [],
        ["PRAGMA journal_mode = WAL"],
        ["BEGIN IMMEDIATE", "PRAGMA user_version = 1", *MIGRATIONS[0]],
        # So small a cache that the unfinished transaction is in the file already.
        ["VACUUM", "PRAGMA cache_size = 1", "BEGIN IMMEDIATE", *MIGRATIONS[0]]
        + [f"CREATE TABLE t{n} (x)" for n in range(200)],
    ):
        script = (
            f"import os, sqlite3; c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
            f"for statement in {statements!r}: c.execute(statement)\n"
            "os._exit(0)"
        )
        await trio.run_process([sys.executable, "-c", script])
        async with open_at(path) as store:
            await store.write([MOSHEZ])
            assert await store.load() == [MOSHEZ]
        for file in sqlite_files(path)[:-1]:
            file.unlink(missing_ok=True)


# Files that are something else


def with_schema(*statements: str) -> Callable[[Path], None]:
    """Return what makes a database by *statements*."""

    def make(path: Path) -> None:
        with connected(path) as connection:
            for statement in statements:
                connection.execute(statement)

    return make


def containing(data: bytes) -> Callable[[Path], None]:
    """Return what makes a file of *data*."""

    def make(path: Path) -> None:
        path.write_bytes(data)

    return make


def damaged(damage: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what makes a database of ours that is damaged afterwards."""

    def make(path: Path) -> None:
        with connected(path) as connection:
            migrate(connection, MIGRATIONS)
            row = "INSERT INTO told VALUES (?, 'status', 'x', ?, 0, NULL, NULL)"
            connection.execute("BEGIN")
            connection.executemany(row, [(str(number), "s" * 100) for number in range(1000)])
            connection.execute("COMMIT")
        path.write_bytes(damage(path.read_bytes()))

    return make


OURS = f"PRAGMA application_id = {APPLICATION_ID}"
NEWER = f"PRAGMA user_version = {len(MIGRATIONS) + 1}"
FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "newer": (with_schema(OURS, NEWER, "CREATE TABLE t (x)"), "written by a newer trio-finger"),
    "newer-wal": (
        with_schema("PRAGMA journal_mode = WAL", OURS, NEWER, "CREATE TABLE t (x)"),
        "written by a newer trio-finger",
    ),
    "foreign": (with_schema("CREATE TABLE t (x)"), "the database of another program"),
    "foreign-wal": (
        with_schema("PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"),
        "the database of another program",
    ),
    "foreign-id": (with_schema("PRAGMA application_id = 7"), "the database of another program"),
    "foreign-version": (with_schema("PRAGMA user_version = 1"), "the database of another program"),
    "no-version": (with_schema(OURS, "CREATE TABLE t (x)"), "is damaged"),
    "text": (containing(b"moshez: Happy and well\n" * 100), "is not a database"),
    "one-line": (containing(b"moshez: Happy and well\n"), "is not a database"),
    "one-byte": (containing(b"S"), "is not a database"),
    "zeros": (containing(bytes(8192)), "is not a database"),
    "only-magic": (containing(b"SQLite format 3\0"), "is not a database|is damaged"),
    "only-header": (damaged(lambda data: data[:100]), "is not a database|is damaged"),
    "cut": (damaged(lambda data: data[: len(data) // 2]), "is damaged"),
    "cut-in-a-page": (damaged(lambda data: data[:-100]), "is damaged"),
    "overwritten": (
        damaged(lambda data: data[:20480] + b"\xa5" * 8192 + data[28672:]),
        "is damaged",
    ),
    "overwritten-tables": (damaged(lambda data: data[:100] + b"\xa5" * 400 + data[500:]), "damage"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("sole", [True, False], ids=["sole", "beside"])
async def test_no_store_is_refused_and_left_alone(path: Path, kind: str, *, sole: bool) -> None:
    """A file that is no sound store of ours is refused by name, and not one byte is changed."""
    make, expected = FILES[kind]
    make(path)
    before, status = path.read_bytes(), path.stat()
    for _ in range(2):
        message = await refused(path, sole=sole)
        assert str(path) in message
        assert "\n" not in message
        assert re.search(expected, message), message
    assert path.read_bytes() == before
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (status.st_mtime_ns, status.st_ino)


async def test_newer_with_a_log_is_left_alone(path: Path) -> None:
    """What a killed newer daemon had not yet moved into its database stays where it is."""
    script = (
        f"import os, sqlite3; c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        f"for s in ('PRAGMA journal_mode = WAL', {OURS!r}, {NEWER!r}, 'CREATE TABLE t (x)'):\n"
        "    c.execute(s)\n"
        "os._exit(0)"
    )
    await trio.run_process([sys.executable, "-c", script])
    database, log, *_ = sqlite_files(path)
    before = database.read_bytes(), log.read_bytes()
    assert before[1]
    assert "written by a newer trio-finger" in await refused(path)
    assert (database.read_bytes(), log.read_bytes()) == before


@pytest.mark.parametrize("sole", [True, False], ids=["sole", "beside"])
async def test_no_file_is_refused(tmp_path: Path, *, sole: bool) -> None:
    """What cannot be a file's place is refused in words that name it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / "file").touch()
    for place, expected in [
        (tmp_path, "is not a regular file"),
        (fifo, "is not a regular file"),
        (tmp_path / "file" / "x.db", "Not a directory|File exists"),
        (tmp_path / ("n" * 300), "File name too long"),
        (tmp_path / "a\0b", "null"),
    ]:
        message = await refused(place, sole=sole)
        assert str(place) in message
        assert any(part in message for part in expected.split("|")), message


async def test_empty_is_new(path: Path) -> None:
    """An empty file, or a database with nothing in it, becomes a store."""
    path.touch()
    async with open_at(path) as store:
        assert await store.load() == []
    path.unlink()
    with_schema("VACUUM")(path)
    assert path.stat().st_size
    async with open_at(path) as store:
        assert await store.load() == []


# Versions


async def test_migrations_are_done_once_and_in_order(path: Path) -> None:
    """A database comes from any older version to the newest."""
    second = ("ALTER TABLE told ADD COLUMN more TEXT", "UPDATE told SET more = text || '!'")
    async with open_at(path) as store:
        await store.write([MOSHEZ])
    with connected(path) as connection:
        for _ in range(2):
            migrate(connection, [*MIGRATIONS, second])
            assert connection.execute("SELECT more FROM told").fetchall() == [("Happy and well!",)]
            version = connection.execute("PRAGMA user_version").fetchone()
            assert version == (len(MIGRATIONS) + 1,)
    assert "written by a newer trio-finger" in await refused(path)


@pytest.mark.parametrize("begun", [False, True])
async def test_migration_that_fails_changes_nothing(path: Path, *, begun: bool) -> None:
    """When one migration fails, those before it are not done either."""
    if begun:
        with connected(path) as connection:
            migrate(connection, MIGRATIONS)
    else:
        path.touch()
    before = path.read_bytes()
    bad = [*MIGRATIONS, ("CREATE TABLE more (x)",), ("CREATE TABLE still (x)", "no SQL")]
    with connected(path) as connection:
        with pytest.raises(sqlite3.OperationalError, match="syntax error"):
            migrate(connection, bad)
        assert not connection.in_transaction
    assert path.read_bytes() == before
    async with open_at(path) as store:
        await store.write([MOSHEZ])


async def test_only_the_daemon_migrates(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer command does not change the database under an older daemon."""
    async with open_at(path):
        pass
    newer = (*MIGRATIONS, ("CREATE TABLE more (x)",))
    monkeypatch.setattr("trio_finger.store._sqlite_schema.MIGRATIONS", newer)
    assert "written by an older trio-finger" in await refused(path, sole=False)
    async with open_at(path):
        pass
    async with open_at(path, sole=False):
        pass


# One daemon


async def test_second_daemon_is_refused(path: Path) -> None:
    """Only one daemon uses a store; the next one is told which, and may when it has gone."""
    async with open_at(path) as store:
        for _ in range(2):
            message = await refused(path)
            assert f"another daemon (pid {os.getpid()}) uses {path}" in message
        await store.write([MOSHEZ])
    async with open_at(path) as store:
        assert await store.load() == [MOSHEZ]


async def test_second_process_is_refused(path: Path) -> None:
    """The same between processes; one that was killed is in nobody's way."""
    with running_writer(path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert f"another daemon (pid {process.pid}) uses {path}" in await refused(path)
        process.kill()
    lock = sqlite_files(path)[-1]
    assert lock.read_text() == f"{process.pid}\n"
    async with open_at(path) as store:
        assert len(await store.load()) == 100
        assert lock.read_text() == f"{os.getpid()}\n"


async def test_refused_file_is_not_held(path: Path) -> None:
    """A daemon that was refused the database leaves the lock to the next."""
    path.write_text("not a database at all")
    await refused(path)
    path.unlink()
    async with open_at(path):
        pass


async def test_command_beside_the_daemon(path: Path) -> None:
    """A command makes and revokes tokens, which the daemon sees at once, and the reverse."""
    async with open_at(path) as daemon:
        await daemon.write([MOSHEZ])
        async with open_at(path, sole=False) as command, open_at(path, sole=False) as other:
            await command.add_token(TOKEN)
            assert await daemon.find_token("abc") == TOKEN
            assert await other.tokens() == [TOKEN]
            assert await daemon.revoke_token("abc")
            assert await command.find_token("abc") is None
            assert not await command.revoke_token("abc")
            assert await command.load() == [MOSHEZ]
            await other.add_token(TOKEN)
        await daemon.write([PLAN])
        assert await daemon.find_token("abc") == TOKEN
        # Closing theirs left us what keeps others from writing at the same time.
        async with open_at(path, sole=False) as command, trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(daemon.write, [replace(MOSHEZ, name=f"{number}")])
                nursery.start_soon(command.add_token, replace(TOKEN, id=f"{number}"))
        assert len(await daemon.load()) == 22
        assert len(await daemon.tokens()) == 21
    async with open_at(path) as daemon:
        assert len(await daemon.tokens()) == 21


async def test_all_make_the_database_at_once(tmp_path: Path) -> None:
    """A daemon and commands that find no database make one, not several, and none fails."""
    for attempt in range(10):
        path = tmp_path / f"{attempt}" / "x.db"

        async def add(number: int, path: Path = path) -> None:
            async with open_at(path, sole=number == 0) as store:
                await store.add_token(replace(TOKEN, id=f"{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(add, number)
        async with open_at(path) as store:
            assert len(await store.tokens()) == 4


async def test_same_token_twice(path: Path) -> None:
    """A token whose id is taken is not kept, and takes nobody's place."""
    async with open_at(path) as store:
        await store.add_token(TOKEN)
        with pytest.raises(StoreError, match="cannot be kept"):
            await store.add_token(replace(TOKEN, name="mallory"))
        assert await store.tokens() == [TOKEN]


async def test_nothing_goes_through_a_whole_table(path: Path) -> None:
    """What is asked of a few users takes as long with a million users as with ten."""
    queries: list[str] = []
    async with open_at(path) as store:
        for connection in store._writer, store._reader:
            behind(connection).set_trace_callback(queries.append)
        await store.write([MOSHEZ, PLAN, Dropped("zoë"), Dropped("shawn", "plan")])
        await store.history("moshez")
        await store.find_token("abc")
        await store.revoke_token("abc")
        queries = [query for query in queries if not query.startswith(("BEGIN", "COMMIT"))]
        assert len(queries) == 7
        for query in queries:
            plan = behind(store._reader).execute(f"EXPLAIN QUERY PLAN {query}")
            for *_, step in plan.fetchall():
                assert not re.match("SCAN (told|history|token)", step), query


async def test_latest_are_not_sorted(path: Path) -> None:
    """What was set last is found without a look at all the rest."""
    queries: list[str] = []
    async with open_at(path) as store:
        behind(store._reader).set_trace_callback(queries.append)
        await store.latest(10)
        [query] = queries
        plan = behind(store._reader).execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        assert [step for *_, step in plan] == ["SCAN history"]  # until the limit is reached


# When the disk or somebody else will not have it


async def test_full_disk(path: Path) -> None:
    """A full disk is an error in words; nothing is lost, and it works when there is room."""
    much = [replace(MOSHEZ, name=f"{n}", text="s" * 1000) for n in range(200)]
    async with open_at(path) as store:
        await store.write([MOSHEZ])
        writer = behind(store._writer)
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        (most,) = writer.execute("PRAGMA max_page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be kept: the disk is full"):
                await store.write([replace(MOSHEZ, text="Elsewhere"), *much])
            assert not writer.in_transaction
            assert await store.load() == [MOSHEZ]
            assert len(await store.history("moshez")) == 1
        await store.write([replace(MOSHEZ, text="short")])  # for which there is room
        writer.execute(f"PRAGMA max_page_count = {most}")
        await store.write([MOSHEZ, *much])
        assert len(await store.load()) == 201
    async with open_at(path) as store:
        assert len(await store.load()) == 201


async def test_locked(path: Path) -> None:
    """While another program keeps the database we give up in time, read on, and go on after."""
    async with open_at(path) as store:
        await store.write([MOSHEZ])
        behind(store._writer).execute("PRAGMA busy_timeout = 50")
        with connected(path) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=f"another program has locked {path}"):
                await store.write([replace(MOSHEZ, text="Elsewhere")])
            with pytest.raises(StoreError, match="another program has locked"):
                await store.add_token(TOKEN)
            assert await store.load() == [MOSHEZ]
            assert await store.tokens() == []
            other.execute("ROLLBACK")
        await store.write([PLAN])
        assert len(await store.load()) == 2


async def test_waits_for_another(path: Path) -> None:
    """Another program that keeps the database for a moment is waited for."""
    async with open_at(path) as store:
        assert behind(store._writer).execute("PRAGMA busy_timeout").fetchone() == (2000,)
        with connected(path) as other:
            other.execute("BEGIN IMMEDIATE")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.write, [MOSHEZ])
                await trio.testing.wait_all_tasks_blocked()
                assert await store.load() == []
                other.execute("ROLLBACK")
        assert await store.load() == [MOSHEZ]


async def test_reads_do_not_wait_for_a_write(path: Path) -> None:
    """While a write is under way, everything can be read, as it was before it."""
    free, begun = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        return free.wait(PATIENCE)

    async with open_at(path) as store:
        await store.write([MOSHEZ])
        await store.add_token(TOKEN)
        behind(store._writer).create_function("wait", 0, wait)
        behind(store._writer).execute(
            "CREATE TEMP TRIGGER blocking BEFORE INSERT ON history BEGIN SELECT wait(); END"
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, [replace(MOSHEZ, text="Elsewhere")])
            await trio.to_thread.run_sync(begun.wait, PATIENCE)
            try:
                assert await store.load() == [MOSHEZ]
                assert len(await store.history("moshez")) == 1
                assert await store.find_token("abc") == TOKEN
                assert await store.tokens() == [TOKEN]
                assert not free.is_set()
            finally:
                free.set()
        assert texts(await store.load()) == {"Elsewhere"}


async def test_cancelled_while_it_is_written(path: Path) -> None:
    """A write that has begun is done to its end; one that waits behind it is not begun."""
    free, begun = threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        return free.wait(PATIENCE)

    async with open_at(path) as store:
        behind(store._writer).create_function("wait", 0, wait)
        behind(store._writer).execute(
            "CREATE TEMP TRIGGER blocking BEFORE INSERT ON history BEGIN SELECT wait(); END"
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, [MOSHEZ, PLAN])
            await trio.to_thread.run_sync(begun.wait, PATIENCE)
            nursery.start_soon(store.write, [replace(MOSHEZ, name="zoë")])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            free.set()
        assert {(told.name, told.field) for told in await store.load()} == {
            ("moshez", "status"),
            ("moshez", "plan"),
        }
        await store.write([replace(MOSHEZ, name="zoë")])
        assert len(await store.load()) == 3


async def test_cancelled_opening(path: Path) -> None:
    """An opening that is cancelled leaves nothing open, and closing is not cut off."""
    with trio.CancelScope() as scope:
        scope.cancel()
        async with open_at(path):
            pytest.fail("it was opened")  # pragma: no cover
    with trio.CancelScope() as scope:
        async with open_at(path) as store:
            await store.write([MOSHEZ])
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert sorted(path.parent.iterdir()) == [path, sqlite_files(path)[-1]]
    async with open_at(path) as store:
        assert await store.load() == [MOSHEZ]


@needs_an_ordinary_user
async def test_read_only_file(path: Path) -> None:
    """A database that may only be read is refused in words that say so."""
    async with open_at(path) as store:
        await store.write([MOSHEZ])
    for mode in 0o400, 0o200, 0:
        path.chmod(mode)
        assert f"{path} is read-only, or is another user's" in await refused(path)
    path.chmod(0o600)
    async with open_at(path) as store:
        assert await store.load() == [MOSHEZ]


@needs_an_ordinary_user
@pytest.mark.parametrize("sole", [True, False], ids=["sole", "beside"])
async def test_read_only_folder(tmp_path: Path, *, sole: bool) -> None:
    """A folder in which nothing may be made is named, with what is wrong with it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o500)
    for path in folder / "x.db", folder / "more" / "x.db":
        message = await refused(path, sole=sole)
        assert str(path) in message
        assert "Permission denied" in message
    folder.chmod(0o700)


async def test_database_turned_read_only(path: Path) -> None:
    """A store that may not be written any more says so, and can still be read."""
    async with open_at(path) as store:
        await store.write([MOSHEZ])
        behind(store._writer).execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match=f"{path} is read-only"):
            await store.write([PLAN])
        assert await store.load() == [MOSHEZ]
        behind(store._writer).execute("PRAGMA query_only = OFF")
        await store.write([PLAN])
        assert len(await store.load()) == 2


def test_words() -> None:
    """The errors of the system have words as well."""
    path = Path("/x.db")
    assert words(OSError(28, "No space left on device"), path) == "the disk is full"
    assert words(PermissionError(13, "Permission denied"), path) == "Permission denied"
    assert words(sqlite3.ProgrammingError("closed"), path) == "closed"


async def test_way_is_given_only_to_threads_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop pauses for a thread that waits for it, and for nothing else."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    way = GiveWay()
    way.before_io_wait(0)
    assert not pauses
    way.threads = 1
    way.before_io_wait(0.5)
    assert not pauses
    way.before_io_wait(0)
    assert len(pauses) == 1
    assert pauses[0] > 0
