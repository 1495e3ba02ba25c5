"""Giving up root's privileges for good, and making sure that they are gone."""

import ctypes
import os
import pwd
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from trio_finger.log import get_log

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS of prctl(2)

# What our libraries import only when they need it for the first time. By then we may not
# reach it any more: Python and all that is installed may be root's alone, under /root.
_IMPORTED_LATE = (
    "_strptime",  # xmlrpc.client, for times
    "anyio._backends._trio",  # watchfiles
    "encodings.idna",  # our addresses, for names of hosts
    "encodings.punycode",  # the same, for letters that ASCII lacks
    "encodings.unicode_escape",  # Jinja, for every template
    "prometheus_client.exposition",  # our metrics
    "trio_finger.services.metrics._numbers",  # the same
    "idna.uts46data",  # Trio, for names of hosts in such letters
    "trio_finger.sources._web_connection",  # our sources, for web sites
)

log = get_log("daemon")


class PrivilegeError(Exception):
    """Root's privileges cannot be given up; ``str()`` of it says what to do."""


def forbid_new_privileges() -> None:
    """Have no program that we run get more privileges than we have, as one that is setuid may.

    The kernel notes it of this thread, and of those that are started from now on.
    """
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def drop_privileges(user: str, files: Iterable[Path] = ()) -> None:
    """Become *user* for good, if root has started us; otherwise do nothing.

    Args:
      user: whom to become, with the groups of that user and no capabilities.
      files: what root has opened and *user* shall have; those that are not there are
        passed over.

    Raises:
      PrivilegeError: that failed, or *user* is root, too: root does not serve.
    """
    if 0 not in os.getresuid():
        return
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise PrivilegeError(
            f"daemon.user: there is no user {user!r} on this machine; root does not serve, "
            "so name one who may"
        ) from None
    if account.pw_uid == 0:
        raise PrivilegeError(f"daemon.user: {user!r} is root, who does not serve; name another")
    uid, gid = account.pw_uid, account.pw_gid
    groups = os.getgrouplist(user, gid)
    for module in _IMPORTED_LATE:
        with suppress(ImportError):  # what another version lacks, it does not need
            import_module(module)
    try:
        for file in files:
            with suppress(FileNotFoundError):
                os.chown(file, uid, gid, follow_symlinks=False)
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        # The last step: with the last user id that is root's all capabilities go, too
        # (capabilities(7), "Effect of user ID changes on capabilities").
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise PrivilegeError(f"cannot become {user}: {error.strerror}") from error
    _make_sure(user, uid, gid, groups)
    log.info("privileges dropped", user=user, uid=uid)


def _make_sure(user: str, uid: int, gid: int, groups: list[int]) -> None:
    """Raise `PrivilegeError` unless only what *user* may do is left."""
    if (
        os.getresuid() != (uid, uid, uid)
        or os.getresgid() != (gid, gid, gid)
        or set(os.getgroups()) != set(groups)
        or any(_capabilities())
    ):
        raise PrivilegeError(f"cannot become {user}: some of root's privileges are left")
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PrivilegeError(f"cannot become {user}: root can be had back")


def _capabilities() -> Iterable[int]:
    """Yield the sets of capabilities that are in force, or could be, of every thread."""
    for status in Path("/proc/self/task").glob("*/status"):
        with suppress(FileNotFoundError, ProcessLookupError):  # that thread has just ended
            for line in status.read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("CapPrm", "CapEff", "CapAmb"):
                    yield int(value, 16)
