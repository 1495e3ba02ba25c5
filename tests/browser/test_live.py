"""Pages that move by themselves when somebody changes their status."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.site import WITH_CONTROL, Site, run_site
from tests.ports import free_port

SOON = 1000  # milliseconds in which a change is to be seen
HOUR = 3600 * 1000

MISSED = 'event: hello\ndata: {"type": "hello", "id": "1", "missed": true}\n\n'


def wait_until_live(page: Page) -> None:
    expect(page.locator(".live")).to_have_text("Live")


def hide(page: Page, *, hidden: bool) -> None:
    """Have the page believe that nobody looks at it, or that somebody does again."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


# The list


def test_change_in_the_list(site: Site, visit: Visitor) -> None:
    """A status is seen within a second of its being set, where it belongs, and stands out."""
    visitor = visit(site)
    page = visitor.open("/")
    wait_until_live(page)
    site.set("moshez", "Giving a tutorial")
    expect(visitor.row("moshez").locator("td").first).to_have_text(
        "Giving a tutorial", timeout=SOON
    )
    expect(visitor.row("moshez").locator("time")).to_have_text("now")
    expect(visitor.names).to_have_text(["moshez", "shawn"])
    expect(visitor.row("moshez")).to_have_class("changed")
    expect(visitor.row("shawn")).not_to_have_class("changed")
    expect(visitor.row("moshez")).not_to_have_class("changed")  # after some seconds


@pytest.mark.parametrize("name", ["anna", "Nora", "zoë", "RPC2", "a&<b>'"])
def test_new_user_in_the_list(site: Site, visit: Visitor, name: str) -> None:
    """Whoever is new gets a row where the server would put it, with a link that leads there."""
    visitor = visit(site)
    page = visitor.open("/")
    wait_until_live(page)
    site.set(name, "Just arrived")
    expect(visitor.rows).to_have_count(3, timeout=SOON)
    expect(page.locator("#count")).to_have_text("3 users")
    before = visitor.names.all_inner_texts()
    page.reload()
    expect(visitor.names).to_have_text(before)
    visitor.row(name).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator("h1 + p")).to_have_text("Just arrived")


def test_first_user_of_all(tmp_path: Path, visit: Visitor) -> None:
    """A list of nobody becomes one of somebody."""
    with run_site(tmp_path, users="") as site:
        visitor = visit(site)
        page = visitor.open("/")
        expect(page.get_by_text("Nobody is listed yet.")).to_be_visible()
        wait_until_live(page)
        site.set("moshez", "First")
        expect(visitor.names).to_have_text(["moshez"], timeout=SOON)
        expect(page.locator("#count")).to_have_text("1 user")


def test_gone_user(site: Site, visit: Visitor) -> None:
    """The row of a user who is gone goes, and whoever was there with the keyboard is beside it."""
    visitor = visit(site)
    page = visitor.open("/")
    wait_until_live(page)
    visitor.row("moshez").get_by_role("link").focus()
    site.users_file.write_text("shawn: Alive\n")
    expect(visitor.names).to_have_text(["shawn"])
    expect(page.locator("#count")).to_have_text("1 user")
    expect(visitor.row("shawn").get_by_role("link")).to_be_focused()


def test_newest_first(site: Site, visit: Visitor) -> None:
    """In a list by age the newest goes to the top, and the keyboard stays with whom it was."""
    visitor = visit(site)
    page = visitor.open("/?sort=change")
    wait_until_live(page)
    for name in ("shawn", "moshez", "newbie", "shawn"):
        if name != "newbie":
            visitor.row(name).get_by_role("link").focus()
        site.set(name, f"New from {name}")
        expect(visitor.names.first).to_have_text(name)
        if name != "newbie":
            expect(visitor.row(name).get_by_role("link")).to_be_focused()
    expect(visitor.names).to_have_text(["shawn", "newbie", "moshez"])


def test_change_while_searching(site: Site, visit: Visitor) -> None:
    """What changes during a search is in the list if it is what is searched for."""
    visitor = visit(site)
    page = visitor.open("/")
    wait_until_live(page)
    page.get_by_role("searchbox").fill("tea")
    expect(visitor.rows).to_have_count(0)
    site.set("newbie", "Tea for two")
    expect(visitor.names).to_have_text(["newbie"])
    site.set("moshez", "Out of tea")
    expect(visitor.names).to_have_text(["moshez", "newbie"])
    site.set("newbie", "Coffee")
    expect(visitor.names).to_have_text(["moshez"])
    expect(page.locator("#count")).to_have_text("1 user with “tea”")


@pytest.mark.parametrize("path", ["/", "/~moshez"])
def test_text_stays_text(site: Site, visit: Visitor, path: str) -> None:
    """T13: whatever somebody says is shown as they say it, and becomes no element."""
    text = "<img src=x onerror=alert(1)><script>alert(1)</script>&lt;b&gt;"
    visitor = visit(site)
    page = visitor.open(path)
    wait_until_live(page)
    before = page.locator("main img, main script").count()
    site.set("moshez", text)
    expect(page.get_by_text(text, exact=True).first).to_be_visible()
    assert page.locator("main img, main script").count() == before


def test_many_changes_at_once(site: Site, visit: Visitor) -> None:
    """Whoever listens hears of one change what it is, and of many how many they are."""
    visitor = visit(site)
    page = visitor.open("/")
    wait_until_live(page)
    news = page.get_by_role("status")
    site.set("moshez", "Happy")
    expect(news).to_have_text("moshez: Happy")
    page.evaluate(
        """() => {
          window.said = [];
          const note = () => window.said.push(document.getElementById("news").textContent);
          new MutationObserver(note).observe(document.getElementById("news"), {childList: true});
        }"""
    )
    for number in range(5):
        site.set(f"user{number}", "Here")
        site.set("shawn", f"Alive {number}")
    expect(news).to_have_text("6 users changed")
    assert page.evaluate("window.said") == ["6 users changed"]


# The page of one user


def test_change_on_the_page_of_a_user(site: Site, visit: Visitor) -> None:
    """Status, since and until change where they stand, and what was set becomes history."""
    visitor = visit(site)
    page = visitor.open("/~moshez")
    wait_until_live(page)
    expect(page.locator(".earlier")).to_be_hidden()
    site.set_for("2h", "moshez", "Giving a tutorial")
    expect(page.locator("h1 + p")).to_have_text("Giving a tutorial", timeout=SOON)
    expect(page.locator(".since")).to_contain_text(", until ")
    expect(page.locator(".since time")).to_have_count(2)
    earlier = page.locator(".earlier li span")
    expect(earlier).to_have_count(0)  # the file's was never set
    site.set("moshez", "Done")
    expect(page.locator("h1 + p")).to_have_text("Done")
    expect(page.locator(".since")).not_to_contain_text("until")
    expect(earlier).to_have_text(["Giving a tutorial"])
    expect(page.get_by_role("status")).to_have_text("moshez: Done")
    since = page.locator(".since").inner_text()
    page.reload()
    expect(page.locator("h1 + p")).to_have_text("Done")
    assert page.locator(".since").inner_text() == since
    expect(earlier).to_have_text(["Giving a tutorial"])
    site.set("moshez", "")  # so the file's is shown again
    expect(page.locator("h1 + p")).to_have_text("Happy and well")
    expect(earlier).to_have_text(["Done", "Giving a tutorial"])
    site.set("moshez", "Back")
    expect(page.locator("h1 + p")).to_have_text("Back")
    expect(earlier).to_have_text(["Done", "Giving a tutorial"])
    page.reload()
    expect(earlier).to_have_text(["Done", "Giving a tutorial"])


def test_others_do_not_change_the_page_of_a_user(site: Site, visit: Visitor) -> None:
    """The page of one user is about nobody else."""
    visitor = visit(site)
    page = visitor.open("/~moshez")
    wait_until_live(page)
    site.set("shawn", "Not here")
    site.set("moshez", "Here")
    expect(page.locator("h1 + p")).to_have_text("Here")
    expect(page.locator(".earlier li")).to_have_count(0)


def test_user_who_goes_and_comes_back(site: Site, visit: Visitor) -> None:
    """The page of a user who is gone says so, and shows them again when they are back."""
    visitor = visit(site)
    page = visitor.open("/~moshez")
    wait_until_live(page)
    site.users_file.write_text("shawn: Alive\n")
    expect(page.locator("h1 + p")).to_have_text("No such user")
    expect(page.locator(".since")).to_be_hidden()
    site.set("moshez", "Back")
    expect(page.locator("h1 + p")).to_have_text("Back")
    expect(page.locator(".since")).to_be_visible()


def test_user_who_hides_and_comes_back(tmp_path: Path, visit: Visitor) -> None:
    """Their status is the same then, and since the same moment; it is shown again all the same."""
    shown = '[moshez]\nstatus = "Here"\n'
    config = WITH_CONTROL.replace('file = "users"', 'file = "users.toml"')
    (tmp_path / "users.toml").write_text(shown)
    with run_site(tmp_path, config=config) as site:
        site.set("moshez", "Away")
        page = visit(site).open("/~moshez")
        wait_until_live(page)
        (tmp_path / "users.toml").write_text(f"{shown}hidden = true\n")
        expect(page.locator("h1 + p")).to_have_text("No such user")
        (tmp_path / "users.toml").write_text(shown)
        expect(page.locator("h1 + p")).to_have_text("Away")
        expect(page.locator(".since")).to_be_visible()


# The connection


def test_ages_grow(site: Site, visit: Visitor) -> None:
    """How long ago a status was set is told as time goes by."""
    visitor = visit(site)
    visitor.page.clock.install()
    site.set("moshez", "Timely")
    page = visitor.open("/")
    expect(visitor.row("moshez").locator("time")).to_have_text("now")
    page.clock.fast_forward(3 * HOUR)
    expect(visitor.row("moshez").locator("time")).to_have_text("3h")


def test_page_that_nobody_looks_at(site: Site, visit: Visitor) -> None:
    """Nobody looks for long: the connection is closed. Somebody does: nothing is missing."""
    visitor = visit(site)
    visitor.page.clock.install()
    page = visitor.open("/")
    wait_until_live(page)
    hide(page, hidden=True)
    page.clock.fast_forward(HOUR)
    expect(page.locator(".live")).to_have_text("Paused")
    site.set("moshez", "Unseen")
    site.set("newbie", "Unheard")
    hide(page, hidden=False)
    wait_until_live(page)
    expect(visitor.row("moshez").locator("td").first).to_have_text("Unseen")
    expect(visitor.row("newbie").locator("td").first).to_have_text("Unheard")


def test_rest_of_a_list_that_missed_too_much(site: Site, visit: Visitor) -> None:
    """It goes on being the rest when the page reads it afresh."""
    visitor = visit(site)
    page = visitor.page
    page.route(
        "**/live.sse*",
        lambda route: route.fulfill(content_type="text/event-stream", body=MISSED),
    )
    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        visitor.open("/?after=moshez")
    site.set("shawn", "Unseen")
    expect(visitor.row("shawn").locator("td").first).to_have_text("Unseen")
    expect(visitor.names).to_have_text(["shawn"])


@pytest.mark.parametrize("path", ["/", "/~moshez"])
def test_page_that_missed_too_much(site: Site, visit: Visitor, path: str) -> None:
    """What the daemon no longer knows to tell as changes, the page reads afresh."""
    visitor = visit(site)
    visitor.page.clock.install()
    page = visitor.open(path)
    wait_until_live(page)
    hide(page, hidden=True)
    page.clock.fast_forward(HOUR)
    expect(page.locator(".live")).to_have_text("Paused")
    site.set("moshez", "Unseen")
    page.route(
        "**/live.sse*",
        lambda route: route.fulfill(content_type="text/event-stream", body=MISSED),
    )
    hide(page, hidden=False)
    expect(page.get_by_text("Unseen", exact=True)).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/~moshez"])
def test_daemon_that_comes_back(tmp_path: Path, visit: Visitor, path: str) -> None:
    """A page says that it is not live, comes back with the daemon, and has missed nothing."""
    port = free_port()
    web = '[web]\nlisten = ["127.0.0.1:0"]'
    config = WITH_CONTROL.replace(web, web.replace(":0", f":{port}"))
    with run_site(tmp_path, config=config) as site:
        visitor = visit(site, ignore_faults=True)
        page = visitor.open(path)
        wait_until_live(page)
        site.set("moshez", "Before")
        expect(page.get_by_text("Before", exact=True)).to_be_visible()
    expect(page.locator(".live")).to_have_text("Not live")
    with run_site(tmp_path, config=config) as site:
        site.set("moshez", "After")
        wait_until_live(page)
        expect(page.get_by_text("After", exact=True)).to_be_visible()
        site.set("moshez", "Later")
        expect(page.get_by_text("Later", exact=True)).to_be_visible()
