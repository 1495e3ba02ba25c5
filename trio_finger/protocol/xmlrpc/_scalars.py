"""The elements that hold a text and nothing else, and what the text stands for.

Only what the specification describes is taken, and the extensions ``i8`` and
``nil``. Python's own conversions take more: ``1_000``, `` 1``, ``\u0661``, ``nan``.
"""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from xmlrpc.client import DateTime

from trio_finger.protocol.xmlrpc._fault import invalid

_METHOD = re.compile(r"[A-Za-z0-9_.:/]+")
# No integer of 64 bits is longer, and Python needs quadratic time for the digits of one.
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DOUBLE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# The smallest double, written without an exponent as the specification wants it, has
# 327 characters, and those with 17 digits 16 more.
_MAX_DOUBLE = 400
_DATE_TIME = re.compile(r"[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


def _method_name(text: str) -> str:
    if not _METHOD.fullmatch(text):
        raise invalid("this is no name of a method")
    return text


def _integer(text: str, bits: int) -> int:
    limit = 1 << bits - 1
    if _INTEGER.fullmatch(text) and -limit <= (value := int(text)) < limit:
        return value
    raise invalid(f"this is no integer of {bits} bits")


def _double(text: str) -> float:
    if len(text) <= _MAX_DOUBLE and _DOUBLE.fullmatch(text):
        value = float(text)
        if math.isfinite(value):  # 1e999 is not
            return value
    raise invalid("this is no double")


def _boolean(text: str) -> bool:
    if text not in {"0", "1"}:
        raise invalid("this is no boolean: send 0 or 1")
    return text == "1"


def _date_time(text: str) -> DateTime:
    if _DATE_TIME.fullmatch(text):
        moment = DateTime(text)
        try:
            moment.timetuple()
        except ValueError:  # the 30th of February
            raise invalid("there is no such dateTime.iso8601") from None
        return moment
    raise invalid("this is no dateTime.iso8601: send one like 20261120T23:15:00")


def _base64(text: str) -> bytes:
    try:
        # Everybody breaks it into lines, which strict decoding refuses.
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise invalid("this is no base64") from None


def _nil(text: str) -> None:
    if text:
        raise invalid("there is text in nil")


SCALARS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "methodName": _method_name,
        "name": str,
        "string": str,
        "int": lambda text: _integer(text, 32),
        "i4": lambda text: _integer(text, 32),
        "i8": lambda text: _integer(text, 64),
        "boolean": _boolean,
        "double": _double,
        "dateTime.iso8601": _date_time,
        "base64": _base64,
        "nil": _nil,
    }
)
