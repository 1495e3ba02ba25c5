"""The tutorial's setter: a name on the first line, a status on the second.

There is no terminator: a request is whole at the end of the input.
"""

from dataclasses import dataclass

from trio_finger.protocol.text import MAX_STATUS, TextError, decode

# A name, a status and their line ends, and room for blanks around them. What is
# longer cannot be right, and is refused before the rest of it is read.
MAX_REQUEST = 4 * MAX_STATUS  # bytes

OK = b"ok\r\n"


class SetterError(ValueError):
    """A request that makes no sense; ``str()`` of it says why, fit to send."""


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Somebody is up to something.

    Attributes:
      name: the user, not checked yet.
      status: what to set, not checked yet; empty to clear what was set.
    """

    name: str
    status: str


def parse_request(data: bytes) -> SetRequest:
    """Parse a whole request; lines end in LF or CRLF, the last one may do without.

    Raises:
      SetterError: it is too long, is not UTF-8, or has not just two lines.
    """
    if len(data) > MAX_REQUEST:
        raise SetterError(f"the request is longer than {MAX_REQUEST} bytes")
    try:
        text = decode(data)
    except TextError as error:
        raise SetterError(str(error)) from None
    lines = [line.removesuffix("\r").strip(" \t") for line in text.split("\n")]
    if not lines[-1]:
        del lines[-1]  # nothing follows the end of the last line
    while len(lines) > 2 and not lines[-1]:
        del lines[-1]
    match lines:
        case [] | [""]:
            raise SetterError("nothing was sent; send a name, then a status on the next line")
        case [_]:
            raise SetterError("the second line, the status, is missing")
        case [name, status]:
            return SetRequest(name, status)
        case _:
            raise SetterError("only a name and one line of status are taken, no further lines")


def format_request(request: SetRequest) -> bytes:
    """Write *request* as a client sends it before it closes its side.

    `parse_request` gives it back if its texts are lines without blanks around them.
    """
    return f"{request.name}\r\n{request.status}\r\n".encode()


def format_error(why: str) -> bytes:
    """Write the reply that refuses a request."""
    return f"error: {why}\r\n".encode()
