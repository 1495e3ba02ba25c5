"""The doors for programs, as the description of them has it: what to send, and what comes back."""

from collections.abc import Mapping

from trio_finger.protocol.accept import Form
from trio_finger.protocol.feed import ATOM_TYPE, JSON_FEED_TYPE
from trio_finger.protocol.webfinger import JRD_TYPE
from trio_finger.services.web._answer import XML
from trio_finger.services.web._live_request import MAX_USERS
from trio_finger.services.web._openapi_responses import (
    challenge,
    fault,
    in_any_form,
    later,
    respond_with,
    text,
    xml,
)
from trio_finger.services.web._openapi_schemas import Part, refer


def describe_paths() -> Part:
    """Return every path, with what may be done there."""
    return {
        "/": {"get": _list_users()},
        "/~{name}": {
            "parameters": [_name()],
            "get": _get(
                "getUser",
                "One user. At /{name} too, where that is no other path.",
                {"200": in_any_form("The user.", "User"), "404": fault("Unknown")}
                | {"503": fault("Later")},
            ),
        },
        "/~{name}/online": {
            "parameters": [_name()],
            "get": _get(
                "getStatus",
                "The status of one user, and nothing else.",
                {"200": text("The status, and a newline.")}
                | {"404": text("There is no such user."), "503": later("Try later.")},
            ),
        },
        "/~{name}/status": {
            "parameters": [_name()],
            "put": _set_status(),
            "delete": _clear_status(),
        },
        "/feed.json": {"get": _get_feed("getFeed", JSON_FEED_TYPE)},
        "/feed.atom": {"get": _get_feed("getAtomFeed", ATOM_TYPE)},
        "/~{name}/feed.json": {
            "parameters": [_name()],
            "get": _get_feed("getUserFeed", JSON_FEED_TYPE, of_one=True),
        },
        "/~{name}/feed.atom": {
            "parameters": [_name()],
            "get": _get_feed("getUserAtomFeed", ATOM_TYPE, of_one=True),
        },
        "/live.sse": {"get": _follow_events()},
        "/live": {"get": _follow()},
        "/.well-known/webfinger": {"get": _find_account()},
        "/healthz": {
            "get": _get(
                "isAlive", "Whether the daemon lives.", {"200": text("It does.")}, kept=False
            )
        },
        "/readyz": {
            "get": _get(
                "isReady",
                "Whether statuses can be read and kept.",
                {"200": text("They can."), "503": text("They cannot, for this reason.")},
                kept=False,
            )
        },
        "/RPC2": {"post": _call(), "get": _call_by_get()},
        "/api/openapi.json": {
            "get": _get(
                "getDescription",
                "This description.",
                {"200": respond_with("An OpenAPI document.", Form.JSON.value, {"type": "object"})},
            )
        },
    }


def _list_users() -> Part:
    parameters = [
        _query("q", "Only users with this in their name, full name or status."),
        _query("sort", "What comes first.", {"enum": ["name", "change"], "default": "name"}),
        _query("after", "By name, only those after this one.", refer("Name")),
    ]
    responses = {"200": in_any_form("The users; a long list says where it goes on.", "Users")}
    summary = "Everybody, or those whom a word finds. Of a long list there is no ETag."
    return {**_get("listUsers", summary, responses), "parameters": parameters}


def _set_status() -> Part:
    return {
        "operationId": "setStatus",
        "summary": "Sets the status, the plan or both.",
        "security": [{"bearer": []}, {"basic": []}],
        "requestBody": {
            "required": True,
            "description": "The status as text; or what to set as JSON. "
            "What is not said to be JSON is taken for text.",
            "content": {
                Form.TEXT.value: {"schema": {"type": "string", "minLength": 1}},
                Form.JSON.value: {"schema": refer("SetStatus")},
            },
        },
        "responses": {
            "200": text("It is set and kept: ok, and until when if there is an end."),
            **_refusals(),
        },
    }


def _clear_status() -> Part:
    return {
        "operationId": "clearStatus",
        "summary": "Clears what was set. What the users file says then holds again.",
        "security": [{"bearer": []}, {"basic": []}],
        "responses": {"200": text("It is cleared: ok."), **_refusals()},
    }


def _refusals() -> Part:
    return {
        "400": text("It makes no sense, for this reason."),
        "401": challenge(text("It takes a token, and there is none that counts.")),
        "403": text("The token is somebody else's, or another site has sent this."),
        "404": text("There is no such user, and so nothing to clear."),
        "503": text("It could not be kept."),
        "default": fault("Fault"),
    }


def _get_feed(operation: str, kind: str, *, of_one: bool = False) -> Part:
    schema: Part = refer("Feed") if kind == JSON_FEED_TYPE else {"type": "string"}
    responses: Part = {"200": respond_with("The feed.", kind, schema)}
    if of_one:
        responses |= {"404": text("There is no such user."), "503": fault("Later")}
    whose = "one user" if of_one else "everybody"
    return _get(operation, f"The latest changes of {whose}.", responses)


def _follow_events() -> Part:
    events = text("Events without an end.", "text/event-stream")
    return {
        "operationId": "followByEvents",
        "summary": "Every change from now on, as server-sent events.",
        "description": "The data of each event is a Change, its name is the type of that, and "
        "its id is the number. A comment comes now and then. A HEAD is answered with 426.",
        "parameters": [
            *_wanted(),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The same as since, and the newer if both are there.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {"200": events, **_no_followers()},
    }


def _follow() -> Part:
    return {
        "operationId": "follow",
        "summary": "Every change from now on, over a WebSocket.",
        "description": "Each message is one Change as JSON. Who listens too slowly is sent away "
        "with code 1013, and when the daemon stops everybody is, with 1001. "
        "What is said to it does not count.",
        "parameters": _wanted(),
        "responses": {"101": {"description": "A WebSocket (RFC 6455)."}, **_no_followers()},
    }


def _wanted() -> list[Part]:
    users: Part = {"type": "array", "items": refer("Name"), "maxItems": MAX_USERS}
    return [
        _query("user", "Only changes of these users; as often as there are users.", users),
        _query("since", "The id of the last change that is known already."),
    ]


def _no_followers() -> Part:
    return {
        "400": text("It makes no sense, for this reason."),
        "403": text("Another site has sent this."),
        "426": text("It was not asked for in the right way."),
        "503": later("Too many follow already."),
        "default": fault("Fault"),
    }


def _find_account() -> Part:
    rels: Part = {"type": "array", "items": {"type": "string"}}
    responses: Part = {
        "200": respond_with("What there is.", JRD_TYPE, refer("Descriptor")),
        "400": text("It makes no sense, for this reason."),
        "404": text("There is no such user who wants to be found."),
    }
    resource = _query("resource", "An account, acct:NAME@HOST, or the address of a page.")
    return {
        **_get("findAccount", "What there is about an account (RFC 7033).", responses),
        "parameters": [{**resource, "required": True}, _query("rel", "Only such links.", rels)],
    }


def _call() -> Part:
    return {
        "operationId": "call",
        "summary": "XML-RPC: getUser(name), setUser(name, status), system.listMethods() and more.",
        "description": "system.methodHelp(method) tells of each. setUser takes a token.",
        "security": [{}, {"bearer": []}, {"basic": []}],
        "requestBody": {
            "required": True,
            "content": {XML.partition(";")[0]: {"schema": {"type": "string"}}},
        },
        "responses": {
            "200": xml("A response, or a fault."),
            "401": challenge(xml("A fault: it takes a token.")),
            "403": xml("A fault: the token does not count for that."),
            "default": fault("Fault"),
        },
    }


def _call_by_get() -> Part:
    return {
        "operationId": "callByGet",
        "summary": "Nothing: a call is sent by POST.",
        "responses": {"405": text("That says so.")},
    }


def _get(
    operation: str, summary: str, responses: Mapping[str, object], *, kept: bool = True
) -> Part:
    """Return an operation that reads; *kept* if who has the answer need not get it again."""
    not_modified: Part = {"304": {"description": "The one that If-None-Match names is still true."}}
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {**responses, **(not_modified if kept else {}), "default": fault("Fault")},
    }


def _name() -> Part:
    return {"name": "name", "in": "path", "required": True, "schema": refer("Name")}


def _query(name: str, description: str, schema: Part | None = None) -> Part:
    found = schema or {"type": "string"}
    return {"name": name, "in": "query", "description": description, "schema": found}
