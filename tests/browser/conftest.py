"""Chromium, as Debian has it, and pages in it.

No page of any test may write an error to the console, or ask another host for anything.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.site import Site, run_site
from tests.browser.visit import Visit
from tests.peers import require_peer
from tests.running import PATIENCE

# Of its own accord Chromium would talk to its makers.
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--no-first-run", "--disable-component-update", "--disable-sync"),
)


class Visitor(Protocol):
    """Opens pages; see `visit`."""

    def __call__(self, site: Site, *, ignore_faults: bool = False, **how: Any) -> Visit: ...


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A browser, for all tests here."""
    path = require_peer("chromium")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visitor]:
    """Visits a site in a context of its own, with the options of `Browser.new_context`.

    With ``ignore_faults`` what the page complains of is what the test is about.
    """
    visits: list[Visit] = []
    faults: list[str] = []

    def visit(site: Site, *, ignore_faults: bool = False, **how: Any) -> Visit:
        context = chromium.new_context(**how)
        context.set_default_timeout(PATIENCE * 1000)
        visits.append(Visit(context, site.url, [] if ignore_faults else faults))
        return visits[-1]

    yield visit
    for each in visits:
        each.page.context.close()
    assert not faults


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A daemon with the users of the tutorial."""
    with run_site(tmp_path) as site:
        yield site
