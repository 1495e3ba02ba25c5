"""WebFinger: the account of a user leads to their page and feed, if the users file has it so."""

from typing import Final
from urllib.parse import urlsplit

from quart import Response, request
from quart_trio import QuartTrio

from trio_finger.protocol.webfinger import (
    JRD_TYPE,
    Descriptor,
    Link,
    WebFingerError,
    find_name,
    format_account,
    format_descriptor,
    parse_query,
)
from trio_finger.services.web._answer import Answer, plain, respond
from trio_finger.services.web._asking import get_url
from trio_finger.services.web._pages import NO_SUCH_USER, Pages
from trio_finger.usermap import Status

# Scripts of any site may read it (RFC 7033, 5): it tells everybody the same.
_ANY_SITE: Final = ("access-control-allow-origin", "*")

_PAGE: Final = "http://webfinger.net/rel/profile-page"
_UPDATES: Final = "http://schemas.google.com/g/2010#updates-from"
_FULL_NAME: Final = "http://schema.org/name"


def add_webfinger(app: QuartTrio, pages: Pages) -> None:
    """Have *app* answer at ``/.well-known/webfinger``.

    Args:
      app: the app.
      pages: knows who is there, and where their pages are.
    """

    @app.get("/.well-known/webfinger")
    async def webfinger() -> Response:
        url = get_url(pages.site)
        return await respond(_answer(request.query_string, url, pages))


def _answer(question: bytes, url: str, pages: Pages) -> Answer:
    """Answer *question*, the query as it came; *url* is our public address."""
    try:
        query = parse_query(question)
        name = find_name(query.resource, pages.names, url)
    except WebFingerError as error:
        return plain(str(error), 400, _ANY_SITE)
    users = pages.directory.users
    status = users.get(name) if name is not None else None
    # Whoever does not want to be found is as unknown as one who is not there.
    if status is None or not users.profile(status.name).webfinger:
        return plain(NO_SUCH_USER, 404, _ANY_SITE)
    descriptor = _describe(status, url, pages)
    return Answer(format_descriptor(descriptor, query.rels), JRD_TYPE, headers=(_ANY_SITE,))


def _describe(status: Status, url: str, pages: Pages) -> Descriptor:
    profile = pages.directory.users.profile(status.name)
    host = urlsplit(pages.site.url or "").hostname or pages.site.name
    page = pages.address(status.name, url)
    return Descriptor(
        format_account(status.name, host),
        aliases=[page],
        properties={_FULL_NAME: profile.full_name} if profile.full_name else {},
        links=[
            Link(_PAGE, page, "text/html"),
            Link(_UPDATES, f"{page}/feed.atom", "application/atom+xml"),
            Link(_UPDATES, f"{page}/feed.json", "application/feed+json"),
            *(Link("me", link) for link in profile.links),
        ],
    )
