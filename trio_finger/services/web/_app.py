"""The pages: a Quart app that reads the user map and keeps nothing itself."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import quote

import trio
from jinja2 import DictLoader
from quart import Response, render_template, request, stream_template
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound

from trio_finger.counts import Counts
from trio_finger.protocol.text import clean, format_age
from trio_finger.services.web._access import Doorkeeper, Visitor
from trio_finger.services.web._setting import CHALLENGE, add_setting, read_body
from trio_finger.services.web.xmlrpc import answer_call
from trio_finger.sources import Asker, Directory, read_via
from trio_finger.usermap import Reader, UnavailableError

_MAX_BODY = 128 * 1024  # bytes; an XML-RPC call of a hundred names has some 20 KiB
_BODY_SECONDS = 10  # until a whole body must have arrived

# All files that the pages are made of, read when the program starts: no request ever
# opens one, and a daemon that has given up its privileges may no longer reach them.
_FOLDER = Path(__file__).parent
_TEMPLATES: Final = {path.name: path.read_text() for path in _FOLDER.glob("templates/*")}
_STATIC: Final = {path.name: path.read_bytes() for path in _FOLDER.glob("static/*")}
_TYPES: Final = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

_PIECES = 500  # of a page between two checkpoints; a user has some ten

# Of a name that only a source knows, while that fails.
_TRY_LATER = "Server error -- try later"
_WHY_LATER = "Where this status comes from does not answer just now."
_RETRY_SECONDS = 5

_EXAMPLES = 100  # how many users are looked at to find one to show

_WORD = re.compile(r"[A-Za-z0-9_]+")

# Nothing but our own style sheet and icon: a status that slipped through escaping
# could still neither run nor fetch anything.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages tell their reader about the other doors.

    Attributes:
      name: the host name to use.
      finger_port: where finger answers, if it does.
      setter_port: where the setter listens, if it does.
      control: whether ``trio-finger set`` is listened to.
      irc_nick: who to write to on IRC, if the bot is there.
    """

    name: str
    finger_port: int | None = None
    setter_port: int | None = None
    control: bool = False
    irc_nick: str | None = None


def create_app(directory: Directory, site: Site, counts: Counts) -> QuartTrio:
    """Return the app that shows who is in *directory*, ready to be served.

    What it answers is counted in *counts*.
    """
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    app.config["BODY_TIMEOUT"] = _BODY_SECONDS
    app.jinja_options = {
        "loader": DictLoader(_TEMPLATES),
        "trim_blocks": True,
        "lstrip_blocks": True,
    }

    doorkeeper = Doorkeeper(directory.users, site.name)
    add_setting(app, doorkeeper)

    @app.template_filter("age")
    def age(since: datetime) -> str:
        return format_age((datetime.now(UTC) - since).total_seconds())

    @app.template_filter("path")
    def path(name: str) -> str:
        # With the tilde it is right even for a user who is called RPC2.
        return f"/~{quote(name, safe='')}"

    @app.context_processor
    async def about_the_site() -> dict[str, object]:  # not async, it would have a thread
        return {"site": site}

    def asker() -> Asker:
        return Asker(request.remote_addr, read_via(request.headers.get("Via", "")))

    @app.get("/")
    async def index() -> str:
        users = directory.everybody
        return await _render_in_turns(
            "index.html", users=users, example=_example(users), url=request.host_url
        )

    @app.get("/<name>")
    @app.get("/~<name>")
    async def user(name: str) -> tuple[str, int]:
        users = await directory.find([name], asker())
        status = users.get(name)
        if status is None:
            return await render_template("nobody.html", name=clean(name)), 404
        profile = users.profile(name)
        return await render_template("user.html", status=status, profile=profile), 200

    @app.get("/~<name>/online")
    async def online(name: str) -> Response:
        status = (await directory.find([name], asker())).get(name)
        return _plain(status.text, 200) if status else _plain("No such user", 404)

    @app.get("/static/<name>")
    async def static(name: str) -> Response:
        if name not in _STATIC:
            raise NotFound
        response = Response(_STATIC[name], content_type=_TYPES[Path(name).suffix])
        response.headers["Cache-Control"] = "max-age=3600"
        return response

    @app.post("/RPC2")
    async def xmlrpc() -> Response:
        visitor = Visitor(doorkeeper, request)
        answer, code = await answer_call(await read_body(request), directory, visitor, asker())
        response = Response(answer, code, content_type="text/xml; charset=utf-8")
        if code == 401:
            response.headers["WWW-Authenticate"] = CHALLENGE
        return response

    @app.get("/RPC2")
    async def xmlrpc_by_get() -> Response:
        response = _plain("XML-RPC is spoken here: POST a call, such as getUser(name).", 405)
        response.headers["Allow"] = "POST"
        return response

    @app.errorhandler(UnavailableError)
    async def unavailable(_: UnavailableError) -> tuple[Response | str, int, dict[str, str]]:
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        if request.path.endswith("/online"):
            return _plain(_TRY_LATER, 503), 503, headers
        page = await render_template("error.html", title=_TRY_LATER, words=_WHY_LATER)
        return page, 503, headers

    @app.errorhandler(HTTPException)
    async def error(fault: HTTPException) -> tuple[str, int, dict[str, str]]:
        page = await render_template("error.html", title=fault.name, words=fault.description)
        # Some faults have something to say in a header, such as Allow.
        headers = {name: value for name, value in fault.get_headers() if name != "Content-Type"}
        return page, fault.code or 500, headers

    @app.after_request
    async def add_headers(response: Response) -> Response:
        counts.answered[f"{response.status_code // 100}xx"] += 1
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response

    return app


async def _render_in_turns(template: str, **context: object) -> str:
    """Render a page that may be long, and let others run every millisecond or so."""
    page: list[str] = []
    async for piece in await stream_template(template, **context):
        page.append(piece)
        if len(page) % _PIECES == 0:
            await trio.lowlevel.checkpoint()
    return "".join(page)


def _example(users: Reader) -> str:
    """Return a name for commands that people copy into a shell: one that is only a word."""
    some = islice(users, _EXAMPLES)
    return next((user.name for user in some if _WORD.fullmatch(user.name)), "NAME")


def _plain(line: str, code: int) -> Response:
    return Response(f"{line}\n", code, content_type="text/plain; charset=utf-8")
