"""The plans of those who have an account here, as every finger server showed them once.

People write ``~/.plan`` and ``~/.project`` themselves, so each of these files may be
anything at all. `read_plan_file` knows what they can be; here is whose they are.
"""

import os
import pwd
import re
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import trio

from trio_finger.config import PlanSource
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_STATUS, clean, shorten
from trio_finger.protocol.users_toml import MAX_TEXT
from trio_finger.sources._plan_file import PlanFile, is_there, read_plan_file
from trio_finger.sources._source import Asker, Circle, Found, SourceError

# So many questions are with the disk at once. A home whose server is gone may keep a thread
# for ever, since no thread can be stopped; it never keeps more than these.
_THREADS: Final = 4

_ETC_SHELLS: Final = Path("/etc/shells")
_MAX_SHELLS: Final = 64 * 1024  # bytes; it has a line or so for each shell

# As getusershell(3) reads a line, and what it goes by where there is no such file.
_SHELL: Final = re.compile(r"^[^#/\n]*(/[^\s#]*)", re.ASCII | re.MULTILINE)
_DEFAULT_SHELLS: Final = ("/bin/sh", "/bin/csh")


class Plans:
    """What people with an account here have in their plans.

    Everything about them is asked in a thread, since the list of accounts may be far away
    as well as a home. When a question is cancelled, its thread is left behind; it holds
    nothing but its place among the few.

    Args:
      config: which accounts count, and where their files are besides.
      accounts: returns the account of a name; raises `KeyError` if there is none.
      shells: the file that names the shells of people.
    """

    def __init__(
        self,
        config: PlanSource,
        *,
        accounts: Callable[[str], pwd.struct_passwd] = pwd.getpwnam,
        shells: Path = _ETC_SHELLS,
    ) -> None:
        self._config = config
        self._accounts = accounts
        self._shells = shells
        self._limiter = trio.CapacityLimiter(_THREADS)
        # For whom a thread still waits though nobody else does, and what it sets at its end. No
        # more than there are threads.
        self._given_up: dict[str, threading.Event] = {}

    async def ask(self, name: str, asker: Asker) -> Found | None:
        """Return what *name* has in ``.project`` and ``.plan``.

        ``None`` if that is nobody's account, or they do not want to be fingered.

        Raises:
          SourceError: the disk cannot say.
        """
        # No account is called so. But the name becomes that of a file in the spool.
        if name in {"", ".", ".."} or "/" in name or "\0" in name:
            return None
        last = self._given_up.get(name)
        if last is not None and not last.is_set():
            # One home that hangs shall not take all threads.
            raise SourceError("the disk has not answered the last question yet")
        began, done = threading.Event(), threading.Event()

        def find() -> Found | None:
            began.set()
            try:
                return self._find(name)
            finally:
                done.set()

        try:
            return await trio.to_thread.run_sync(
                find, abandon_on_cancel=True, limiter=self._limiter
            )
        except OSError as error:
            # Its own words would name the file, and so the user.
            reason = error.strerror or "input/output error"
            raise SourceError(f"plans cannot be read: {reason}") from error
        finally:
            if began.is_set() and not done.is_set():
                still = {name: done for name, done in self._given_up.items() if not done.is_set()}
                self._given_up = {**still, name: done}

    def circle(self, name: str, asker: Asker) -> Circle:
        """Return that nobody else is asked."""
        return Circle.NEVER

    async def aclose(self) -> None:
        """Do nothing: between questions nothing is held."""

    def _find(self, name: str) -> Found | None:
        """Do what `ask` does, in its thread."""
        account = self._account(name)
        if account is None:
            return None
        if any(map(is_there, self._places(account, f"{name}.nofinger", ".nofinger"))):
            return None
        plan = self._read(account, name, ".plan")
        project = self._read(account, f"{name}.project", ".project")
        said = project if project.first_line else plan
        text = shorten(said.first_line, MAX_STATUS)
        profile = Profile(
            full_name=_full_name(account),
            plan=plan.text,
            project=shorten(project.first_line, MAX_TEXT),
        )
        return Found(text, said.since if text else None, profile)

    def _account(self, name: str) -> pwd.struct_passwd | None:
        """Return the account of *name* if it is a person's."""
        try:
            account = self._accounts(name)
        except (KeyError, ValueError):  # the latter: no account can be called so
            return None
        # Some directories find "mo" for "MO", too.
        if account.pw_name != name or account.pw_uid < self._config.uid_min:
            return None
        shells = self._config.shells or _read_shells(self._shells)
        return account if (account.pw_shell or "/bin/sh") in shells else None

    def _places(self, account: pwd.struct_passwd, spooled: str, at_home: str) -> list[Path]:
        """Return where a file of *account* can be, in the order in which it is looked for.

        Args:
          spooled: what it is called in the spool.
          at_home: what it is called at home.
        """
        places = []
        if self._config.spool is not None:
            places.append(self._config.spool / spooled)
        home = Path(account.pw_dir)
        if home.is_absolute():  # one that is not would be in our own folder
            places.append(home / at_home)
        return places

    def _read(self, account: pwd.struct_passwd, spooled: str, at_home: str) -> PlanFile:
        """Return the first of these files that may be shown; an empty one if none may."""
        for place in self._places(account, spooled, at_home):
            file = read_plan_file(place, account.pw_uid, self._config.max_size)
            if file is not None:
                return file
        return PlanFile()


def _full_name(account: pwd.struct_passwd) -> str:
    """Return what *account* says of its owner's name, in which ``&`` is that of the account."""
    name = account.pw_name
    # Cut before as well: each "&" becomes many characters.
    full_name = account.pw_gecos.partition(",")[0][:MAX_TEXT]
    full_name = clean(full_name.replace("&", name[:1].upper() + name[1:]))
    return shorten(full_name.strip(), MAX_TEXT)


def _read_shells(path: Path) -> Collection[str]:
    """Return the shells that the file at *path* names; they may change at any time."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SHELLS)
    except (FileNotFoundError, PermissionError):
        return _DEFAULT_SHELLS
    return _SHELL.findall(os.fsdecode(data))
