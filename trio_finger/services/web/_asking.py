"""Who sent the request under way, and what they want."""

from quart import request
from werkzeug.exceptions import BadRequest

from trio_finger.protocol.accept import Form, choose_form
from trio_finger.services.web._site import Site
from trio_finger.sources import Asker, read_via


def get_asker() -> Asker:
    """Return for whom sources are asked."""
    return Asker(request.remote_addr, read_via(request.headers.get("Via", "")))


def get_form() -> Form:
    """Return the form in which they want the answer."""
    headers = request.headers
    return choose_form(",".join(headers.getlist("Accept")), headers.get("User-Agent", ""))


def get_url(site: Site) -> str:
    """Return our public address as they know it, without a slash at its end.

    Raises:
      BadRequest: they have not asked for a host that could be.
    """
    try:
        return site.url or request.host_url.rstrip("/")
    except ValueError:
        raise BadRequest("No such host can be.") from None
