"""The XML-RPC door: a call in, a response out, whatever the call was."""

from collections.abc import Mapping
from types import MappingProxyType

import trio

from trio_finger.protocol.xmlrpc import Fault, format_fault, format_response, parse_call
from trio_finger.services.web._access import Visitor
from trio_finger.services.web.xmlrpc._method import Method, Request, only_faults
from trio_finger.services.web.xmlrpc._system import SYSTEM_METHODS
from trio_finger.services.web.xmlrpc._users import USER_METHODS
from trio_finger.sources import Asker, Directory

__all__ = ["answer_call", "answer_reading"]

# Seconds for all that sources are asked in one request, which may be a hundred calls.
_PATIENCE = 20

_METHODS: Mapping[str, Method] = MappingProxyType({**USER_METHODS, **SYSTEM_METHODS})


# Of these it does not matter who calls.
_READING = frozenset({"getUser", "getStatus"})


async def answer_call(
    body: bytes, directory: Directory, visitor: Visitor, asker: Asker
) -> tuple[bytes, int]:
    """Answer the body of a request with the body of a response, which may be a fault.

    Args:
      body: as it was sent; its length is the caller's to limit.
      directory: whom the methods tell about.
      visitor: whoever sent it.
      asker: where it came from.

    Returns:
      The body, and the HTTP status: 200, but 401 or 403 where the call needs credentials
      and has none that do, which HTTP has words for.
    """
    try:
        with only_faults():
            request = Request(_METHODS, directory, visitor, asker, trio.current_time() + _PATIENCE)
            result = await request.perform(parse_call(body))
            return format_response(result), 200
    except Fault as fault:
        return format_fault(fault), fault.code if fault.code in (401, 403) else 200


async def answer_reading(body: bytes, directory: Directory) -> bytes | None:
    """Do the same for a call that only reads what memory has of one user.

    Returns:
      The body; ``None`` for any other call, and for what is none.
    """
    try:
        call = parse_call(body)
        if call.method not in _READING:
            return None
        with only_faults():
            request = Request(_METHODS, directory, None, Asker(), trio.current_time() + _PATIENCE)
            return format_response(await request.perform(call))
    except Fault:
        return None
