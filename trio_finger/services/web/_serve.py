"""The web door as a service: the app, on Hypercorn, in our nursery."""

from collections.abc import Sequence

import trio

from trio_finger.counts import Counts
from trio_finger.log import get_log
from trio_finger.net import Gate, Limits, Secured
from trio_finger.services.web._app import create_app, paths_of
from trio_finger.services.web._forwarded import Forwarded
from trio_finger.services.web._hypercorn import serve_app
from trio_finger.services.web._lane import Lane
from trio_finger.services.web._live import Live
from trio_finger.services.web._pages import Pages
from trio_finger.services.web._plausible import Plausible
from trio_finger.services.web._site import Site
from trio_finger.sources import Directory

_MAX_CONNECTIONS = 12_000  # followers, and others, each of which may hold a request of 128 KiB


async def serve_web(
    site: Site,
    directory: Directory,
    listeners: Sequence[trio.SocketListener | Secured],
    *,
    stop: trio.Event,
    counts: Counts,
) -> None:
    """Serve pages and XML-RPC until *stop*, then finish the requests under way, and return.

    Args:
      site: what the pages say of the other doors.
      directory: who is there.
      listeners: where connections come from; closed on the way out.
      stop: ends accepting, and closes the connections that wait for a next request.
      counts: this door's numbers.
    """
    pages = Pages(directory, site)
    app = create_app(pages, counts)
    whole = Plausible(Forwarded(app, site))
    gate = Gate(Limits(_MAX_CONNECTIONS), counts, get_log("web"))
    live = Live(directory.users, pages.names, gate, site.trusted_proxies)
    doors = {"/live": live.websocket, "/live.sse": live.events}
    lane = Lane(pages, paths_of(app), doors, counts, stop)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.end_waiting)
        nursery.start_soon(live.run, stop)
        await serve_app(whole, listeners, before=lane.run, stop=stop, gate=gate)
        nursery.cancel_scope.cancel()
