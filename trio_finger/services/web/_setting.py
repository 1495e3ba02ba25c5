"""Setting a status over HTTP: PUT and DELETE, for whoever bears a token."""

from quart import Response, request
from quart_trio import QuartTrio

from trio_finger.log import get_log
from trio_finger.protocol.setter import (
    SetRequest,
    SetterError,
    format_error,
    format_ok,
    parse_json,
)
from trio_finger.protocol.text import TextError, decode
from trio_finger.services.web._access import AccessError, Doorkeeper, Visitor
from trio_finger.store import StoreError
from trio_finger.usermap import DeniedError, RefusedError, UserMap, describe_ending

# Programs ask for either kind of credentials in their own way; browsers know the second.
CHALLENGE = 'Bearer realm="trio-finger", Basic realm="trio-finger"'

log = get_log("web")


def add_setting(app: QuartTrio, users: UserMap, doorkeeper: Doorkeeper) -> None:
    """Have *app* take statuses at ``/~NAME/status``."""

    @app.put("/~<name>/status")
    async def set_status(name: str) -> Response:
        return await _answer(name, users, doorkeeper)

    @app.delete("/~<name>/status")
    async def clear_status(name: str) -> Response:
        return await _answer(name, users, doorkeeper)


async def _answer(name: str, users: UserMap, doorkeeper: Doorkeeper) -> Response:
    try:
        visitor = Visitor(doorkeeper, request)
        caller = await visitor.identify()
        try:
            status = await users.set(await _read_request(name), by=caller)
        except DeniedError as error:
            raise await visitor.refuse(str(error)) from None
    except AccessError as error:
        return _reply(error.code, format_error(str(error)))
    except (SetterError, RefusedError) as error:
        return _reply(400, format_error(str(error)))
    except StoreError as error:
        log.error("not kept", reason=str(error))  # noqa: TRY400
        return _reply(503, format_error(str(error)))
    if not users.is_hidden(name):
        log.info("cleared" if request.method == "DELETE" else "set", user=name)
    until = status.until if status is not None and request.method == "PUT" else None
    return _reply(200, format_ok(describe_ending(until) if until else ""))


async def _read_request(name: str) -> SetRequest:
    """Return what the request under way asks for.

    Raises:
      SetterError: it makes no sense.
    """
    if request.method == "DELETE":
        return SetRequest(name, "")
    body = await request.data
    if request.mimetype == "application/json":
        return parse_json(body, name)
    try:
        text = decode(body).strip()
    except TextError as error:
        raise SetterError(str(error)) from None
    if "\n" in text:
        raise SetterError("a status is one line")
    return SetRequest(name, text)


def _reply(code: int, line: bytes) -> Response:
    response = Response(line, code, content_type="text/plain; charset=utf-8")
    if code == 401:
        response.headers["WWW-Authenticate"] = CHALLENGE
    return response
