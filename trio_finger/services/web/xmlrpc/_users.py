"""The methods that tell about users, and the one that sets a status."""

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Any

from trio_finger.protocol.setter import SetRequest, SetterError, one_line
from trio_finger.protocol.xmlrpc import Fault
from trio_finger.services.web._access import AccessError
from trio_finger.services.web.xmlrpc._method import Method, Request
from trio_finger.store import Past, StoreError
from trio_finger.usermap import Pace, RefusedError, Status

_NO_SUCH_USER = "No such user"

# An answer is made in one go, and kept until it has been read: of so many names, that is
# a tenth of a second, and four megabytes.
_MOST_NAMES = 100_000


async def _get_user(request: Request, name: str) -> str:
    status = await request.find_user(name)
    return status.text if status else _NO_SUCH_USER


async def _get_users(request: Request) -> list[str]:
    pace = Pace()
    names: list[str] = []
    for status in request.directory.everybody:
        if len(names) == _MOST_NAMES:
            raise Fault(413, f"there are more than {_MOST_NAMES:,} users: GET / has them in parts")
        names.append(status.name)
        await pace.did(2)
    return names


async def _get_status(request: Request, name: str) -> dict[str, Any]:
    status = await request.find_user(name)
    if status is None:
        raise Fault(404, _NO_SUCH_USER)
    return _struct(status)


async def _get_history(request: Request, name: str) -> list[dict[str, Any]]:
    if await request.find_user(name) is None:
        raise Fault(404, _NO_SUCH_USER)
    try:
        return [_struct(past) for past in await request.directory.users.history(name)]
    except StoreError as error:
        raise Fault(503, str(error)) from None


async def _set_user(request: Request, name: str, status: str) -> str:
    assert request.visitor is not None
    try:
        await request.visitor.set(SetRequest(name, one_line(status)))
    except SetterError as error:
        raise Fault(400, str(error)) from None
    except AccessError as error:
        raise Fault(error.code, str(error)) from None
    except RefusedError as error:
        raise Fault(400, str(error)) from None
    except StoreError as error:
        raise Fault(503, str(error)) from None
    return "ok"


def _struct(status: Status | Past) -> dict[str, Any]:
    # A dateTime.iso8601 has no time zone, so it must be one that callers can know.
    struct = {"name": status.name, "status": status.text, "since": status.since.astimezone(UTC)}
    return struct | ({"until": status.until.astimezone(UTC)} if status.until else {})


USER_METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "getUser": Method(
            _get_user,
            ("string", "string"),
            f"getUser(name): what the user is up to, or {_NO_SUCH_USER!r}.",
        ),
        "getUsers": Method(
            _get_users,
            ("array",),
            f"getUsers(): the names of all users; or fault 413, if they are over {_MOST_NAMES:,}.",
        ),
        "getStatus": Method(
            _get_status,
            ("struct", "string"),
            "getStatus(name): a struct of the user's name, status, since when it holds and, if "
            f"it ends, until when, in UTC; or fault 404, {_NO_SUCH_USER!r}.",
        ),
        "getHistory": Method(
            _get_history,
            ("array", "string"),
            "getHistory(name): the statuses that were set for the user, the newest first, as "
            f"getStatus tells them; or fault 404, {_NO_SUCH_USER!r}.",
        ),
        "setUser": Method(
            _set_user,
            ("string", "string", "string"),
            "setUser(name, status): sets the status, or clears it if that is empty, and returns "
            "'ok'. It takes a token, as the password of HTTP Basic or as a Bearer.",
        ),
    }
)
