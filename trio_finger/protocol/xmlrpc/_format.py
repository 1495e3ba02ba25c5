"""Writing a response, such that every client can parse it.

The standard library writes the values, except for what it gets wrong: it lets through
characters that no XML can hold, and writes any object as a struct of its attributes.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from xmlrpc import client

from trio_finger.protocol.text import fit_for_xml
from trio_finger.protocol.xmlrpc._fault import Fault


def format_response(value: Any) -> bytes:
    """Format the response to a call that came to *value*.

    Characters that XML cannot hold are left out of a text.

    Raises:
      ValueError: *value* is, or holds, what XML-RPC has no form for: ``None``, an
        integer past 32 bits, an infinity, an object, itself.
    """
    return _format((value,))


def format_fault(fault: Fault) -> bytes:
    """Format the response to a call that came to *fault*."""
    return _format(client.Fault(int(fault.code), fault.words))


def _format(outcome: Any) -> bytes:
    marshaller = client.Marshaller()
    marshaller.dispatch = marshaller.dispatch | {float: _write_double}
    del marshaller.dispatch["_arbitrary_instance"]
    try:
        content = marshaller.dumps(outcome)
    except (KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"XML-RPC has no form for this: {error}") from None
    # Parsers turn a CR into an LF unless it is a reference. What is replaced here can
    # only come from a text: the library writes none of it.
    content = fit_for_xml(content).replace("\r", "&#13;")
    document = f'<?xml version="1.0" encoding="utf-8"?>\n<methodResponse>\n{content}'
    return f"{document}</methodResponse>\n".encode()


def _write_double(_: client.Marshaller, value: float, write: Callable[[str], object]) -> None:
    """Write *value* as the specification has it: finite, with a period, no exponent."""
    if not math.isfinite(value):
        raise ValueError(f"XML-RPC has no form for {value}")
    digits = f"{Decimal(repr(value)):f}"
    write(f"<value><double>{digits if '.' in digits else digits + '.0'}</double></value>\n")
