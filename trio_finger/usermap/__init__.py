"""The shared, lock-guarded user map: who is there, what holds, what changed, who may set it."""

from trio_finger.usermap._asking import DeniedError, RefusedError
from trio_finger.usermap._caller import ANYBODY, OPERATOR, Caller
from trio_finger.usermap._ending import describe_ending
from trio_finger.usermap._feed import Change, ChangeFeed
from trio_finger.usermap._listing import Listing
from trio_finger.usermap._map import UserMap
from trio_finger.usermap._pace import Pace
from trio_finger.usermap._part import PARTS, Line, Part, part_of
from trio_finger.usermap._reader import Reader, UnavailableError
from trio_finger.usermap._recent import PAST_SIZE, Recent
from trio_finger.usermap._status import Status
from trio_finger.usermap._tokens import make_token

__all__ = [
    "ANYBODY",
    "OPERATOR",
    "PARTS",
    "PAST_SIZE",
    "Caller",
    "Change",
    "ChangeFeed",
    "DeniedError",
    "Line",
    "Listing",
    "Pace",
    "Part",
    "Reader",
    "Recent",
    "RefusedError",
    "Status",
    "UnavailableError",
    "UserMap",
    "describe_ending",
    "make_token",
    "part_of",
]
