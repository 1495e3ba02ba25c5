"""The pages: a Quart app that reads the user map and keeps nothing itself."""

import json
from pathlib import Path
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound

from trio_finger.counts import Counts
from trio_finger.protocol.accept import Form
from trio_finger.services.web._access import Doorkeeper, Visitor
from trio_finger.services.web._answer import (
    BY_FORM,
    HEADERS,
    NEVER_KEPT,
    REVALIDATE,
    XML,
    Answer,
    plain,
    respond,
)
from trio_finger.services.web._asking import get_asker, get_form, get_url
from trio_finger.services.web._feeds import add_feeds
from trio_finger.services.web._index import Selection, tell_index
from trio_finger.services.web._long import Long, respond_in_pieces
from trio_finger.services.web._openapi import add_openapi
from trio_finger.services.web._pages import CONTENT_TYPES, STATIC, VERSION, Pages
from trio_finger.services.web._session import add_session
from trio_finger.services.web._setting import CHALLENGE, add_setting, read_body
from trio_finger.services.web._user import tell_user
from trio_finger.services.web._webfinger import add_webfinger
from trio_finger.services.web.xmlrpc import answer_call
from trio_finger.store import StoreError
from trio_finger.usermap import UnavailableError

_MAX_BODY = 128 * 1024  # bytes; an XML-RPC call of a hundred names has some 20 KiB
_BODY_SECONDS = 10  # until a whole body must have arrived

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_NOTHING: Final = "There is nothing at this address."

# Of a name that only a source knows, while that fails.
_TRY_LATER: Final = "Server error -- try later"
_WHY_LATER: Final = "Where this status comes from does not answer just now."
_RETRY: Final = ("retry-after", "5")  # seconds


def create_app(pages: Pages, counts: Counts) -> QuartTrio:
    """Return the app that shows who is there, ready to be served.

    Args:
      pages: tells of them.
      counts: counts what it answers.
    """
    directory = pages.directory
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.config["BODY_TIMEOUT"] = _BODY_SECONDS
    app.url_map.merge_slashes = False  # the redirect would be to where the request has come from
    app.config["RESPONSE_TIMEOUT"] = None  # whoever reads too slowly is cut when we send

    doorkeeper = Doorkeeper(directory.users, pages.names)
    add_setting(app, doorkeeper)
    add_session(app, pages, doorkeeper)
    add_feeds(app, pages)
    add_webfinger(app, pages)
    add_openapi(app, pages)

    @app.get("/")
    async def index() -> Response:
        selection = Selection.parse(*(request.args.get(key, "") for key in ("q", "sort", "after")))
        index = await tell_index(pages, selection, get_form(), get_url(pages.site))
        return await respond_in_pieces(index)

    @app.get("/<name>")
    @app.get("/~<name>")
    async def user(name: str) -> Response:
        told = await tell_user(pages, name, get_form(), get_url(pages.site), get_asker())
        return await (respond_in_pieces(told) if isinstance(told, Long) else respond(told))

    @app.get("/~<name>/online")
    async def online(name: str) -> Response:
        return await respond(pages.online(name, await directory.find([name], get_asker())))

    @app.get("/static/<name>")
    async def static(name: str) -> Response:
        if name not in STATIC:
            raise NotFound
        # Under this address, of which the version is a part, it never changes.
        is_current = request.args.get("v") == VERSION
        keep = "public, max-age=31536000, immutable" if is_current else REVALIDATE
        kind = _TYPES[Path(name).suffix]
        return await respond(Answer(STATIC[name], kind, headers=(("cache-control", keep),)))

    @app.get("/healthz")
    async def is_alive() -> Response:
        return await respond(plain("ok", 200, *NEVER_KEPT))

    @app.get("/readyz")
    async def is_ready() -> Response:
        """Say whether statuses can be read and kept."""
        try:
            await directory.users.identify("")
        except StoreError as error:
            return await respond(plain(str(error), 503, *NEVER_KEPT))
        return await respond(plain("ok", 200, *NEVER_KEPT))

    @app.get("/live")
    @app.get("/live.sse")
    async def live() -> Response:
        """Say why it was not the lane that took the request."""
        line = "What is live is asked for by one plain GET over HTTP/1.1 at a time."
        return await respond(plain(line, 426, ("upgrade", "websocket"), *NEVER_KEPT))

    @app.post("/RPC2")
    async def xmlrpc() -> Response:
        visitor = Visitor(doorkeeper, request)
        answer, code = await answer_call(await read_body(request), directory, visitor, get_asker())
        response = await respond(Answer(answer, XML, code, NEVER_KEPT))
        if code == 401:
            response.headers["WWW-Authenticate"] = CHALLENGE
        return response

    @app.get("/RPC2")
    async def xmlrpc_by_get() -> Response:
        line = "XML-RPC is spoken here: POST a call, such as getUser(name)."
        return await respond(plain(line, 405, ("allow", "POST")))

    @app.errorhandler(UnavailableError)
    async def unavailable(_: UnavailableError) -> Response:
        if request.path.endswith("/online"):
            return await respond(plain(_TRY_LATER, 503, _RETRY))
        return await respond(_tell_fault(pages, 503, _TRY_LATER, _WHY_LATER, _RETRY))

    @app.errorhandler(HTTPException)
    async def error(fault: HTTPException) -> Response:
        code = fault.code or 500
        words = _NOTHING if isinstance(fault, NotFound) else fault.description or ""
        response = await respond(_tell_fault(pages, code, fault.name, words))
        # Some faults have something to say in a header, such as Allow.
        response.headers.update(
            {name: value for name, value in fault.get_headers() if name != "Content-Type"}
        )
        return response

    @app.after_request
    async def add_headers(response: Response) -> Response:
        counts.answered[f"{response.status_code // 100}xx"] += 1
        for name, value in HEADERS:
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", REVALIDATE)
        return response

    return app


def _tell_fault(
    pages: Pages, code: int, title: str, words: str, *headers: tuple[str, str]
) -> Answer:
    """Tell what has gone wrong, in the form that is asked for."""
    match form := get_form():
        case Form.HTML:
            body = pages.render("error.html", code, title=title, words=words).body
        case Form.JSON:
            body = json.dumps({"error": f"{title}: {words}"}, ensure_ascii=False).encode() + b"\n"
        case Form.TEXT:
            body = f"{title}: {words}\n".encode()
    return Answer(body, CONTENT_TYPES[form], code, (BY_FORM, *headers))


def paths_of(app: QuartTrio) -> frozenset[str]:
    """Return the paths that *app* answers itself, whoever is called so."""
    return frozenset(rule.rule for rule in app.url_map.iter_rules() if not rule.arguments)
