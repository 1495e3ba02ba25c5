"""How the pages look, and to whom: every width, both colour schemes, every script."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.site import WITH_CONTROL, Site, run_site

LONGEST_NAME = "n" * 64
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
ARABIC = "أكتب الوثائق، المقاطعات مرحب بها"
HEBREW = "בישיבה עד שלוש, אחר כך פנויה"

USERS = f"""\
["{LONGEST_NAME}"]
status = "{LONG_WORD * 10}"
full_name = "{LONG_WORD}"
project = "{ARABIC}"
links = ["https://example.org/{"a" * 300}"]
plan = "{"0123456789" * 30}"

["أحمد"]
status = "{ARABIC}"

[dana]
status = "{HEBREW}"
full_name = "Dana"

[silent]
"""

PAGES = {
    "list": "/",
    "list by age": "/?sort=change",
    "found": "/?q=dana",
    "found nobody": "/?q=nobody+at+all",
    "user": f"/~{LONGEST_NAME}",
    "user with history": "/~dana",
    "user without status": "/~silent",
    "nobody": "/~nobody",
    "error": "/a/b",
    "sign in": "/me",
}

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with long words, and with such as are written from right to left."""
    folder = tmp_path_factory.mktemp("odd")
    folder.chmod(0o777)
    config = WITH_CONTROL.replace('file = "users"', 'file = "users.toml"')
    (folder / "users.toml").write_text(USERS)
    with run_site(folder, config=config) as site:
        site.set("dana", "Lunch")
        site.set("dana", HEBREW)
        yield site


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_no_barriers(odd: Site, visit: Visitor, path: str) -> None:
    """Axe finds nothing that keeps anybody out: no poor contrast, no field without a name."""
    visitor = visit(odd)
    page = visitor.open(path)
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert visitor.find_barriers() == [], (width, scheme)


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_pages_fit(odd: Site, visit: Visitor, path: str) -> None:
    """However long the words are, nobody has to scroll sideways."""
    page = visit(odd).open(path)
    sticks_out = """() => {
      const elements = [...document.querySelectorAll("body *:not(.unseen)")];
      return elements.filter((element) => {
        const { left, right, width } = element.getBoundingClientRect();
        return width > 0 && (left < 0 || right > innerWidth + 0.5);
      }).map((element) => element.outerHTML);
    }"""
    for width in (320, 360, 576, 577, 768, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(sticks_out) == [], width


@pytest.mark.parametrize("path", ["/~dana", "/~أحمد"])
def test_right_to_left(odd: Site, visit: Visitor, path: str) -> None:
    """What is written from right to left begins on the right, in the list and on its page."""
    visitor = visit(odd)
    page = visitor.open("/")
    row = visitor.row(path.removeprefix("/~"))
    expect(row.locator("td").first).to_have_css("direction", "rtl")
    expect(row.locator("td").last).to_have_css("direction", "ltr")
    page = visitor.open(path)
    ends = """(element) => {
      const range = document.createRange();
      range.selectNodeContents(element);
      const [words, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
      return [words.left - box.left, box.right - words.right];
    }"""
    left, right = page.locator("h1 + p").evaluate(ends)
    assert right < 20 < left


@pytest.mark.parametrize("scheme", SCHEMES)
def test_colour_scheme(odd: Site, visit: Visitor, scheme: Scheme) -> None:
    """The pages are as light or as dark as everything else on the reader's screen."""
    page = visit(odd, color_scheme=scheme).open("/")
    colour = page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
    brightness = sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (brightness > 384) == (scheme == "light")


def test_titles(odd: Site, visit: Visitor) -> None:
    """Every page has a title of its own, which says where it is."""
    visitor = visit(odd)
    titles = [visitor.open(path).title() for path in PAGES.values() if "sort" not in path]
    assert len(set(titles)) == len(titles)
    assert all(title.endswith(" at localhost") for title in titles)


def test_times(odd: Site, visit: Visitor) -> None:
    """Every time can be read by programs, and people are told their own."""
    visitor = visit(odd, timezone_id="Asia/Tokyo", locale="en-GB")
    for path in ("/", "/~dana"):
        page = visitor.open(path)
        for time in page.locator("time").all():
            moment = time.get_attribute("datetime")
            assert page.evaluate("(moment) => Date.parse(moment) <= Date.now()", moment)
            time.hover()
            local = page.evaluate("(moment) => new Date(moment).toLocaleString()", moment)
            expect(time).to_have_attribute("title", local)


def test_feeds_can_be_found(odd: Site, visit: Visitor) -> None:
    """Each page names its feeds, and each feed is there."""
    visitor = visit(odd)
    for path, count in (("/", 2), ("/~dana", 4)):
        page = visitor.open(path)
        feeds = page.locator("link[rel=alternate]").all()
        assert len(feeds) == count
        for feed in feeds:
            assert feed.get_attribute("title")
            answer = page.request.get(f"{odd.url}{feed.get_attribute('href')}")
            assert answer.ok
            kind = feed.get_attribute("type")
            assert kind is not None
            assert answer.headers["content-type"].startswith(kind)


def test_table_is_a_table(odd: Site, visit: Visitor) -> None:
    """However it is laid out, to a screen reader the list is a table with headers."""
    for width in (360, 1280):
        page = visit(odd, viewport={"width": width, "height": 800}).open("/")
        expect(page.get_by_role("button", name="Age")).to_be_visible()
        session = page.context.new_cdp_session(page)
        tree = session.send("Accessibility.getFullAXTree")["nodes"]
        roles = [node["role"]["value"] for node in tree if not node["ignored"]]
        assert roles.count("table") == 1
        assert roles.count("row") == 5
        assert roles.count("rowheader") == 4
        assert roles.count("cell") == 8
        assert roles.count("columnheader") == 3


def test_little_motion(odd: Site, visit: Visitor) -> None:
    """Whoever wants no motion sees what has changed without any."""
    page = visit(odd, reduced_motion="reduce").open("/")
    row = page.locator("#users tbody tr").first
    row.evaluate("(row) => row.classList.add('changed')")
    expect(row).to_have_css("animation-timing-function", "steps(1)")


def test_policy_holds(odd: Site, visit: Visitor) -> None:
    """T13: the browser runs no script that a page might be made to have in it."""
    visitor = visit(odd, ignore_faults=True)
    page = visitor.open("/")
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          document.body.setAttribute("style", "color: rgb(1, 2, 3)");
        }"""
    )
    assert page.evaluate("window.ran") is None
    expect(page.locator("body")).not_to_have_css("color", "rgb(1, 2, 3)")


def test_files_are_kept(odd: Site, visit: Visitor) -> None:
    """What the pages are made of is asked for once, and kept until it changes."""
    visitor = visit(odd)
    kept: list[str | None] = []
    visitor.page.on(
        "response",
        lambda answer: (
            kept.append(answer.headers.get("cache-control")) if "/static/" in answer.url else None
        ),
    )
    visitor.open("/")
    expect(visitor.page.locator(".live")).to_be_visible()
    assert len(kept) >= 2
    assert all("immutable" in (words or "") for words in kept)
