"""Told is kept: what was answered ``ok`` is there after a restart, and at every door."""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.peers import require_peer
from tests.running import (
    AS_USER,
    CONFIG,
    PATIENCE,
    TRIO_FINGER,
    USERS,
    Running,
    run_daemon,
    run_in_vain,
)

WITH_CONTROL = CONFIG.replace(
    '[setter]\nlisten = ["127.0.0.1:0"', '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"'
)
DATABASE = "trio-finger.db"
PLAN = "Finish the tutorial.\n\nThen rest."

NOT_TAKEN_OVER = "users file not taken over, what it said still holds"


def request(name: str, **values: str) -> bytes:
    """Return a request for the setter, as one line of JSON."""
    return json.dumps({"name": name, **values}).encode() + b"\n"


async def get(daemon: Running, path: str) -> bytes:
    """Return the body of the answer to a GET."""
    answer = await daemon.exchange("web", f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return answer.partition(b"\r\n\r\n")[2]


async def put(daemon: Running, name: str, token: str, body: bytes) -> bytes:
    """PUT a status in JSON; return the body of the answer."""
    head = (
        f"PUT /~{name}/status HTTP/1.0\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await daemon.exchange("web", head.encode() + body)
    return answer.partition(b"\r\n\r\n")[2]


async def create_token(folder: Path, name: str) -> str:
    """Have the operator create a token."""
    command = [*TRIO_FINGER, "token", "create", name]
    done = await trio.run_process(command, cwd=folder, capture_stdout=True)
    return done.stdout.decode().strip()


async def at_every_door(daemon: Running, name: str) -> dict[str, Any]:
    """Return what every door tells of a user."""
    page = await get(daemon, f"/{name}")
    return {
        "finger": await daemon.finger(f"{name}\r\n".encode()),
        "long": await daemon.finger(f"/W {name}\r\n".encode()),
        "page": re.sub(rb'data-since="[0-9]+"', b"", page),  # where it goes on from, live
        "online": await get(daemon, f"/~{name}/online"),
        "xmlrpc": await daemon.call("getStatus", name),
        "history": await daemon.call("getHistory", name),
    }


async def no_longer(daemon: Running, name: str, status: str) -> bytes:
    """Ask finger until it tells something else; return that."""
    with trio.fail_after(PATIENCE):
        while True:
            answer = await daemon.finger(f"{name}\r\n".encode())
            if answer != f"{status}\r\n".encode():
                return answer
            await trio.sleep(0.02)


async def test_what_is_set_at_any_door_survives_a_restart(tmp_path: Path) -> None:
    """Status, plan, both times and history are, at every door, what they were before it."""
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        tokens = {name: await create_token(tmp_path, name) for name in ("putter", "caller")}
        first = {"status": "The first", "plan": "None yet"}
        for name in ("moshez", "itamar"):
            assert await daemon.exchange("setter", request(name, **first)) == b"ok\r\n"

        lines = f"moshez\nOver TCP\n{PLAN}\n".encode()
        assert await daemon.exchange("setter", lines) == b"ok\r\n"
        lasting = {"status": "Over TCP, too", "plan": PLAN, "for": "2h"}
        answer = await daemon.exchange("setter", request("itamar", **lasting))
        assert answer.startswith(b"ok, until ")
        ending = {"status": "Over UNIX", "plan": PLAN, "until": end.isoformat()}
        assert (await daemon.set_locally(request("local", **ending))).startswith(b"ok, until ")
        body = json.dumps({"status": "By PUT", "plan": PLAN, "for": "2h"}).encode()
        answer = await put(daemon, "putter", tokens["putter"], body)
        assert answer.startswith(b"ok, until ")
        user = f"caller:{tokens['caller']}"
        assert await daemon.call("setUser", "caller", "By XML-RPC", user=user) == "ok"

        statuses = {
            "moshez": "Over TCP",
            "itamar": "Over TCP, too",
            "local": "Over UNIX",
            "putter": "By PUT",
            "caller": "By XML-RPC",
        }
        before = {name: await at_every_door(daemon, name) for name in statuses}
        assert await daemon.stop() == 0

    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        for name, status in statuses.items():
            after = await at_every_door(daemon, name)
            assert after == before[name]
            assert after["finger"] == f"{status}\r\n".encode()
            assert after["online"] == f"{status}\n".encode()
            assert f"<h1>{name}</h1><p>{status}</p>".encode() in after["page"]
            assert after["xmlrpc"]["status"] == after["history"][0]["status"] == status
            plan = PLAN.replace("\n", "\r\n").encode()
            assert after["long"].endswith(
                b"No Plan.\r\n" if name == "caller" else b"Plan:\r\n%b\r\n" % plan
            )
            assert ("until" in after["xmlrpc"]) == (name not in ("moshez", "caller"))
            earlier = ["The first"] if name in ("moshez", "itamar") else []
            assert [past["status"] for past in after["history"]] == [status, *earlier]
        local = await at_every_door(daemon, "local")
        assert local["xmlrpc"]["until"] == end.replace(tzinfo=None)
        assert f"Until: {end:%Y-%m-%d %H:%M} UTC".encode() in local["long"]
        assert await daemon.finger(b"shawn\r\n") == b"Alive\r\n"


async def test_cleared_stays_cleared(tmp_path: Path) -> None:
    """What was cleared does not come back with a restart; the history remembers it."""
    async with run_daemon(tmp_path) as daemon:
        for name in ("moshez", "itamar"):
            assert await daemon.set(name, "Busy") == b"ok\r\n"
            assert await daemon.set(name, "") == b"ok\r\n"
    async with run_daemon(tmp_path) as daemon:
        assert await daemon.finger(b"moshez itamar\r\n") == b"Happy and well\r\nNo such user\r\n"
        assert [past["status"] for past in await daemon.call("getHistory", "moshez")] == ["Busy"]


async def test_ended_while_down(tmp_path: Path) -> None:
    """A status whose end came while the daemon was down is over at its start; others are not."""
    async with run_daemon(tmp_path) as daemon:
        began = trio.current_time()
        for name in ("moshez", "itamar"):
            brief = request(name, status="For a moment", **{"for": "1s"})
            assert (await daemon.exchange("setter", brief)).startswith(b"ok, until ")
        long = request("shawn", status="For an hour", **{"for": "1h"})
        assert (await daemon.exchange("setter", long)).startswith(b"ok, until ")
        assert await daemon.stop() == 0
    # The end is a matter of the wall's clock, so there is nothing but to wait for it.
    await trio.sleep(max(0, began + 1.1 - trio.current_time()))

    async with run_daemon(tmp_path) as daemon:
        answer = await daemon.finger(b"moshez itamar shawn\r\n")
        assert answer == b"Happy and well\r\nNo such user\r\nFor an hour\r\n"
        assert b"For a moment" not in await get(daemon, "/")
        [past] = await daemon.call("getHistory", "moshez")
        assert past["status"] == "For a moment"


async def test_ends_by_itself(tmp_path: Path) -> None:
    """When the time is up finger says what the file says, and the plan is still there."""
    async with run_daemon(tmp_path) as daemon:
        began = trio.current_time()
        for name in ("moshez", "itamar"):
            # A real second, the shortest time that is no less to people.
            brief = request(name, status="For a moment", plan=PLAN, **{"for": "1s"})
            assert (await daemon.exchange("setter", brief)).startswith(b"ok, until ")
        assert await no_longer(daemon, "moshez", "For a moment") == b"Happy and well\r\n"
        assert trio.current_time() - began >= 1
        assert b"Happy and well" in await get(daemon, "/moshez")
        assert (await daemon.finger(b"/W moshez\r\n")).endswith(b"\r\nThen rest.\r\n")
        assert await no_longer(daemon, "itamar", "For a moment") == b"No status\r\n"
        assert "until" not in await daemon.call("getStatus", "itamar")


async def test_users_file_edited_while_down(tmp_path: Path) -> None:
    """What was set over a line that is another now is over; over one that is not, it holds."""
    names = ("moshez", "shawn", "gone", "came", "stranger")
    users = "moshez: Happy and well\nshawn: Alive\ngone: Here for now\n"
    async with run_daemon(tmp_path, users=users) as daemon:
        for name in names:
            assert await daemon.set(name, "Set by hand") == b"ok\r\n"

    users = "came: New here\nshawn: Alive\nmoshez: Edited\n"
    now = b"Edited\r\nSet by hand\r\nNo such user\r\nNew here\r\nSet by hand\r\n"
    async with run_daemon(tmp_path, users=users) as daemon:
        assert await daemon.finger(f"{' '.join(names)}\r\n".encode()) == now

    # Nor does it come back with what the file said then: it was over.
    users = "moshez: Happy and well\nshawn: Alive\ngone: Here for now\n"
    async with run_daemon(tmp_path, users=users) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"Happy and well\r\n"
        assert await daemon.finger(b"gone\r\n") == b"Here for now\r\n"
        assert await daemon.finger(b"came\r\n") == b"No such user\r\n"


def make_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(Path.unlink, id="missing"),
        pytest.param(make_a_folder, id="a folder"),
        pytest.param(lambda file: file.write_text(""), id="empty"),
        pytest.param(lambda file: file.write_bytes(b"\xff\x00" * 100), id="noise"),
    ],
)
async def test_bad_users_file_at_start_drops_nothing(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """Without a users file what was told holds, and it goes on holding when the file is back."""
    async with run_daemon(tmp_path) as daemon:
        assert await daemon.set("moshez", "Set by hand") == b"ok\r\n"
        assert await daemon.set("shawn", "Set, too") == b"ok\r\n"
        assert await daemon.set("itamar", "Passing through") == b"ok\r\n"
    spoil(tmp_path / "users")

    everybody = b"moshez shawn itamar\r\n"
    async with run_daemon(tmp_path, users=None) as daemon:
        await daemon.logged(NOT_TAKEN_OVER)
        held = b"Set by hand\r\nSet, too\r\nPassing through\r\n"
        assert await daemon.finger(everybody) == held
        file = tmp_path / "users"
        if file.is_dir():
            file.rmdir()
        (tmp_path / "new").write_text(USERS.replace("Alive", "Edited"))
        (tmp_path / "new").rename(file)
        await daemon.logged("users file read")
        assert await daemon.finger(everybody) == held.replace(b"Set, too", b"Edited")


async def test_second_daemon_on_one_store(tmp_path: Path) -> None:
    """It is refused, in words that name the first one, and that one goes on undisturbed."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        await daemon.set("moshez", "Here first")
        reason = await run_in_vain(tmp_path)
        who = f"another daemon (pid {daemon.process.pid})"
        assert f"{who} uses {tmp_path / DATABASE}; stop it, or name another place" in reason
        assert await daemon.finger(b"moshez\r\n") == b"Here first\r\n"
        assert await daemon.set_locally(b"moshez\nStill here\n") == b"ok\r\n"
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"Still here\r\n"


def make_newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_anothers(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE birds (name)")


def damage(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[1024:] = bytes(len(data) - 1024)
    file.write_bytes(data)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 - 100)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (make_newer, r"was written by a newer trio-finger: its version is 99.*; run that one"),
        (make_anothers, r"is the database of another program; name another place"),
        (damage, r"is damaged \(.*\); bring back a copy, or move it away"),
        (cut, r"is damaged \(.*\); bring back a copy, or move it away"),
        (lambda file: file.write_text(USERS), r"is not a database; move it away"),
    ],
    ids=["newer", "another's", "damaged", "cut", "text"],
)
async def test_store_that_is_not_sound(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    """The daemon does not start, says what would help, and leaves every byte as it is."""
    async with run_daemon(tmp_path) as daemon:
        for number in range(20):
            await daemon.set(f"user{number}", "x" * 1000)
    file = tmp_path / DATABASE
    spoil(file)
    before = file.read_bytes()
    reason = await run_in_vain(tmp_path)
    assert re.search(f"{re.escape(str(file))} {words}", reason)
    assert file.read_bytes() == before
    log = file.with_name(f"{DATABASE}-wal")
    assert not (log.exists() and log.stat().st_size)


async def test_store_locked_by_another_program(tmp_path: Path) -> None:
    """Setting fails in words, or waits a moment; readers go on; then all is as before."""
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        assert await daemon.set("moshez", "Before") == b"ok\r\n"
        token = await create_token(tmp_path, "moshez")
        answers: list[bytes] = []

        async def set_anyway() -> None:
            answers.append(await daemon.set("moshez", "Locked out"))

        with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(set_anyway)
                while not answers:
                    assert await daemon.finger(b"moshez\r\n") == b"Before\r\n"
                    assert (await daemon.call("getHistory", "moshez"))[0]["status"] == "Before"
                    asked += 1
            words = f"error: cannot be kept: another program has locked {DATABASE}\r\n".encode()
            assert answers == [words]
            assert asked > 1
            answer = await put(daemon, "moshez", token, b'{"status": "Locked out"}')
            assert answer == words
            assert await daemon.finger(b"moshez\r\n") == b"Before\r\n"

            answers.clear()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(set_anyway)
                # The answer shows that the daemon is at it, or about to be.
                await daemon.finger(b"moshez\r\n")
                other.execute("ROLLBACK")
            assert answers == [b"ok\r\n"]
        assert await daemon.set("moshez", "Afterwards") == b"ok\r\n"
    async with run_daemon(tmp_path, config=WITH_CONTROL) as daemon:
        history = await daemon.call("getHistory", "moshez")
        assert [past["status"] for past in history] == ["Afterwards", "Locked out", "Before"]


@dataclass
class Disk:
    """A small file system, which only those see who are told.

    Attributes:
      folder: under which path we see it.
      enter: makes a daemon another user's, as ever, who sees it at ``disk`` in the test's folder.
    """

    folder: Path
    enter: tuple[str, ...]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 4 MB; nothing of it is left behind, whatever becomes of us."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    unshare, nsenter = require_peer("unshare"), require_peer("nsenter")
    place = tmp_path / "disk"
    place.mkdir()
    script = 'mount -t tmpfs -o size=4m,mode=0777 none "$0" && echo mounted && exec cat'
    with subprocess.Popen(
        [unshare, "--mount", "sh", "-c", script, place],
        stdin=subprocess.PIPE,  # it ends with us
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"mounted\n":
                pytest.skip("nothing may be mounted here")
            enter = (nsenter, f"--mount=/proc/{process.pid}/ns/mnt", f"--wdns={tmp_path}", *AS_USER)
            yield Disk(Path(f"/proc/{process.pid}/root{place}"), enter)
        finally:
            process.kill()


async def fill(daemon: Running, kept: dict[str, str]) -> bytes:
    """Set for one new user after another until that fails; return the error."""
    for number in range(len(kept), 10_000):
        name, status = f"user{number}", f"{number} " + "x" * 1000
        answer = await daemon.set(name, status)
        if answer != b"ok\r\n":
            assert await daemon.finger(f"{name}\r\n".encode()) == b"No such user\r\n"
            return answer
        kept[name] = status
    raise AssertionError("the disk did not get full")


async def is_there(daemon: Running, kept: dict[str, str]) -> None:
    for name, status in kept.items():
        assert await daemon.finger(f"{name}\r\n".encode()) == f"{status}\r\n".encode()


async def test_disk_full(tmp_path: Path, disk: Disk) -> None:
    """Setting fails in words, readers go on, and nothing that was granted is ever lost.

    Not in a restart while it is full, nor in a kill; and when there is room again, it
    goes on without a restart.
    """
    config = f'{CONFIG}\n[store]\nurl = "sqlite:disk/{DATABASE}"\n'
    kept: dict[str, str] = {}
    filler = disk.folder / "filler"
    filler.write_bytes(bytes(3_000_000))
    for kill in (False, True):
        async with run_daemon(tmp_path, config=config, as_user=disk.enter) as daemon:
            await is_there(daemon, kept)
            assert await fill(daemon, kept) == b"error: cannot be kept: the disk is full\r\n"
            await is_there(daemon, kept)
            assert b"moshez" in await get(daemon, "/")
            if kill:
                await daemon.kill()
    async with run_daemon(tmp_path, config=config, as_user=disk.enter) as daemon:
        await is_there(daemon, kept)
        await fill(daemon, kept)
        filler.unlink()
        assert await daemon.set("moshez", "Room again") == b"ok\r\n"
        kept["moshez"] = "Room again"
    async with run_daemon(tmp_path, config=config, as_user=disk.enter) as daemon:
        await is_there(daemon, kept)


@pytest.fixture
def limit() -> tuple[str, ...]:
    """A command that lets no file of another grow beyond 200 kB."""
    return require_peer("prlimit"), "--fsize=200000"


async def test_file_size_limit(tmp_path: Path, limit: tuple[str, ...]) -> None:
    """A file that may not grow any more is like a full disk, and needs no root to try."""
    kept: dict[str, str] = {}
    async with run_daemon(tmp_path, wrapper=limit) as daemon:
        assert (await fill(daemon, kept)).startswith(b"error: cannot be kept: ")
        await is_there(daemon, kept)
    async with run_daemon(tmp_path) as daemon:
        await is_there(daemon, kept)
        assert await daemon.set("moshez", "Room again") == b"ok\r\n"
