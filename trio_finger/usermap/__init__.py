"""The shared, lock-guarded user map: who is there, what holds, what changed."""

from trio_finger.usermap._feed import Change, ChangeFeed
from trio_finger.usermap._map import RefusedError, UserMap
from trio_finger.usermap._status import Status

__all__ = ["Change", "ChangeFeed", "RefusedError", "Status", "UserMap"]
