"""What people say to set their status: as lines, as the tutorial has it, or as JSON.

Lines are a name, a status and, if there are more, a plan; there is no terminator, so such
a request is whole at the end of the input::

    moshez
    Giving a tutorial now, sorry!

One line that is a JSON object can say more, and is whole at its end. No name holds a
colon, so it cannot be taken for one::

    {"name": "moshez", "status": "Giving a tutorial", "until": "17:30"}
"""

import json
from dataclasses import dataclass
from typing import Any

from trio_finger.protocol.text import MAX_PLAN, MAX_STATUS, TextError, decode, fold

# A name, a status and a plan, whose every character may be a pair in JSON, and room for
# blanks around them. What is longer is refused before the rest of it is read.
MAX_REQUEST = 2 * MAX_PLAN + 4 * MAX_STATUS  # bytes

OK = b"ok\r\n"

_KEYS = ("name", "status", "plan", "for", "until")


class SetterError(ValueError):
    """A request that makes no sense; ``str()`` of it says why, fit to send."""


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Somebody is up to something. Nothing in it is checked yet.

    Attributes:
      name: the user.
      status: what to set; empty to clear what was set, ``None`` to leave it.
      plan: the same for the plan.
      lasts: for how long the status holds, such as ``30m``.
      until: when it ends instead, such as ``17:30``.
    """

    name: str
    status: str | None = None
    plan: str | None = None
    lasts: str | None = None
    until: str | None = None


def one_line(text: str) -> str:
    """Return *text* without the blanks around it.

    Raises:
      SetterError: a status cannot be that: it is more than a line.
    """
    text = text.strip()
    if len(text.splitlines()) > 1:
        raise SetterError("a status is one line")
    return text


def is_whole(data: bytes | bytearray) -> bool:
    """Whether *data* is a request that needs no end of input to be whole."""
    return b"\n" in data and _is_json(bytes(data[: data.index(b"\n")]))


def parse_request(data: bytes) -> SetRequest:
    """Parse a whole request; lines end in LF or CRLF, the last one may do without.

    Raises:
      SetterError: it is too long, is not UTF-8, or makes no sense.
    """
    line = data.partition(b"\n")[0]
    is_json = _is_json(line)
    # What follows such a line may not be here yet, so it cannot count.
    if len(line if is_json else data) > MAX_REQUEST:
        raise SetterError(f"the request is longer than {MAX_REQUEST} bytes")
    if is_json:
        return parse_json(line)
    lines = [line.removesuffix("\r") for line in _decode(data).split("\n")]
    if not lines[-1]:
        del lines[-1]  # nothing follows the end of the last line
    name, status = (line.strip(" \t") for line in [*lines, "", ""][:2])
    if len(lines) < 2:
        if not name:
            raise SetterError("nothing was sent; send a name, then a status on the next line")
        raise SetterError("the second line, the status, is missing")
    plan = "\n".join(lines[2:])
    return SetRequest(name, status, plan if plan.strip() else None)


def parse_json(data: bytes, name: str | None = None) -> SetRequest:
    """Parse a JSON object that holds some of ``name``, ``status``, ``plan``, ``for``, ``until``.

    Each is a text; ``null`` for the status or the plan clears it, as an empty text does, and
    for anything else says nothing.

    Args:
      data: the whole of it, and nothing else.
      name: the user, where that is known already: then it need not say so.

    Raises:
      SetterError: it is something else, or its keys make no sense together.
    """
    text = _decode(data)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise SetterError("not JSON") from None
    if not isinstance(found, dict):
        raise SetterError("expected a JSON object")
    if unknown := found.keys() - set(_KEYS):
        raise SetterError(f"unknown key {sorted(unknown)[0]!r}; known are {', '.join(_KEYS)}")
    for key in ("status", "plan"):
        if key in found and found[key] is None:
            found[key] = ""
    found = {key: value for key, value in found.items() if value is not None}
    for key, value in found.items():
        if not isinstance(value, str):
            raise SetterError(f"{key!r} is no text")
    return _check(found, name)


def format_request(request: SetRequest) -> bytes:
    """Write *request* as one line of JSON; `parse_request` gives it back, if it is sound."""
    values = (request.name, request.status, request.plan, request.lasts, request.until)
    found = {key: value for key, value in zip(_KEYS, values, strict=True) if value is not None}
    # A lone surrogate stands for a byte that was no text; it is not for us to say so.
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def format_ok(until: str = "") -> bytes:
    """Write the reply that grants a request, and says *until* when, if there is an end."""
    return f"ok, until {until}\r\n".encode() if until else OK


def format_error(why: str) -> bytes:
    """Write the reply that refuses a request."""
    return f"error: {why}\r\n".encode()


def _check(found: dict[str, Any], name: str | None) -> SetRequest:
    if found.setdefault("name", name) is None:
        raise SetterError("the name is missing")
    if name is not None and fold(found["name"]) != fold(name):
        raise SetterError("the name is another than that of the address")
    request = SetRequest(
        found["name"], found.get("status"), found.get("plan"), found.get("for"), found.get("until")
    )
    if request.status is None and request.plan is None:
        raise SetterError("there is neither a status nor a plan to set")
    if request.lasts is not None or request.until is not None:
        if not request.status:
            raise SetterError("an end needs a status that ends")
        if request.lasts is not None and request.until is not None:
            raise SetterError("say either for how long or until when, not both")
    return request


def _is_json(line: bytes) -> bool:
    return line.lstrip().startswith(b"{") and b":" in line


def _decode(data: bytes) -> str:
    try:
        return decode(data)
    except TextError as error:
        raise SetterError(str(error)) from None
