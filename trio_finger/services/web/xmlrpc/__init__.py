"""The XML-RPC door: a call in, a response out, whatever the call was."""

from collections.abc import Mapping
from types import MappingProxyType

from trio_finger.protocol.xmlrpc import Fault, format_fault, format_response, parse_call
from trio_finger.services.web._access import Visitor
from trio_finger.services.web.xmlrpc._method import Method, Request, only_faults
from trio_finger.services.web.xmlrpc._system import SYSTEM_METHODS
from trio_finger.services.web.xmlrpc._users import USER_METHODS
from trio_finger.usermap import UserMap

__all__ = ["answer_call"]

_METHODS: Mapping[str, Method] = MappingProxyType({**USER_METHODS, **SYSTEM_METHODS})


async def answer_call(body: bytes, users: UserMap, visitor: Visitor) -> tuple[bytes, int]:
    """Answer the body of a request with the body of a response, which may be a fault.

    Args:
      body: as it was sent; its length is the caller's to limit.
      users: whom the methods tell about.
      visitor: whoever sent it.

    Returns:
      The body, and the HTTP status: 200, but 401 or 403 where the call needs credentials
      and has none that do, which HTTP has words for.
    """
    try:
        with only_faults():
            result = await Request(_METHODS, users, visitor).perform(parse_call(body))
            return format_response(result), 200
    except Fault as fault:
        return format_fault(fault), fault.code if fault.code in (401, 403) else 200
