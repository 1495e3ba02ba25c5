"""The description of the doors for programs, for those who make clients (OpenAPI 3.1).

It is made for whoever asks, since it says at which address they have found us. What it
promises is what is served: the tests compare it with the paths of the app and with its answers.
"""

import json
from typing import Final

from quart import Response
from quart_trio import QuartTrio

from trio_finger import __version__
from trio_finger.protocol.accept import Form
from trio_finger.services.web._answer import Answer, respond
from trio_finger.services.web._asking import get_url
from trio_finger.services.web._openapi_paths import describe_paths
from trio_finger.services.web._openapi_responses import describe_responses
from trio_finger.services.web._openapi_schemas import Part, describe_schemas
from trio_finger.services.web._pages import Pages

_ABOUT: Final = """\
What everybody is up to. Reading takes no credentials; setting takes a token, which the
operator hands out.

Where an answer has several forms, Accept chooses; curl and the like get plain text. Every
GET but of what is live may be a HEAD. An answer with an ETag need not be sent twice: ask with
If-None-Match."""


def add_openapi(app: QuartTrio, pages: Pages) -> None:
    """Have *app* describe itself at ``/api/openapi.json``.

    Args:
      app: the app.
      pages: know where we are.
    """

    @app.get("/api/openapi.json")
    async def openapi() -> Response:
        document = describe(pages.site.name, get_url(pages.site))
        body = json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
        return await respond(Answer(body, Form.JSON.value))


def describe(name: str, url: str) -> Part:
    """Return the description.

    Args:
      name: what we are called.
      url: our public address, without a slash at its end.
    """
    return {
        "openapi": "3.1.1",
        "info": {
            "title": f"trio-finger at {name}",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": url}],
        "paths": describe_paths(),
        "components": {
            "schemas": describe_schemas(),
            "responses": describe_responses(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A token."},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The user's name, and a token for the password.",
                },
            },
        },
    }
