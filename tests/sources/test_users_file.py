"""Reading a users file: every poison is a fault that is named, or an error in words (T30)."""

# ruff: noqa: ASYNC240 - nobody else waits while a test touches the disk

import os
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_STATUS
from trio_finger.sources import UsersFileError, read_users_file
from trio_finger.sources._users_file import MAX_FAULTS, MAX_FILE
from trio_finger.usermap import PARTS, Line, Listing, Part


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users"


async def parts(users: Listing) -> list[Part]:
    """Return all that *users* says, part by part."""
    return [await users.part(number, datetime.now(UTC)) for number in range(PARTS)]


async def lines(path: Path) -> dict[str, Line]:
    """Return what the users file at *path* says, by key."""
    file = await read_users_file(path)
    found = {key: part.line(key) for part in await parts(file.users) for key in part.texts}
    return {key: line for key, line in found.items() if line is not None}


async def read(path: Path, data: bytes) -> tuple[dict[str, str], list[int | None]]:
    """Write *data* to *path* and read it: the statuses by name, the lines that were skipped."""
    path.write_bytes(data)
    with trio.fail_after(10):
        file = await read_users_file(path)
    assert all(fault.file == path and fault.words for fault in file.faults)
    users = {line.name: line.text for line in (await lines(path)).values()}
    assert len(file.users) == len(users)
    return users, [fault.line for fault in file.faults]


GOOD = {"moshez": "Happy and well", "shawn": "Alive"}


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (b"moshez: Happy and well\nshawn: Alive\n", []),
        (b"moshez: Happy and well\nshawn: Alive", []),
        (b"moshez: Happy and well\r\nshawn: Alive\r\n", []),
        (b"\xef\xbb\xbfmoshez: Happy and well\nshawn: Alive\n", []),
        (b"\nmoshez: Happy and well\n\n \t \n\nshawn: Alive\n\n", []),
        (b"# who is who\nmoshez:Happy and well\n  # more\n shawn : \t Alive \n", []),
        (b"no colon\nmoshez: Happy and well\nshawn: Alive\n", [1]),
        (b"moshez: Happy and well\nMOSHEZ: Sad\nshawn: Alive\nshawn: Dead\n", [2, 4]),
        (b"moshez: Happy\0 and well\nsha\0wn: Dead\nshawn: Alive\n", [2]),
        (b"\0\0\0\0\nmoshez: Happy and well\nshawn: Alive\n", [1]),
        (b"moshez: Happy and well\nzo\xeb: \xe9\nshawn: Alive\nx: \xff\xfe\n", [2, 4]),
        (b"moshez: Happy and well\nempty:\n: nobody\nshawn: Alive\n", [2, 3]),
        (b"moshez: Happy and well\na/b: path\n..: up\n@: at\nshawn: Alive\n", [2, 3, 4]),
        (b"moshez: Happy and well\nx: " + b"s" * (MAX_STATUS + 1) + b"\nshawn: Alive\n", [2]),
        (b"moshez: Happy and well\n" + b"n" * 65 + b": name\nshawn: Alive\n", [2]),
        (b"moshez: Happy and well\nx: " + b"s" * 1_000_000 + b"\nshawn: Alive\n", [2]),
        (b"x" * 1_000_000 + b"\nmoshez: Happy and well\nshawn: Alive\n", [1]),
        (b"x: \xe2\x80\xae\nmoshez: Happy and \x1b\xe2\x80\xaewell\nshawn: Alive\n", [1]),
    ],
)
async def test_a_bad_line_is_named_and_spoils_no_other(
    path: Path, data: bytes, faults: list[int]
) -> None:
    """Whatever is wrong with a line, it is skipped and named, and all the others count."""
    assert await read(path, data) == (GOOD, faults)


async def test_a_colon_in_a_status(path: Path) -> None:
    """Only the first colon of a line parts the name from the status."""
    users, faults = await read(path, b"moshez: at 10:30: http://example.org/ \n")
    assert (users, faults) == ({"moshez": "at 10:30: http://example.org/"}, [])


async def test_a_fault_is_a_line_for_the_operator(path: Path) -> None:
    """A fault says the file, the line and what would be right."""
    path.write_bytes(b"\nno colon\n")
    (fault,) = (await read_users_file(path)).faults
    assert str(fault) == f'{path}:2: expected "name: status", found no colon'


@pytest.mark.parametrize("data", [b"\n", b"#\n", b"\0", b"\xff" * 100, bytes(10_000_000)])
async def test_nobody_in_it(path: Path, data: bytes) -> None:
    """A file with nobody in it, or with noise alone, names nobody."""
    users, _ = await read(path, data)
    assert users == {}


async def test_a_hundred_thousand_bad_lines_let_others_run(path: Path) -> None:
    """While a large file is parsed, others run."""
    path.write_bytes(b"no colon\n" * 100_000)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_turns)
            file = await read_users_file(path)
            nursery.cancel_scope.cancel()
    assert (len(file.faults), file.more_faults) == (MAX_FAULTS, 100_000 - MAX_FAULTS)
    assert turns > 100


@pytest.mark.parametrize(
    ("data", "cut"),
    [(b"moshez: Hap", True), (b"a: b\nc", True), (b"a: b\n", False), (b"\n", False)],
)
async def test_looks_cut(path: Path, data: bytes, cut: bool) -> None:
    """A file whose last line has no end may still be in the writing."""
    path.write_bytes(data)
    assert (await read_users_file(path)).looks_cut is cut


TOML = """\
[moshez]
full_name = "Moshe Zadka"
status = "Happy and well"

["Zoe\u0308"]
hidden = true

[shawn]
stats = "Dead"
"""


async def test_toml(path: Path) -> None:
    """A file whose name ends in .toml is TOML; who has no profile is not among the profiles."""
    path = path.with_suffix(".toml")
    path.write_text(TOML + "[glyph]\nstatus = 'Deep'\n", encoding="utf-8")
    file = await read_users_file(path)
    users = {key: (line.name, line.text, line.profile) for key, line in (await lines(path)).items()}
    assert users == {
        "moshez": ("moshez", "Happy and well", Profile(full_name="Moshe Zadka")),
        "zoë": ("Zoë", "", Profile(hidden=True)),
        "glyph": ("glyph", "Deep", None),
    }
    (fault,) = file.faults
    assert str(fault) == f'{path}:9: shawn.stats: unknown key; did you mean "status"?'


@pytest.mark.parametrize(
    ("name", "toml"),
    [("users.toml", True), ("USERS.TOML", True), ("users.toml.bak", False), ("toml", False)],
)
async def test_which_files_are_toml(path: Path, name: str, toml: bool) -> None:
    """The end of its name alone says what a file is written in."""
    path = path.with_name(name)
    users, _ = await read(path, b"[moshez]\nstatus = 'A'\n")
    assert users == ({"moshez": "A"} if toml else {})
    users, _ = await read(path, b"moshez: A\n")
    assert users == ({} if toml else {"moshez": "A"})


async def test_lines_have_no_profiles(path: Path) -> None:
    """A file of lines says nothing of anybody but a status."""
    path.write_bytes(b"moshez: A\n")
    assert (await lines(path))["moshez"].profile is None


@pytest.mark.parametrize(
    ("data", "cut"),
    [(b"[moshez]\nstatus = 'Hap", True), (b"[moshez]", True), (b"[moshez]\n", False)],
)
async def test_toml_looks_cut(path: Path, data: bytes, cut: bool) -> None:
    """TOML, too, looks cut where its last line has no end."""
    path = path.with_suffix(".toml")
    path.write_bytes(data)
    assert (await read_users_file(path)).looks_cut is cut


LONG_PLAN = b"plan = '''\n" + b"x\n" * 30_000 + b"'''\n"


@pytest.mark.parametrize(
    "data",
    [
        b'[a]\nplan = """y\n' * 10_000,
        b"".join(b"[a%d]\n%b" % (number, LONG_PLAN) for number in range(100)),
    ],
    ids=["many", "long"],
)
async def test_toml_lets_others_run(path: Path, data: bytes) -> None:
    """While TOML is parsed others run, be it in many pieces or in a few long ones."""
    path = path.with_suffix(".toml")
    path.write_bytes(data)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take_turns)
            await read_users_file(path)
            nursery.cancel_scope.cancel()
    assert turns >= 100


async def test_names_are_folded(path: Path) -> None:
    """Users come under their folded names, and keep the spelling of the file."""
    path.write_text("Zoe\u0308: A\nSTRASSE: B\n", encoding="utf-8")
    assert {key: line.name for key, line in (await lines(path)).items()} == {
        "zoë": "Zoë",
        "strasse": "STRASSE",
    }


async def test_as_old_as_the_file(path: Path) -> None:
    """A status holds since the file was modified."""
    path.write_bytes(b"moshez: A\n")
    modified = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
    os.utime(path, (0, modified.timestamp()))
    assert await lines(path) == {"moshez": Line("moshez", "A", modified)}


async def test_a_file_from_the_future(path: Path) -> None:
    """No status is younger than now, whatever the file's time says (T33)."""
    path.write_bytes(b"moshez: A\n")
    now = datetime.now(UTC)
    os.utime(path, (0, (now + timedelta(days=365)).timestamp()))
    line = (await lines(path))["moshez"]
    assert now <= line.since <= datetime.now(UTC)


@pytest.fixture(params=[1e12, -1e12, 253_402_300_800])
def time(request: pytest.FixtureRequest) -> float:
    """A time that no calendar has."""
    value: float = request.param
    return value


@pytest.fixture(params=["tmp_path", "/dev/shm"])
def odd_file(request: pytest.FixtureRequest, time: float) -> Iterator[Path]:
    """A users file that was written at *time*, where a file system can hold that."""
    folder: str = request.param
    place = Path(folder if folder.startswith("/") else request.getfixturevalue(folder))
    if not os.access(place, os.W_OK):
        pytest.skip(f"{place} cannot be written to")
    path = place / f"trio-finger-test-{os.getpid()}"
    path.write_bytes(b"moshez: A\n")
    try:
        os.utime(path, (time, time))
        if path.stat().st_mtime != time:
            pytest.skip(f"the file system of {folder} cannot hold the time {time:g}")
        yield path
    finally:
        path.unlink()


async def test_a_file_from_beyond_all_calendars(odd_file: Path) -> None:
    """A time that no calendar has makes no file unreadable (T33)."""
    line = (await lines(odd_file))["moshez"]
    assert line.text == "A"
    assert line.since <= datetime.now(UTC)


def make_nothing(_: Path) -> None:
    """There is no file."""


def make_loop(path: Path) -> None:
    path.symlink_to(path)


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FILE + 1)


WHOLE_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (make_nothing, "No such file or directory"),
    "empty": (Path.touch, "it is empty"),
    "directory": (Path.mkdir, "not a regular file"),
    "fifo": (os.mkfifo, "not a regular file"),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "link to a terminal": (lambda path: path.symlink_to("/dev/tty"), ""),
    "link to nowhere": (make_dangling, "No such file or directory"),
    "link to itself": (make_loop, "symbolic links"),
    "socket": (make_socket, "No such device or address"),
    "huge": (make_huge, "larger than 256 MiB"),
}


@pytest.mark.parametrize("kind", WHOLE_FILES)
async def test_no_users_file_at_all(path: Path, kind: str) -> None:
    """What is no readable file is refused at once, in words that name it and say why."""
    make, words = WHOLE_FILES[kind]
    make(path)
    with trio.fail_after(5), pytest.raises(UsersFileError) as caught:
        await read_users_file(path)
    assert str(caught.value).startswith(f"{path}: cannot be read: ")
    assert words in str(caught.value)
    assert not str(caught.value).endswith(": None")


@pytest.mark.parametrize("name", ["x/users", "n" * 300, "a\0b"])
async def test_a_path_that_cannot_be_one(path: Path, name: str) -> None:
    """A path that leads through a file, is too long, or holds a NUL is refused in words."""
    (path.parent / "x").write_bytes(b"")
    with pytest.raises(UsersFileError):
        await read_users_file(path.parent / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_permission_lost(path: Path) -> None:
    """A file that may not be read is refused in words."""
    path.write_bytes(b"moshez: A\n")
    path.chmod(0)
    with pytest.raises(UsersFileError, match="Permission denied"):
        await read_users_file(path)


@pytest.mark.parametrize("kind", ["directory", "fifo", "huge", "link to a device"])
async def test_no_descriptor_stays_open(path: Path, kind: str) -> None:
    """However often what is there is refused, no file descriptor is left behind (T25)."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not tell which descriptors are open")
    WHOLE_FILES[kind][0](path)
    with pytest.raises(UsersFileError):
        await read_users_file(path)
    before = len(list(descriptors.iterdir()))
    for _ in range(10):
        with pytest.raises(UsersFileError):
            await read_users_file(path)
    assert len(list(descriptors.iterdir())) == before
