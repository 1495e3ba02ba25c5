"""The daemon: one store, one user map, one nursery, every door."""

from trio_finger.daemon._privileges import PrivilegeError
from trio_finger.daemon._run import run_daemon

__all__ = ["PrivilegeError", "run_daemon"]
