"""The list of users in a browser: searching and sorting, with and without a server's help."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.site import Site, run_site
from tests.browser.visit import Visit

USERS = """\
Anna: Reading, with tea
bob: Écrit du code
carl: Away until Monday
dana: Writing about TEA
moshez: Happy and well
"""
EVERYBODY = ["Anna", "bob", "carl", "dana", "moshez"]

MANY = "".join(f"user{number:05}: status {number % 100}\n" for number in range(5000))
TOO_MANY = "".join(f"user{number:05}: status {number % 100}\n" for number in range(10_050))


@pytest.fixture
def five(tmp_path: Path) -> Iterator[Site]:
    with run_site(tmp_path, users=USERS) as site:
        # The times of a file's lines are the same; these are not.
        for name in ("dana", "bob", "moshez"):
            site.set(name, f"{name} said so")
        yield site


def search(page: Page, words: str) -> None:
    """Type *words* into the field for that, one key after the other, over what is there."""
    field = page.get_by_role("searchbox")
    field.fill("")
    field.press_sequentially(words)


def sorted_by(page: Page) -> str:
    """Return what the list says it is sorted by."""
    return page.locator("th[aria-sort=ascending]").inner_text()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("anna", ["Anna"]),
        ("ANNA", ["Anna"]),
        ("tea", ["Anna", "dana"]),
        ("ÉCRIT", ["bob"]),
        ("until monday", ["carl"]),
        ("  carl ", ["carl"]),
        ("<b>", []),
    ],
)
def test_search_as_one_types(tmp_path: Path, visit: Visitor, words: str, found: list[str]) -> None:
    """Whoever has the words in the name or the status stays, and all come back with the rest."""
    with run_site(tmp_path, users=USERS) as site:
        visitor = visit(site)
        page = visitor.open("/")
        expect(visitor.names).to_have_text(EVERYBODY)
        search(page, words)
        expect(visitor.names).to_have_text(found)
        count = f"{len(found)} user{'' if len(found) == 1 else 's'} with “{words.strip()}”"
        expect(page.locator("#count")).to_have_text(
            count if found else f"Nobody matches “{words.strip()}”."
        )
        page.get_by_role("searchbox").fill("")
        expect(visitor.names).to_have_text(EVERYBODY)
        expect(page.locator("#count")).to_have_text("5 users")


def test_what_is_searched_for_is_in_the_address(five: Site, visit: Visitor) -> None:
    """The address leads to what is seen, so a search can be kept, and left again from there."""
    visitor = visit(five)
    page = visitor.open("/")
    search(page, "a said & so")
    expect(page).to_have_url(f"{five.url}/?q=a+said+%26+so")
    search(page, "a said")
    expect(page).to_have_url(f"{five.url}/?q=a+said")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("a said")
    expect(visitor.names).to_have_text(["dana"])
    search(page, "bob")
    expect(visitor.names).to_have_text(["bob"])
    page.get_by_role("searchbox").fill("")
    expect(visitor.names).to_have_text(EVERYBODY)
    expect(page).to_have_url(f"{five.url}/")


def test_search_tells_who_listens(five: Site, visit: Visitor) -> None:
    """Whoever does not see the list hears how many were found, when the typing has ended."""
    visitor = visit(five)
    page = visitor.open("/")
    search(page, "said so")
    expect(page.get_by_role("status")).to_have_text("3 users with “said so”")


def test_sort(five: Site, visit: Visitor) -> None:
    """Each of two headers sorts the list where it stands, and says that it does."""
    visitor = visit(five)
    page = visitor.open("/")
    expect(visitor.names).to_have_text(EVERYBODY)
    assert sorted_by(page) == "User"
    page.get_by_role("button", name="Age").click()
    expect(visitor.names).to_have_text(["moshez", "bob", "dana", "Anna", "carl"])
    assert sorted_by(page) == "Age"
    expect(page).to_have_url(f"{five.url}/?sort=change")
    page.reload()
    expect(visitor.names).to_have_text(["moshez", "bob", "dana", "Anna", "carl"])
    assert sorted_by(page) == "Age"
    page.get_by_role("button", name="User").click()
    expect(visitor.names).to_have_text(EVERYBODY)
    assert sorted_by(page) == "User"


def test_keyboard(five: Site, visit: Visitor) -> None:
    """Everything is reached with the keyboard, in the order in which it stands."""
    visitor = visit(five)
    page = visitor.open("/")
    expect(page.get_by_role("button", name="Age")).to_be_visible()
    places: list[str] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        places.append(page.evaluate("document.activeElement.innerText.trim()"))
    header = ["☞ localhost", "Set your status"]
    assert places == [*header, "", "Other ways to read this", "User", "Age", "Anna", "bob"]
    page.get_by_role("button", name="Age").press("Enter")
    expect(visitor.names.first).to_have_text("moshez")


def test_5000_users(tmp_path: Path, visit: Visitor) -> None:
    """Five thousand users are searched and sorted where they stand, and keep their order."""
    with run_site(tmp_path, users=MANY) as site:
        visitor = visit(site)
        page = visitor.open("/")
        expect(page.locator("#count")).to_have_text("5,000 users")
        search(page, "status 77")
        expect(page.locator("#count")).to_have_text("50 users with “status 77”")
        expect(visitor.names).to_have_text([f"user{77 + 100 * i:05}" for i in range(50)])
        page.get_by_role("searchbox").fill("")
        expect(page.locator("#count")).to_have_text("5,000 users")
        site.set("user04321", "Here")
        page.reload()
        page.get_by_role("button", name="Age").click()
        expect(visitor.names.first).to_have_text("user04321")


def test_more_users_than_a_page_has(tmp_path: Path, visit: Visitor) -> None:
    """Where the list goes on, the next page is there, and the server searches all of it."""
    with run_site(tmp_path, users=TOO_MANY) as site:
        visitor = visit(site)
        page = visitor.open("/")
        expect(page.locator("#count")).to_have_text("10,000 users on this page")
        search(page, "user10049")
        expect(visitor.names).to_have_text(["user10049"])
        expect(page.get_by_role("link", name="More users")).to_have_count(0)
        page.get_by_role("searchbox").fill("")
        expect(page.locator("#count")).to_have_text("10,000 users on this page")
        page.get_by_role("link", name="More users").click()
        expect(page.locator("#count")).to_have_text("50 users on this page")
        expect(visitor.names.first).to_have_text("user10000")


# Without scripts


def without_scripts(visit: Visitor, site: Site) -> Visit:
    return visit(site, java_script_enabled=False)


def test_search_without_scripts(five: Site, visit: Visitor) -> None:
    """The form searches by itself, and the list stays as it was sorted."""
    visitor = without_scripts(visit, five)
    page = visitor.open("/")
    expect(visitor.names).to_have_text(EVERYBODY)
    page.get_by_role("link", name="Age").click()
    expect(visitor.names).to_have_text(["moshez", "bob", "dana", "Anna", "carl"])
    page.get_by_role("searchbox").fill("said")
    page.get_by_role("button", name="Search").click()
    expect(visitor.names).to_have_text(["moshez", "bob", "dana"])
    expect(page.locator("#count")).to_have_text("3 users with “said”")
    assert sorted_by(page) == "Age"
    page.get_by_role("link", name="User").click()
    expect(visitor.names).to_have_text(["bob", "dana", "moshez"])
    expect(page.get_by_role("searchbox")).to_have_value("said")


def test_pages_are_whole_without_scripts(five: Site, visit: Visitor) -> None:
    """Everything is there without scripts, and nothing that only works with them."""
    visitor = without_scripts(visit, five)
    page = visitor.open("/")
    expect(page.get_by_role("link", name="Set your status")).to_be_visible()
    expect(page.locator(".live")).to_be_hidden()
    visitor.row("moshez").get_by_role("link").click()
    expect(page.locator("h1 + p")).to_have_text("moshez said so")
    expect(page.locator(".live")).to_be_hidden()
    page.get_by_role("link", name="Everybody else").click()
    expect(visitor.names).to_have_text(EVERYBODY)
