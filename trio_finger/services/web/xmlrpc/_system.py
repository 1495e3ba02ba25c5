"""The methods that every server has: what there is to call, and many calls in one.

Sources: http://xmlrpc.usefulinc.com/doc/reserved.html for the methods that tell about
methods, http://www.xmlrpc.com/discuss/msgReader$1208 for ``system.multicall``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import trio

from trio_finger.protocol.xmlrpc import Call, Code, Fault
from trio_finger.services.web.xmlrpc._method import Method, Request, only_faults

# One small request may not cause work without limit: so many calls go together, and
# none is begun once those before it have come to so many values. So what there is to
# send is bounded by this and one call's result.
MAX_CALLS = 100
MAX_VALUES = 10_000

_CAPABILITIES = (
    # name, specUrl, specVersion
    ("xmlrpc", "http://www.xmlrpc.com/spec", 1),
    ("faults_interop", "http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
    ("introspection", "http://xmlrpc.usefulinc.com/doc/reserved.html", 1),
    ("system.multicall", "http://www.xmlrpc.com/discuss/msgReader$1208", 1),
)


def _get_capabilities(_: Request) -> dict[str, dict[str, Any]]:
    return {name: {"specUrl": url, "specVersion": number} for name, url, number in _CAPABILITIES}


def _list_methods(request: Request) -> list[str]:
    return sorted(request.methods)


def _method_help(request: Request, name: str) -> str:
    return request.find(name).help


def _method_signature(request: Request, name: str) -> list[list[str]]:
    return [list(request.find(name).signature)]


async def _multicall(request: Request, calls: list[Any]) -> list[Any]:
    if len(calls) > MAX_CALLS:
        raise Fault(Code.INVALID_PARAMETERS, f"at most {MAX_CALLS} calls go together")
    outcomes: list[Any] = []
    room = MAX_VALUES
    for call in calls:
        await trio.lowlevel.checkpoint()
        try:
            with only_faults():
                result = await request.perform(_parse_part(call, room))
        except Fault as fault:
            outcomes.append({"faultCode": int(fault.code), "faultString": fault.words})
        else:
            # In an array, so that it cannot be taken for the struct of a fault.
            outcomes.append([result])
            room -= _count(result)
    return outcomes


def _parse_part(call: Any, room: int) -> Call:
    """Return what one struct of a multicall asks for.

    Raises:
      Fault: it may not be called from here, is no such struct, or *room* is used up.
    """
    if room <= 0:
        raise Fault(Code.APPLICATION_ERROR, "the answer is full: make this call by itself")
    match call:
        case {"methodName": "system.multicall"}:
            raise Fault(Code.INVALID_REQUEST, "system.multicall may not call itself")
        case {"methodName": str(method), "params": list(params)}:
            return Call(method, tuple(params))
    raise Fault(Code.INVALID_PARAMETERS, "wanted: a struct of methodName and params")


def _count(result: Any) -> int:
    """Return how many values *result* has in it."""
    match result:
        case list():
            return sum(map(_count, result))
        case dict():
            return len(result)
    return 1


SYSTEM_METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "system.getCapabilities": Method(
            _get_capabilities,
            ("struct",),
            "system.getCapabilities(): the specifications that this server keeps to.",
        ),
        "system.listMethods": Method(
            _list_methods,
            ("array",),
            "system.listMethods(): the names of all methods.",
        ),
        "system.methodHelp": Method(
            _method_help,
            ("string", "string"),
            "system.methodHelp(method): what the method does.",
        ),
        "system.methodSignature": Method(
            _method_signature,
            ("array", "string"),
            "system.methodSignature(method): an array of the types of its result and of each "
            "argument, in an array.",
        ),
        "system.multicall": Method(
            _multicall,
            ("array", "array"),
            f"system.multicall(calls): makes up to {MAX_CALLS} calls, each a struct of "
            "methodName and params. Each comes to an array of its one result, or to a struct "
            "of faultCode and faultString.",
        ),
    }
)
