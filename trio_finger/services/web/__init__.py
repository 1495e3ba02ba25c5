"""The web door: pages for people, XML-RPC and JSON for programs."""

from trio_finger.services.web._app import create_app
from trio_finger.services.web._pages import Pages
from trio_finger.services.web._serve import serve_web
from trio_finger.services.web._site import Site

__all__ = ["Pages", "Site", "create_app", "serve_web"]
