"""Setting a status over HTTP: PUT and DELETE, for whoever bears a token."""

from quart import Request, Response, request
from quart_trio import QuartTrio

from trio_finger.protocol.setter import (
    SetRequest,
    SetterError,
    format_error,
    format_ok,
    one_line,
    parse_json,
)
from trio_finger.protocol.text import TextError, decode
from trio_finger.services.web._access import AccessError, Doorkeeper, Visitor
from trio_finger.store import StoreError
from trio_finger.usermap import RefusedError, describe_ending

# Programs ask for either kind of credentials in their own way; browsers know the second.
CHALLENGE = 'Bearer realm="trio-finger", Basic realm="trio-finger"'


def add_setting(app: QuartTrio, doorkeeper: Doorkeeper) -> None:
    """Have *app* take statuses at ``/~NAME/status``."""

    @app.put("/~<name>/status")
    async def set_status(name: str) -> Response:
        return await _answer(name, doorkeeper)

    @app.delete("/~<name>/status")
    async def clear_status(name: str) -> Response:
        return await _answer(name, doorkeeper)


async def read_body(request: Request) -> bytes:
    """Return the body of *request*, whatever kind of content it is said to be.

    `Request.data` is empty where that is a form, for then it has been parsed as one; and
    that is what curl, left to itself, says of any body.
    """
    return await request.get_data(cache=True, as_text=False, parse_form_data=False)


async def _answer(name: str, doorkeeper: Doorkeeper) -> Response:
    try:
        visitor = Visitor(doorkeeper, request)
        caller = await visitor.identify()  # before anything is made of what a stranger sent
        asked = await _read_request(name)
        try:
            status = await visitor.set(asked)
        except RefusedError as error:
            # Of who is not there, there is nothing to clear.
            is_missing = not (asked.status or asked.plan) and doorkeeper.users.own(caller) is None
            return _reply(404 if is_missing else 400, format_error(str(error)))
    except AccessError as error:
        return _reply(error.code, format_error(str(error)))
    except SetterError as error:
        return _reply(400, format_error(str(error)))
    except StoreError as error:
        return _reply(503, format_error(str(error)))
    until = status.until if status is not None and asked.status else None
    return _reply(200, format_ok(describe_ending(until) if until else ""))


async def _read_request(name: str) -> SetRequest:
    """Return what the request under way asks for.

    Raises:
      SetterError: it makes no sense.
    """
    if request.method == "DELETE":
        return SetRequest(name, "")
    body = await read_body(request)
    if request.mimetype == "application/json":
        asked = parse_json(body, name)
        one_line(asked.status or "")
        return asked
    try:
        text = one_line(decode(body))
    except TextError as error:
        raise SetterError(str(error)) from None
    if not text:
        raise SetterError("the status is empty; DELETE clears it")
    return SetRequest(name, text)


def _reply(code: int, line: bytes) -> Response:
    response = Response(line, code, content_type="text/plain; charset=utf-8")
    if code == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    return response
