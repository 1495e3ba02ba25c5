"""The web door as a service: the app, on Hypercorn, in our nursery."""

from collections.abc import Sequence

import trio

from trio_finger.log import get_log
from trio_finger.net import Connection
from trio_finger.services.web._app import Site, create_app
from trio_finger.services.web._hypercorn import serve_app
from trio_finger.usermap import UserMap


async def serve_web(
    site: Site,
    users: UserMap,
    listeners: Sequence[trio.abc.Listener[Connection]],
    *,
    stop: trio.Event,
) -> None:
    """Serve pages and XML-RPC until *stop*, then finish the requests under way, and return.

    Args:
      site: what the pages say of the other doors.
      users: who is there; only read.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting, and closes the connections that wait for a next request.
    """
    await serve_app(create_app(users, site), listeners, stop=stop, log=get_log("web"))
