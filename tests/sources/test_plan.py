"""Plans of people with an account: whatever they put there, it does no harm (T4, T5).

Homes and spools are real folders with real files in them. The list of accounts is made up,
but for one test.
"""

import fcntl
import os
import pwd
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from tests.strategies import texts
from trio_finger.config import PlanSource
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.size import Size
from trio_finger.protocol.text import MAX_STATUS, is_safe, parse_plan, parse_status
from trio_finger.protocol.users_toml import MAX_TEXT
from trio_finger.sources._plan import Plans
from trio_finger.sources._source import Asker, Found, SourceError

IS_ROOT = os.geteuid() == 0
UID = os.geteuid() or 4321  # whose account it is
STRANGER = 65534

for_root = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")

NOTHING = Found("")


def account(
    home: Path | str, name: str = "moshez", *, uid: int = UID, gecos: str = "", shell: str = ""
) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, gecos, str(home), shell))


def plans_of(*accounts: pwd.struct_passwd, **config: Any) -> Plans:
    """Return the plans of *accounts*, of which all count unless *config* says otherwise."""
    known = {account.pw_name: account for account in accounts}
    chosen: dict[str, Any] = {"uid_min": 1, "shells": ("/bin/sh",)} | config
    return Plans(PlanSource(**chosen), accounts=known.__getitem__)


async def ask(plans: Plans, name: str = "moshez") -> Found | None:
    with trio.fail_after(20):
        return await plans.ask(name, Asker())


def own(path: Path, uid: int = UID) -> None:
    if IS_ROOT:
        os.chown(path, uid, -1, follow_symlinks=False)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    own(path)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    own(home)
    return home


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    spool = tmp_path / "spool"
    spool.mkdir()
    return spool


async def text_and_plan(home: Path, data: bytes, size: int = 1000) -> tuple[str, str]:
    """Return the status and the plan of somebody whose ``.plan`` is *data*."""
    write(home / ".plan", data)
    found = await ask(plans_of(account(home), max_size=Size(size)))
    assert found is not None
    return found.text, found.profile.plan


async def test_plan(home: Path) -> None:
    """The status is the first line of the plan, as old as the file."""
    plan = write(home / ".plan", b"\nWriting a daemon\nThen: tea\n")
    modified = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
    os.utime(plan, (0, modified.timestamp()))
    profile = Profile(plan="\nWriting a daemon\nThen: tea")
    assert await ask(plans_of(account(home))) == Found("Writing a daemon", modified, profile)


async def test_project(home: Path) -> None:
    """A project comes before a plan, and its age is that of the status."""
    write(home / ".plan", b"Tea\n")
    project = write(home / ".project", b" \n\tA daemon \nfor all\n")
    modified = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
    os.utime(project, (0, modified.timestamp()))
    profile = Profile(plan="Tea", project="A daemon")
    assert await ask(plans_of(account(home))) == Found("A daemon", modified, profile)


@pytest.mark.parametrize("project", [b"", b"\n \r\n", b"\0\x1b\n"])
async def test_an_empty_project_is_none(home: Path, project: bytes) -> None:
    """A project with nothing in it leaves the status to the plan."""
    write(home / ".project", project)
    plan = write(home / ".plan", b"Tea\n")
    os.utime(plan, (0, 0))
    found = await ask(plans_of(account(home)))
    assert found == Found("Tea", datetime.fromtimestamp(0, UTC), Profile(plan="Tea"))


async def test_neither_file(home: Path) -> None:
    """Somebody with neither file is a user without a status, and so are those without a home."""
    assert await ask(plans_of(account(home, gecos="Moshe Zadka,,,"))) == Found(
        "", None, Profile(full_name="Moshe Zadka")
    )
    assert await ask(plans_of(account(home / "nowhere"))) == NOTHING


@pytest.mark.parametrize("name", [".plan", ".project"])
async def test_an_empty_file(home: Path, name: str) -> None:
    """Who has nothing in a file has no status, and so it has no age."""
    write(home / name, b"\n")
    assert await ask(plans_of(account(home))) == NOTHING


async def test_a_home_behind_a_link(home: Path, tmp_path: Path) -> None:
    """A home may be behind a symbolic link: that was not its user's doing."""
    write(home / ".plan", b"Tea\n")
    (tmp_path / "link").symlink_to(home)
    found = await ask(plans_of(account(tmp_path / "link")))
    assert found is not None
    assert found.text == "Tea"


@pytest.mark.parametrize("path", ["", "."])
async def test_no_home(home: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An account without a home has no plan in the folder that the daemon is in."""
    write(home / ".plan", b"Ours\n")
    monkeypatch.chdir(home)
    assert await ask(plans_of(account(path))) == NOTHING


@pytest.mark.parametrize("seconds", [1e12, -1e10])
async def test_odd_times(home: Path, seconds: float) -> None:
    """No status is from the future or from before all clocks (T33)."""
    plan = write(home / ".plan", b"Tea\n")
    os.utime(plan, (seconds, seconds))
    found = await ask(plans_of(account(home)))
    assert found is not None
    assert found.since is not None
    assert datetime.fromtimestamp(0, UTC) <= found.since <= datetime.now(UTC)


async def test_aclose(home: Path) -> None:
    """Plans hold nothing between questions: they can be let go of at any time."""
    write(home / ".plan", b"Tea\n")
    plans = plans_of(account(home))
    await plans.aclose()
    assert await ask(plans) is not None


# Who counts


@pytest.mark.parametrize(("uid", "counts"), [(0, False), (999, False), (1000, True)])
async def test_system_accounts(home: Path, uid: int, counts: bool) -> None:
    """Accounts below the number in the configuration are nobody."""
    found = await ask(plans_of(account(home, uid=uid), uid_min=1000))
    assert found == (NOTHING if counts else None)


async def test_root_is_nobody() -> None:
    """With the real list of accounts and the usual configuration, root is nobody."""
    root = pwd.getpwnam("root")
    assert await ask(Plans(PlanSource()), "root") is None
    # That is for root's number alone.
    assert await ask(Plans(PlanSource(uid_min=0, shells=(root.pw_shell,))), "root") is not None


async def test_another_spelling(home: Path) -> None:
    """A list of accounts that does not care for case is not believed: names are exact."""
    moshez = account(home)
    plans = Plans(PlanSource(uid_min=1, shells=("/bin/sh",)), accounts=lambda _: moshez)
    assert await ask(plans, "moshez") == NOTHING
    assert await ask(plans, "Moshez") is None


@pytest.mark.parametrize(
    ("shells", "shell", "counts"),
    [
        (b"/bin/sh\n", "/bin/sh", True),
        (b"/bin/sh", "/bin/sh", True),
        (b"/bin/sh\n", "", True),
        (b"/bin/bash\n", "", False),
        (b"/bin/sh\n", "/bin/s", False),
        (b"/bin/sh\n", "/bin/shh", False),
        (b"/bin/sh\n", "/usr/sbin/nologin", False),
        (b"# all\n\n \t/bin/zsh # new\n/bin/bash\n", "/bin/zsh", True),
        (b"# all\n\n \t/bin/zsh # new\n/bin/bash\n", "/bin/bash", True),
        (b"#/bin/zsh\n/bin/bash\n", "/bin/zsh", False),
        (b"/bin/bash#/bin/zsh\n", "/bin/zsh", False),
        (b"/bin/bash#/bin/zsh\n", "/bin/bash", True),
        (b"/bin/\xff\n", "/bin/\udcff", True),
        (b"", "/bin/sh", False),
        (None, "/bin/sh", True),
        (None, "/bin/csh", True),
        (None, "/bin/bash", False),
    ],
)
async def test_shells(
    home: Path, tmp_path: Path, shells: bytes | None, shell: str, counts: bool
) -> None:
    """Only accounts with a shell that /etc/shells names are people's."""
    path = tmp_path / "shells"
    if shells is not None:
        path.write_bytes(shells)
    moshez = account(home, shell=shell)
    plans = Plans(PlanSource(uid_min=1), accounts=lambda _: moshez, shells=path)
    assert await ask(plans) == (NOTHING if counts else None)


async def test_shells_change(home: Path, tmp_path: Path) -> None:
    """A shell counts as soon as the file names it."""
    path = tmp_path / "shells"
    path.write_bytes(b"/bin/sh\n")
    moshez = account(home, shell="/bin/zsh")
    plans = Plans(PlanSource(uid_min=1), accounts=lambda _: moshez, shells=path)
    assert await ask(plans) is None
    path.write_bytes(b"/bin/sh\n/bin/zsh\n")
    assert await ask(plans) == NOTHING


async def test_shells_of_the_configuration(home: Path) -> None:
    """Where the configuration names shells, those alone count."""
    zsh = account(home, "zoe", shell="/opt/zsh")
    plans = plans_of(account(home, shell="/bin/sh"), zsh, shells=("/opt/zsh",))
    assert await ask(plans, "moshez") is None
    assert await ask(plans, "zoe") == NOTHING


NO_NAMES = ["../secret", "", ".", "..", "a/b", "/etc/passwd", "spool/../../secret", "\0", "a\0b"]
ODD_NAMES = [*NO_NAMES, "é", "x" * 10_000, "\ud800", "\udcff", "..\\secret", "%2e%2e"]


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_odd_names(name: str, spool: Path) -> None:
    """A name that nobody has, whatever is in it, is nobody's (T4)."""
    assert await ask(Plans(PlanSource()), name) is None
    assert await ask(Plans(PlanSource(spool=spool)), name) is None


@pytest.mark.parametrize("name", NO_NAMES)
async def test_no_file_outside_the_spool(home: Path, spool: Path, name: str) -> None:
    """Even where a list of accounts knew such a name, it leads nowhere (T4)."""
    write(spool.parent / "secret", b"secret\n")
    assert await ask(plans_of(account(home, name), spool=spool), name) is None


async def test_an_odd_name_in_the_spool(home: Path, spool: Path) -> None:
    """A name of other letters is a file's, too; one that is too long for a file has none."""
    write(spool / "é", b"Tea\n")
    names = ("é", "x" * 10_000)
    plans = plans_of(*(account(home, name) for name in names), spool=spool)
    found = await ask(plans, "é")
    assert found is not None
    assert found.text == "Tea"
    assert await ask(plans, "x" * 10_000) == NOTHING


@pytest.mark.parametrize(
    ("gecos", "full_name"),
    [
        ("", ""),
        ("Moshe Zadka", "Moshe Zadka"),
        (" Moshe Zadka ,Room 7,+1 555,", "Moshe Zadka"),
        ("& Zadka", "Moshez Zadka"),
        ("&&", "MoshezMoshez"),
        (",&", ""),
        ("M\x1b[31mo\u202eshe\udcff", "M[31moshe"),
        ("ä" * 1000, "ä" * (MAX_TEXT // 2)),
        ("&" * 1000, ("Moshez" * 100)[:MAX_TEXT]),
    ],
)
async def test_full_name(home: Path, gecos: str, full_name: str) -> None:
    """The full name is the first field of GECOS, clean; in it ``&`` is the account's (T9)."""
    found = await ask(plans_of(account(home, gecos=gecos)))
    assert found == Found("", None, Profile(full_name=full_name))


# Who does not want to be fingered


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


FORMS: dict[str, Callable[[Path], object]] = {
    "file": Path.touch,
    "link to nowhere": make_dangling,
    "link to itself": make_loop,
    "directory": Path.mkdir,
    "fifo": os.mkfifo,
}


@pytest.mark.parametrize("make", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("place", ["home/.nofinger", "spool/moshez.nofinger"])
async def test_nofinger(
    home: Path, spool: Path, place: str, make: Callable[[Path], object]
) -> None:
    """Whoever has ``.nofinger`` of any kind is nobody to those who ask (T8)."""
    write(home / ".plan", b"Tea\n")
    plans = plans_of(account(home), spool=spool)
    assert await ask(plans) is not None
    make(home.parent / place)
    assert await ask(plans) is None


# What a file may be


def make_link(path: Path) -> None:
    """A link to a file that could be shown if it were here."""
    path.symlink_to(write(path.with_name("another"), b"another\n"))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # as /dev/zero
    except PermissionError:
        pytest.skip("no devices can be made here")


def make_strangers(path: Path) -> None:
    path.write_bytes(b"stranger's\n")
    own(path, STRANGER)


def make_second_name(path: Path) -> None:
    """Another name for a stranger's file."""
    make_strangers(path.with_name("another"))
    path.hardlink_to(path.with_name("another"))


def make_second_name_of_roots(path: Path) -> None:
    path.with_name("another").write_bytes(b"root's\n")
    path.hardlink_to(path.with_name("another"))


NASTY: dict[str, Any] = {
    "link": make_link,
    "link to passwd": lambda path: path.symlink_to("/etc/passwd"),
    "link to shadow": lambda path: path.symlink_to("/etc/shadow"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to a terminal": lambda path: path.symlink_to("/dev/tty"),
    "link to nowhere": make_dangling,
    "link to itself": make_loop,
    "directory": Path.mkdir,
    "fifo": os.mkfifo,
    "socket": make_socket,
    "device": make_device,
    "stranger's": make_strangers,
    "second name": make_second_name,
    "second name of root's": make_second_name_of_roots,
}
FOR_ROOT = {"device", "stranger's", "second name", "second name of root's"}
NOT_OURS = FOR_ROOT - {"device"}
PLACES = ["home/.plan", "home/.project", "spool/moshez", "spool/moshez.project"]


def make_nasty(kind: str, path: Path) -> None:
    NASTY[kind](path)
    if kind not in NOT_OURS:
        own(path)  # so that nothing but its kind can be held against it


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=for_root if kind in FOR_ROOT else ()) for kind in NASTY]
)
async def test_nasty_files(home: Path, spool: Path, kind: str, place: str) -> None:
    """What is no plain file of its user's is as if it were not there, at once (T5)."""
    make_nasty(kind, home.parent / place)
    good = account(home / "good", "shawn")
    (home / "good").mkdir()
    write(home / "good" / ".plan", b"Alive\n")
    plans = plans_of(account(home), good, spool=spool)
    assert await ask(plans) == NOTHING
    found = await ask(plans, "shawn")
    assert found is not None
    assert found.text == "Alive"


@for_root
async def test_files_of_root(home: Path) -> None:
    """What root has put there counts, as long as it has no other name."""
    (home / ".plan").write_bytes(b"by root\n")
    plans = plans_of(account(home))
    found = await ask(plans)
    assert found is not None
    assert found.text == "by root"


async def test_own_file_of_two_names(home: Path) -> None:
    """A second name for a file of one's own is one's own affair."""
    write(home / "notes", b"Tea\n")
    (home / ".plan").hardlink_to(home / "notes")
    found = await ask(plans_of(account(home)))
    assert found is not None
    assert found.text == "Tea"


@contextmanager
def over_and_over(change: Callable[[], object]) -> Iterator[None]:
    """Make a change again and again, in a thread, while the block runs."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            change()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def test_swapped_all_the_time(home: Path) -> None:
    """Swapping a file for a link while it is read gains nothing (T5).

    Links are refused by the very call that opens, and what is looked at is what is open.
    """
    plan, new = write(home / ".plan", b"Tea\n"), home / "new"
    secret = write(home.parent / "secret", b"secret\n")

    def swap() -> None:
        new.symlink_to(secret)
        new.rename(plan)
        write(new, b"Tea\n").rename(plan)

    plans = plans_of(account(home))
    with over_and_over(swap):
        found = [await ask(plans) for _ in range(500)]
    assert {each.text for each in found if each is not None} <= {"Tea", ""}


@pytest.mark.parametrize("uid", [UID, pytest.param(0, marks=for_root)])
async def test_replaced_all_the_time(home: Path, uid: int) -> None:
    """Whoever replaces a file by rename, root in the spool say, is never without one."""
    plan, new = write(home / ".plan", b"Tea\n"), home / "new"

    def replace() -> None:
        new.write_bytes(b"Tea\n")
        own(new, uid)
        new.rename(plan)

    plans = plans_of(account(home))
    with over_and_over(replace):
        found = [await ask(plans) for _ in range(500)]
    assert {each and each.text for each in found} == {"Tea"}


# What may be in it


@pytest.mark.parametrize(
    ("data", "text", "plan"),
    [
        (b"", "", ""),
        (b"Tea", "Tea", "Tea"),
        (b"Tea\n", "Tea", "Tea"),
        (b"Tea\n\n \n\r\n\t\n", "Tea", "Tea"),
        (b"\n\n  Tea \nand more", "Tea", "\n\n  Tea\nand more"),
        (b"a\r\nb\rc\nd\r\n", "a", "a\nb\nc\nd"),
        (b"T\0e\0a\0", "Tea", "Tea"),
        (bytes(999), "", ""),
        (b"\xefT\xffea\xe2\x82", "\ufffdT\ufffdea\ufffd", "\ufffdT\ufffdea\ufffd"),
        (b"\xef\xbb\xbfTea", "Tea", "Tea"),
        (b"\x1b[2JTea\x07 \xe2\x80\xaeaet\nb\x9bc", "[2JTea aet", "[2JTea aet\nb\ufffdc"),
        (b"\x1b\n\0\nTea", "Tea", "\n\nTea"),
        (b"%s {user.__class__} {{7*7}}", *["%s {user.__class__} {{7*7}}"] * 2),
    ],
)
async def test_content(home: Path, data: bytes, text: str, plan: str) -> None:
    """Lines end in any way, bytes that are no text are replaced, controls dropped (T9, T12)."""
    assert await text_and_plan(home, data) == (text, plan)


@pytest.mark.parametrize(
    ("data", "size", "plan"),
    [
        (b"one\ntwo\n", 8, "one\ntwo"),
        (b"one\ntwo\n", 7, "one"),
        (b"one\ntwo", 7, "one\ntwo"),
        (b"one\ntwo", 6, "one"),
        (b"one\r\ntwo\r\n", 9, "one\ntwo"),
        (b"one\rtwo\r", 6, "one"),
        (b"one\ntwo", 4, "one"),
        (b"one\ntwo", 3, "one"),
        (b"one\ntwo", 2, "on"),
        ("äöü".encode(), 6, "äöü"),
        ("äöü".encode(), 5, "äö"),
        ("äöü".encode(), 1, ""),
        ("\U0001f600".encode() * 2, 7, "\U0001f600"),
        (b"\0\0\0\xc3\xa4", 4, ""),
        (b"\xff\n\xff\n\xff\n", 6, "\ufffd"),  # three bytes each, once they are replaced
        (b"\xff\xff\xff", 5, "\ufffd"),
    ],
)
async def test_cut(home: Path, data: bytes, size: int, plan: str) -> None:
    """What is too long ends with a whole line, or, of one line, with a whole character."""
    assert (await text_and_plan(home, data, size))[1] == plan


@pytest.mark.parametrize("character", ["x", "ä", "€", "\U0001f600"])
async def test_long_status(home: Path, character: str) -> None:
    """A status is cut where a character ends; a project is shorter still."""
    line = f".{character * 2000}\n"
    write(home / ".project", line.encode())
    found = await ask(plans_of(account(home)))
    assert found is not None
    width = len(character.encode())
    assert found.text == "." + character * ((MAX_STATUS - 1) // width)
    assert found.profile.project == "." + character * ((MAX_TEXT - 1) // width)


async def test_sparse_giant(home: Path) -> None:
    """A file of a tebibyte that takes no room on the disk is read as far as others are (T5)."""
    plan = write(home / ".plan", b"Tea\n\nCake\n")
    os.truncate(plan, 1 << 40)
    found = await ask(plans_of(account(home)))
    assert found is not None
    assert (found.text, found.profile.plan) == ("Tea", "Tea\n\nCake")


async def test_giant(home: Path) -> None:
    """Of 100 MB the first whole lines are shown (T5)."""
    with write(home / ".plan", b"").open("wb") as file:
        for _ in range(100):
            file.write(b"Some more tea\n" * (1_000_000 // 14))
    found = await ask(plans_of(account(home), max_size=Size(100)))
    assert found is not None
    assert found.profile.plan == "\n".join(["Some more tea"] * (100 // 14))


async def test_cleaning_lets_others_run(home: Path) -> None:
    """While megabytes are cleaned, others run."""
    plans = plans_of(account(home), max_size=Size(1 << 22))
    write(home / ".plan", b"\x1b" * (1 << 21) + b"\nTea")
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        found = await ask(plans)
        nursery.cancel_scope.cancel()
    assert found is not None
    assert found.text == "Tea"
    assert turns > 100


@pytest.fixture(scope="module")
def any_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that many examples share."""
    return tmp_path_factory.mktemp("any")


any_text = texts("\n\r\t ", max_size=100)
any_bytes = any_text.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary()


@given(st.lists(any_bytes, max_size=20).map(b"".join), st.integers(1, 2000))
@example(b"\xff" * 2000, 1000)
@example(b"\xf0\x9f\x98\x80" * 1000, 1999)
@example(b" " * 1999 + b"\n.", 2000)
async def test_any_bytes(any_home: Path, data: bytes, size: int) -> None:
    """Whatever is in a plan, its status is one clean line and all of it is safe (T9)."""
    text, plan = await text_and_plan(any_home, data, size)
    assert text == "" or parse_status(text) == text
    assert "\n" not in text
    assert all(map(is_safe, plan.replace("\n", "")))
    assert len(plan.encode()) <= size
    assert plan == plan.rstrip()
    assert bool(text) == bool(plan)
    assert plan.lstrip().startswith(text)


@given(any_text)
async def test_as_a_plan_that_is_set(any_home: Path, text: str) -> None:
    """What is short is cleaned as a plan is that somebody sets."""
    text = text.encode("utf-8", "replace").decode()
    _, plan = await text_and_plan(any_home, text.encode())
    assert plan == parse_plan(text)


# The spool


async def test_the_spool_comes_first(home: Path, spool: Path) -> None:
    """What is in the spool goes before what is at home, file by file."""
    write(home / ".plan", b"plan at home\n")
    write(home / ".project", b"project at home\n")
    plans = plans_of(account(home), spool=spool)
    found = await ask(plans)
    assert found is not None
    assert found.profile == Profile(plan="plan at home", project="project at home")
    write(spool / "moshez", b"plan in the spool\n")
    found = await ask(plans)
    assert found is not None
    assert found.profile == Profile(plan="plan in the spool", project="project at home")
    write(spool / "moshez.project", b"project in the spool\n")
    found = await ask(plans)
    assert found is not None
    assert found.profile == Profile(plan="plan in the spool", project="project in the spool")
    assert found.text == "project in the spool"


@contextmanager
def another_user() -> Iterator[None]:
    """Be one for whom modes count, as the daemon is."""
    if IS_ROOT:
        os.seteuid(STRANGER)
    try:
        yield
    finally:
        if IS_ROOT:
            os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can look into, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


async def test_a_home_that_others_cannot_read(open_folder: Path) -> None:
    """Of a home that is its owner's alone nothing is known but what is in the spool."""
    home, spool = open_folder / "home", open_folder / "spool"
    home.mkdir()
    write(home / ".plan", b"at home\n")
    own(home)
    home.chmod(0o700 if IS_ROOT else 0)
    spool.mkdir(0o755)
    try:
        with another_user():
            assert await ask(plans_of(account(home))) == NOTHING
            assert await ask(plans_of(account(home), spool=spool)) == NOTHING
        write(spool / "moshez", b"in the spool\n")
        with another_user():
            found = await ask(plans_of(account(home), spool=spool))
    finally:
        home.chmod(0o700)
    assert found is not None
    assert found.text == "in the spool"


async def test_a_file_that_others_cannot_read(open_folder: Path) -> None:
    """A plan that only its owner may read is shown to nobody."""
    plan = write(open_folder / ".plan", b"mine\n")
    plan.chmod(0o600 if IS_ROOT else 0)
    with another_user():
        assert await ask(plans_of(account(open_folder))) == NOTHING
    plan.chmod(0o644)
    with another_user():
        assert await ask(plans_of(account(open_folder))) != NOTHING


# When the disk fails, or takes its time


async def test_a_broken_disk() -> None:
    """An error of the disk is a failure, not a user without a plan; its words name nobody (T8)."""
    # The memory of a process is a plain file, and an I/O error where there is none of it.
    plans = plans_of(account("/nowhere", "mem", uid=UID), spool=Path("/proc/self"))
    with pytest.raises(SourceError) as caught:
        await ask(plans, "mem")
    assert str(caught.value) == "plans cannot be read: Input/output error"


async def test_a_file_under_a_lease(home: Path) -> None:
    """Whoever has a lease on their plan would make each reader wait, but not us (T5)."""
    plan = write(home / ".plan", b"Tea\n")
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # says that somebody wants to read
    descriptor = os.open(plan, os.O_RDWR)
    try:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            pytest.skip("this file system has no leases")
        with trio.fail_after(5), pytest.raises(SourceError, match="unavailable"):
            await plans_of(account(home)).ask("moshez", Asker())
    finally:
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)
    assert await ask(plans_of(account(home))) != NOTHING


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def closed_but(descriptors: int) -> None:
    """Return when no more than so many are open.

    A thread that was left behind ends by itself, and nothing tells when.
    """
    with trio.fail_after(10):
        while True:
            if count_descriptors() <= descriptors:
                return
            await trio.lowlevel.checkpoint()


class Stuck:
    """A disk, or a list of accounts, that answers to nobody until it is released."""

    def __init__(self) -> None:
        self._release = threading.Event()
        self._say, self._hear = trio.open_memory_channel[None](100)

    def __call__(self) -> None:
        trio.from_thread.run_sync(self._say.send_nowait, None)
        self._release.wait()

    async def wait(self) -> None:
        """Return when one thread more is stuck."""
        with trio.fail_after(10):
            await self._hear.receive()

    def has_more(self) -> bool:
        return bool(self._hear.statistics().current_buffer_used)

    def release(self) -> None:
        self._release.set()


@pytest.fixture
def two(home: Path) -> tuple[pwd.struct_passwd, pwd.struct_passwd]:
    """Two accounts with a plan, called stuck and shawn."""
    accounts = []
    for name in ("stuck", "shawn"):
        (home / name).mkdir()
        write(home / name / ".plan", name.encode())
        accounts.append(account(home / name, name))
    stuck, shawn = accounts
    return stuck, shawn


def stick_disk(monkeypatch: pytest.MonkeyPatch, stuck: Stuck) -> None:
    """Let the home of the account that is called stuck be on a disk that is."""
    real = os.open

    def slow_open(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if str(path).endswith("/stuck/.plan"):
            stuck()
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", slow_open)


@pytest.mark.parametrize("what", ["disk", "accounts"])
async def test_slow(
    two: tuple[pwd.struct_passwd, pwd.struct_passwd], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question to a disk that hangs can be given up at once, and others are answered (T5)."""
    stuck = Stuck()
    known = {account.pw_name: account for account in two}

    def accounts(name: str) -> pwd.struct_passwd:
        if what == "accounts" and name == "stuck":
            stuck()
        return known[name]

    if what == "disk":
        stick_disk(monkeypatch, stuck)
    plans = Plans(PlanSource(uid_min=1, shells=("/bin/sh",)), accounts=accounts)
    descriptors = count_descriptors()
    try:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(plans.ask, "stuck", Asker())
                await stuck.wait()
                found = await ask(plans, "shawn")  # while it hangs
                nursery.cancel_scope.cancel()
            assert found is not None
            assert found.text == "shawn"
            found = await ask(plans, "shawn")  # when it has been given up, and still hangs
            assert found is not None
            await plans.aclose()
    finally:
        stuck.release()
    await closed_but(descriptors)


async def test_everything_is_stuck(
    two: tuple[pwd.struct_passwd, pwd.struct_passwd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Homes that hang take a few threads and no more; who comes then waits, until they give up.

    When the disk is back, so are the plans (T5).
    """
    stuck = Stuck()
    stick_disk(monkeypatch, stuck)
    plans = plans_of(*two)
    descriptors = count_descriptors()
    try:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(plans.ask, "stuck", Asker())
                for _ in range(4):
                    await stuck.wait()
                await wait_all_tasks_blocked(0.05)
                assert not stuck.has_more()
                nursery.cancel_scope.cancel()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(plans.ask, "shawn", Asker())
                await wait_all_tasks_blocked(0.05)
                assert nursery.child_tasks  # there is no thread for this one
                nursery.cancel_scope.cancel()
    finally:
        stuck.release()
    found = await ask(plans, "shawn")
    assert found is not None
    assert found.text == "shawn"
    await closed_but(descriptors)


async def test_one_home_is_stuck(
    two: tuple[pwd.struct_passwd, pwd.struct_passwd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home that hangs takes one thread, however often it is asked for again (T5)."""
    stuck = Stuck()
    stick_disk(monkeypatch, stuck)
    plans = plans_of(*two)
    descriptors = count_descriptors()
    try:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(plans.ask, "stuck", Asker())
                await stuck.wait()
                nursery.cancel_scope.cancel()
            for _ in range(20):
                with pytest.raises(SourceError, match="has not answered the last question"):
                    await plans.ask("stuck", Asker())
            found = await ask(plans, "shawn")
            assert found is not None
            assert found.text == "shawn"
    finally:
        stuck.release()
    await closed_but(descriptors)
    # The thread may need a moment more until it is known to have ended.
    with trio.fail_after(10):
        while True:
            with suppress(SourceError):
                assert await ask(plans, "stuck") is not None
                break
            await trio.sleep(0.01)


async def test_descriptors(home: Path, spool: Path) -> None:
    """Whatever becomes of a question, no descriptor stays open."""
    accounts = [account("/nowhere", "mem")]
    for number, kind in enumerate(NASTY):
        if IS_ROOT or kind not in FOR_ROOT:
            folder = home / str(number)
            folder.mkdir()
            if kind != "device":  # which may not be possible
                make_nasty(kind, folder / ".plan")
            accounts.append(account(folder, f"u{number}"))
    write(spool / "u0", b"in the spool\n")
    plans = plans_of(*accounts, spool=spool)
    broken = plans_of(*accounts, spool=Path("/proc/self"))
    await ask(plans, "u0")
    before = count_descriptors()
    for _ in range(3):
        for each in accounts[1:]:
            assert await ask(plans, each.pw_name) is not None
        with pytest.raises(SourceError):
            await ask(broken, "mem")
    await closed_but(before)
