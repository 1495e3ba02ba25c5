"""What a method is, and how one is called.

A method is a function of a `Request` and the call's arguments, and its line in a table,
from which its arguments are checked and its help and signature are told.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from types import MappingProxyType
from typing import Any

import trio

from trio_finger.log import get_log
from trio_finger.protocol.xmlrpc import Call, Code, Fault
from trio_finger.services.web._access import Visitor
from trio_finger.sources import Asker, Directory
from trio_finger.usermap import Status, UnavailableError

# The types of arguments. A method that wants one more names it here.
_TYPES: Mapping[str, type] = MappingProxyType({"string": str, "array": list})

log = get_log("xmlrpc")


@dataclass(frozen=True, slots=True)
class Method:
    """A method that may be called.

    Attributes:
      run: does it, given a `Request` and arguments of the types that `signature` names;
        an async function if there is something to wait for. It raises `Fault` for what
        it cannot do.
      signature: the types of the result and of each argument, by their XML-RPC names.
      help: what it does, for people.
    """

    run: Callable[..., Any]
    signature: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a method may use besides its arguments.

    Attributes:
      methods: all methods, under their names.
      directory: whom they tell about.
      visitor: whoever sent it; ``None`` where nothing will be set.
      asker: where it came from.
      deadline: until when sources may be asked, by Trio's clock.
    """

    methods: Mapping[str, Method]
    directory: Directory
    visitor: Visitor | None
    asker: Asker
    deadline: float

    def find(self, name: str) -> Method:
        """Return the method of that name.

        Raises:
          Fault: there is none.
        """
        method = self.methods.get(name)
        if method is None:
            raise Fault(Code.METHOD_NOT_FOUND, "no such method: see system.listMethods")
        return method

    async def find_user(self, name: str) -> Status | None:
        """Return what *name* is up to; ``None`` for no such user.

        Raises:
          Fault: that cannot be said just now.
        """
        try:
            with trio.fail_at(self.deadline):
                return (await self.directory.find([name], self.asker)).get(name)
        except (UnavailableError, trio.TooSlowError):
            raise Fault(503, "Server error -- try later") from None

    async def perform(self, call: Call) -> Any:
        """Do what *call* asks for, and return what it came to.

        Raises:
          Fault: there is no such method, its arguments are too few, too many or of
            other types, or it says so.
        """
        method = self.find(call.method)
        wanted = method.signature[1:]
        if [type(param) for param in call.params] != [_TYPES[kind] for kind in wanted]:
            words = f"wanted: {call.method}({', '.join(wanted)})"
            raise Fault(Code.INVALID_PARAMETERS, words)
        result = method.run(self, *call.params)
        return await result if isawaitable(result) else result


@contextmanager
def only_faults() -> Iterator[None]:
    """Let nothing out but a `Fault`: what else went wrong is for the log, not the caller."""
    try:
        yield
    except Fault:
        raise
    except Exception:
        log.exception("call failed")
        raise Fault(Code.INTERNAL_ERROR, "Internal error in server") from None
