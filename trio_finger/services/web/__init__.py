"""The web door: pages for people and XML-RPC for programs."""

from trio_finger.services.web._app import Site, create_app
from trio_finger.services.web._serve import serve_web

__all__ = ["Site", "create_app", "serve_web"]
