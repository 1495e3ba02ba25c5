"""The cookie that holds a token: what a browser is signed in by, and all there is of that."""

from typing import Final
from urllib.parse import urlsplit

from quart import Request, Response

from trio_finger.services.web._pages import Pages

_KEPT_SECONDS: Final = 90 * 24 * 60 * 60


class TokenCookie:
    """The cookie as it is for whoever sends *request*.

    No script may read it, and no other site has it sent. Where everything at the host is ours
    and comes over TLS, its name makes browsers believe nobody else who sets one like it (the
    ``__Host-`` prefix of RFC 6265bis).

    Args:
      request: may bring it.
      pages: know where they are.
    """

    def __init__(self, request: Request, pages: Pages) -> None:
        is_https = urlsplit(pages.site.url or "").scheme == "https"
        self._secure = is_https or request.scheme == "https"
        self._path = pages.base or "/"
        self._name = "__Host-token" if self._secure and self._path == "/" else "token"
        # Empty is what a browser has that does not care about the age of cookies.
        self.token: str | None = request.cookies.get(self._name) or None

    def keep(self, response: Response, token: str) -> None:
        """Have the browser keep *token*, and bring it from now on."""
        response.set_cookie(
            self._name,
            token,
            max_age=_KEPT_SECONDS,
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )

    def drop(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self._name, path=self._path, secure=self._secure, httponly=True, samesite="Strict"
        )
