"""Setting one's own status in a browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.site import Site


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_set_clear_and_leave(site: Site, visit: Visitor, scripts: bool) -> None:
    """With a token one sets a status, for a while or for good, clears it, and signs out."""
    visitor = visit(site, java_script_enabled=scripts)
    page = visitor.open("/")
    page.get_by_role("link", name="Set your status").click()
    sign_in(page, site.make_token("moshez"))
    expect(page.get_by_role("heading", level=1)).to_have_text("moshez")
    expect(page.locator("h1 + p")).to_have_text("Happy and well")
    page.get_by_label("What are you up to?").fill("Giving a <b>tutorial</b>")
    page.get_by_label("Clear it after").select_option("1h")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("h1 + p")).to_have_text("Giving a <b>tutorial</b>")
    expect(page.locator(".since")).to_contain_text("until")
    if scripts:
        assert visitor.find_barriers() == []
    page.get_by_role("button", name="Clear it now").click()
    expect(page.locator("h1 + p")).to_have_text("Happy and well")
    page.get_by_role("button", name="Sign out").click()
    visitor.open("/me")
    expect(page.get_by_label("Token")).to_be_visible()


def test_wrong_token(site: Site, visit: Visitor) -> None:
    """Whoever has no token of ours is told so, and can try again."""
    visitor = visit(site, ignore_faults=True)
    page = visitor.open("/me")
    sign_in(page, "wrong")
    expect(page.locator(".said")).to_be_visible()
    sign_in(page, site.make_token("moshez"))
    expect(page.get_by_role("heading", level=1)).to_have_text("moshez")
