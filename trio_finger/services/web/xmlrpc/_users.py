"""The methods that tell about users."""

from collections.abc import Mapping
from datetime import UTC
from types import MappingProxyType
from typing import Any

import trio

from trio_finger.protocol.xmlrpc import Fault
from trio_finger.services.web.xmlrpc._method import Method, Request

_NO_SUCH_USER = "No such user"

# Work on a whole map of users is done in slices of this many, about a millisecond,
# with a checkpoint between them, so that queries go on meanwhile.
_SLICE = 500


def _get_user(request: Request, name: str) -> str:
    status = request.users.get(name)
    return status.text if status else _NO_SUCH_USER


async def _get_users(request: Request) -> list[str]:
    names: list[str] = []
    for status in request.users:
        names.append(status.name)
        if len(names) % _SLICE == 0:
            await trio.lowlevel.checkpoint()
    return names


def _get_status(request: Request, name: str) -> dict[str, Any]:
    status = request.users.get(name)
    if status is None:
        raise Fault(404, _NO_SUCH_USER)
    # A dateTime.iso8601 has no time zone, so it must be one that callers can know.
    return {"name": status.name, "status": status.text, "since": status.since.astimezone(UTC)}


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
            "getUsers(): the names of all users.",
        ),
        "getStatus": Method(
            _get_status,
            ("struct", "string"),
            "getStatus(name): a struct of the user's name, status, and since when it holds, "
            f"in UTC; or fault 404, {_NO_SUCH_USER!r}.",
        ),
    }
)
