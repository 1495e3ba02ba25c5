"""The app of the web door by itself, without a socket."""

from quart_trio import QuartTrio

from trio_finger.counts import Counts
from trio_finger.services.web import Pages, Site, create_app
from trio_finger.sources import Directory
from trio_finger.usermap import UserMap


def make_app(users: UserMap, site: Site) -> QuartTrio:
    """Return an app that shows who is in *users*."""
    directory = Directory(users)
    return create_app(directory, Pages(directory, site), Counts())
