"""What a test does in a browser, and what a page may never do there."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request

# Finds what keeps people out who see little, or do not use a mouse.
_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()

_NOT_FOUND = "the server responded with a status of 404"


class Visit:
    """A page in a browser of one's own.

    Args:
      context: that browser.
      url: the address of the site.
      faults: gets what the page complains of, and whatever it asks of anybody else.

    Attributes:
      page: the page.
    """

    def __init__(self, context: BrowserContext, url: str, faults: list[str]) -> None:
        self.page: Page = context.new_page()
        self._url = url
        self._faults = faults
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        self.page.on("request", self._watch)

    def open(self, path: str) -> Page:
        """Go to *path* on the site."""
        self.page.goto(f"{self._url}{path}")
        return self.page

    @property
    def rows(self) -> Locator:
        """The rows of the list that can be seen."""
        return self.page.locator("#users tbody tr:visible")

    @property
    def names(self) -> Locator:
        """The names in them."""
        return self.page.locator("#users tbody tr:visible th")

    def row(self, name: str) -> Locator:
        """Return the row of *name*."""
        return self.rows.filter(has=self.page.get_by_role("link", name=name, exact=True))

    def find_barriers(self) -> list[str]:
        """Return what axe finds wrong with the page."""
        self.page.evaluate(_AXE)
        found: dict[str, Any] = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{barrier['id']}: {node['html']}: {node['failureSummary']}"
            for barrier in found["violations"]
            for node in barrier["nodes"]
        ]

    def _hear(self, message: ConsoleMessage) -> None:
        # That a page says "No such user" with a code to it is as it should be.
        expected = _NOT_FOUND in message.text and message.location["url"] == self.page.url
        if message.type in {"error", "warning"} and not expected:
            self._faults.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _watch(self, request: Request) -> None:
        if not request.url.startswith(f"{self._url}/"):
            self._faults.append(f"request: {request.url}")
