"""What a person has filled in on a page: the fields of a form, and what they ask for."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge

from trio_finger.protocol.setter import SetRequest, SetterError, one_line
from trio_finger.protocol.text import TextError, decode
from trio_finger.services.web._setting import read_body

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 20  # ours have three; browsers and proxies may add some

Fields = Mapping[str, str]


class FormError(Exception):
    """A form that cannot be taken; ``str()`` of it says why, fit to show.

    Attributes:
      code: the HTTP status.
    """

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


async def read_fields(request: Request) -> Fields:
    """Return the fields of the form that *request* brings. Any name and any text may be there.

    Raises:
      FormError: it brings none, or not in the one way that our forms have, or too much.
    """
    if request.mimetype != _FORM:
        raise FormError(415, f"a form is sent as {_FORM}")
    try:
        text = decode(await read_body(request))
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except RequestEntityTooLarge:
        raise FormError(413, "this is too long by far") from None
    except (TextError, UnicodeDecodeError):
        raise FormError(400, "not UTF-8 text") from None
    except ValueError:
        raise FormError(400, f"a form has {_MAX_FIELDS} fields at most") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise FormError(400, "a field of the form is there twice")
    return fields


def parse_fields(fields: Fields, name: str) -> SetRequest:
    """Return what *fields* ask for in the name of *name*.

    Raises:
      FormError: it makes no sense.
    """
    match fields.get("action", "set"):
        case "clear":
            return SetRequest(name, "")
        case "set":
            try:
                status = one_line(fields.get("status", ""))
            except SetterError as error:
                raise FormError(400, str(error)) from None
        case _:
            raise FormError(400, "a status is either set or cleared")
    if not status:
        raise FormError(400, "the status is empty")
    return SetRequest(name, status, lasts=fields.get("for") or None)
