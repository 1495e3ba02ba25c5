"""The users file as TOML: a table with any fault is skipped whole, and spoils no other."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.protocol.test_users_file import characters, is_name
from tests.strategies import texts
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import (
    MAX_PLAN,
    MAX_STATUS,
    clean,
    fold,
    is_safe,
    parse_name,
    parse_plan,
    parse_status,
)
from trio_finger.protocol.users_file import Entry, LineFault
from trio_finger.protocol.users_toml import MAX_LINK, MAX_LINKS, MAX_TEXT, parse_users_toml

BOM = "\ufeff"


def parse(data: bytes | str) -> list[Entry | LineFault]:
    """Parse a whole file; pieces that say nothing are left out."""
    whole = data.encode() if isinstance(data, str) else data
    return [item for item in parse_users_toml(whole) if item is not None]


def outline(data: bytes | str) -> list[str | int]:
    """Parse a whole file: the names of who is right, the lines of what is wrong."""
    return [item.name if isinstance(item, Entry) else item.line for item in parse(data)]


MOSHEZ = '''\
[moshez]
full_name = "Moshe Zadka"
status = "Happy and well"
plan = """
Write a book.
Learn to cook.
"""
project = "Twisted"
links = ["https://example.org/moshez"]
hidden = false
'''

PROFILE = Profile(
    full_name="Moshe Zadka",
    plan="Write a book.\nLearn to cook.",
    project="Twisted",
    links=("https://example.org/moshez",),
)


@pytest.mark.parametrize("start", ["", BOM, "# who is who\n", "\n \t\n", f"{BOM}\n# who\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_whole_table(start: str, end: str) -> None:
    """A table is a user, in a file from any system."""
    text = (start + MOSHEZ).replace("\n", end)
    assert parse(text) == [Entry("moshez", "Happy and well", PROFILE)]


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("[moshez]", Entry("moshez", "")),
        (' [ "moshez" ] # he\n', Entry("moshez", "")),
        ("[moshez]\nstatus = ''", Entry("moshez", "")),
        ("[moshez]\nstatus = ' \t '", Entry("moshez", "")),
        ("[moshez]\nstatus = 'A' # B\n# C", Entry("moshez", "A")),
        ("[moshez]\nhidden = false\nplan = ''\nlinks = []", Entry("moshez", "")),
        ("[moshez]\nhidden = true", Entry("moshez", "", Profile(hidden=True))),
        ("[moshez]\nwebfinger = true", Entry("moshez", "", Profile(webfinger=True))),
        ("[moshez]\nwebfinger = false", Entry("moshez", "")),
        ("moshez = {status = 'A'}", Entry("moshez", "A")),
        ("moshez = {}", Entry("moshez", "")),
        ("a = {links = [\n'http://b'\n]}\n", Entry("a", "", Profile(links=("http://b",)))),
        ("['john.doe']\nstatus = 'A'", Entry("john.doe", "A")),
        ("'john.doe' = {status = 'A'}", Entry("john.doe", "A")),
        ('["jose\u0301"]', Entry("josé", "")),
        ('["jos\\u00e9"]', Entry("josé", "")),
        ('[moshez]\nstatus = "\\u001b[31m\u202ered "', Entry("moshez", "[31mred")),
        ('[moshez]\nstatus = "\\u0007"', Entry("moshez", "")),
        ('[moshez]\nstatus = """\nA\n"""', Entry("moshez", "A")),
        ('[a]\nfull_name = " \\u202eB\\u0000 "', Entry("a", "", Profile(full_name="B"))),
        ('[a]\nproject = "\\u0007 B"', Entry("a", "", Profile(project="B"))),
        ('[a]\nplan = "\\u001bB \\r\\n\\tC\\u2028\\n\\n"', Entry("a", "", Profile(plan="B\n\tC"))),
        (
            "[a]\nlinks = [\n 'http://b', # first\n 'https://[::1]:80/?c#d',\n]",
            Entry("a", "", Profile(links=("http://b", "https://[::1]:80/?c#d"))),
        ),
    ],
)
def test_entry(text: str, entry: Entry) -> None:
    """Every key is optional, and what it says is cleaned."""
    assert parse(text) == [entry]


@pytest.mark.parametrize("text", ["", "\n", "# [moshez]\n", BOM, f"{BOM}\r\n \t\r\n  # A\r\n"])
def test_nothing_said(text: str) -> None:
    """Blank lines and comments say nothing, and nothing about them is wrong."""
    assert parse(text) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("hiden = true", 'a.hiden: unknown key; did you mean "hidden"?'),
        ("HIDDEN = true", 'a.HIDDEN: unknown key; did you mean "hidden"?'),
        (
            "x = 1979-05-27T07:32:00.999999-07:00",
            "a.x: unknown key; "
            "known are full_name, status, plan, project, links, hidden, webfinger",
        ),
        ('hidden = "yes"', 'a.hidden: expected true or false, got "yes"'),
        ("hidden = 1", "a.hidden: expected true or false, got a number"),
        ("webfinger = 'yes'", 'a.webfinger: expected true or false, got "yes"'),
        ("web_finger = true", 'a.web_finger: unknown key; did you mean "webfinger"?'),
        ("hidden.really = true", "a.hidden: expected true or false, got a table"),
        ("status = true", "a.status: expected a text in quotes, got true"),
        ("status = 0x" + "f" * 5000, "a.status: expected a text in quotes, got a number"),
        ("status = nan", "a.status: expected a text in quotes, got a number"),
        ("plan = ['b']", "a.plan: expected a text in quotes, got a list"),
        ("project = 07:32:00", "a.project: expected a text in quotes, got a date or a time"),
        ('status = "b\\nc"', "a.status: expected one line"),
        ('full_name = "b\\nc"', "a.full_name: expected one line"),
        (
            f'status = "{"x" * (MAX_STATUS + 1)}"',
            f"a.status: the status is longer than {MAX_STATUS} bytes",
        ),
        (f'full_name = "{"x" * (MAX_TEXT + 1)}"', "a.full_name: longer than 256 bytes"),
        (f'project = "{"é" * (MAX_TEXT // 2 + 1)}"', "a.project: longer than 256 bytes"),
        (f'plan = "{"x" * (MAX_PLAN + 1)}"', f"a.plan: the plan is longer than {MAX_PLAN} bytes"),
        (
            'links = "http://b"',
            'a.links: expected a list, such as ["https://example.org/"], got "http://b"',
        ),
        ("links = [1]", "a.links: expected a text in quotes, got a number"),
        (f'links = ["http://{"b" * MAX_LINK}"]', "a.links: a link is longer than 2048 bytes"),
        ("links = [" + "'http://b'," * (MAX_LINKS + 1) + "]", "a.links: more than 32 links"),
        ("status = 'b", "what begins here has no ' at its end"),
        ("links = ['http://b',", "what begins here has no ] at its end"),
        ('status = "b', "not TOML: Illegal character '\\n'"),
        ('status = "b\0"', "not TOML: Illegal character '\\x00'"),
        ('status = "\\ud800"', "not TOML: Escaped character is not a Unicode scalar value"),
        ("status", "not TOML: Expected '=' after a key in a key/value pair"),
        ("status = 'b'\rplan = 'c'", None),
        ("status = 2026-02-30", "not TOML: Invalid date or datetime"),
        (BOM + "status = 'b'", "not TOML: Invalid statement"),
    ],
)
def test_fault_in_a_table(line: str, words: str | None) -> None:
    """A table with a fault is skipped whole, the fault is named, and no other is spoiled."""
    text = f"[first]\n\n[a]\n# A\n{line}\n[last]\nstatus = 'B'\n"
    first, fault, last = parse(text)
    assert (first, last) == (Entry("first", ""), Entry("last", "B"))
    assert isinstance(fault, LineFault)
    assert fault == LineFault(5, words or fault.words)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ("http://b c", "a link cannot hold blanks or control characters"),
        ("http://b\\u00a0c", "a link cannot hold blanks or control characters"),
        ("http://b\\u202e", "a link cannot hold blanks or control characters"),
        ("http://b\\nc", "a link cannot hold blanks or control characters"),
        ("", "expected http:// or https:// and a host"),
        ("b", "expected http:// or https:// and a host"),
        ("javascript:alert(1)", "expected http:// or https:// and a host"),
        ("ftp://b", "expected http:// or https:// and a host"),
        ("http:b", "expected http:// or https:// and a host"),
        ("http://", "expected http:// or https:// and a host"),
        ("https:///b", "expected http:// or https:// and a host"),
        ("https://:80/b", "expected http:// or https:// and a host"),
        ("http://[b", "expected http:// or https:// and a host"),
    ],
)
def test_fault_in_a_link(links: str, words: str) -> None:
    """A link is http:// or https://, a host, and whatever else can be seen."""
    (fault,) = parse(f'[a]\nstatus = "A"\nlinks = ["http://ok",\n"{links}"]\n')
    assert isinstance(fault, LineFault)
    assert fault.line == 3
    assert fault.words.startswith('a.links: "')
    assert fault.words.endswith(f'": {words}')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[john.doe]", 'a name with a dot needs quotes: ["john.doe"]'),
        ("[ john . 'doe' ]\nstatus = 'A'", 'a name with a dot needs quotes: ["john.doe"]'),
        ("[[john.doe]]", 'a name with a dot needs quotes: ["john.doe"]'),
        ("john.doe = {status = 'A'}", 'a name with a dot needs quotes: "john.doe"'),
        ("john.status = 'A'", "john.status: expected it in a table [john]"),
        ("[[x]]", "expected [x], one table a user, found [[x]]"),
        (
            "status = 'A'",
            'status: expected a table, such as [moshez] or moshez = {status = "Happy"}, got "A"',
        ),
        ("['a b']", "a b: a name cannot hold white space"),
        ("['a@b']", "a@b: a name cannot hold '@'"),
        ('["a\\u200bb"]', "a\\u200bb: a name cannot hold control or invisible characters"),
        ("['']\n", ": the name is empty"),
        ("['" + "a" * 65 + "']", "a" * 64 + "…: the name is longer than 64 characters"),
        ("[moshez", "not TOML: Expected ']' at the end of a table declaration"),
        ("[José]", 'not TOML: this name needs quotes: ["José"]'),
        (" [ a b ] # A", 'not TOML: this name needs quotes: ["a b"]'),
        ("[]", "not TOML: Invalid initial character for a key part"),
        (
            "[moshez] status = 'A'",
            "not TOML: Expected newline or end of document after a statement",
        ),
        ("moshez: Happy", "not TOML: Expected '=' after a key in a key/value pair"),
        ("a = {statu = 'A'}", 'a.statu: unknown key; did you mean "status"?'),
        ("[" + "a." * 100_000 + "a]", "too many dots in a key"),
        ("a = " + "[" * 100_000, "not TOML: a number too long, or brackets too deep"),
        ("a = " + "{a=" * 50_000, "not TOML: a number too long, or brackets too deep"),
        ("a = {status = " + "9" * 5000 + "}", "not TOML: a number too long, or brackets too deep"),
        ("a = '" + "x" * 300_000 + "'", "this table is longer than 256 KiB"),
    ],
)
def test_fault_at_the_beginning(text: str, words: str) -> None:
    """What is no user's table is named, and what would be right."""
    good = "first = {}\n\n"
    assert parse(f"{good}{text}\n[last]\n") == [
        Entry("first", ""),
        LineFault(3, words),
        Entry("last", ""),
    ]
    assert parse(text + "\n") == [LineFault(1, words)]


def test_every_fault_is_named() -> None:
    """All that is wrong in a table is named, up to a bound."""
    assert parse("[a]\nx1 = 1\nstatus = 'A'\nplan = '''\n[b]\n'''\nlink = []\n[c]\n") == [
        LineFault(
            2,
            "a.x1: unknown key; "
            "known are full_name, status, plan, project, links, hidden, webfinger",
        ),
        LineFault(7, 'a.link: unknown key; did you mean "links"?'),
        Entry("c", ""),
    ]
    many = "".join(f"x{number} = 1\n" for number in range(1000))
    assert outline(f"[a]\n{many}[b]\n") == [*range(2, 12), "b"]


def test_duplicates() -> None:
    """The first table of a user counts, however the others spell the name."""
    assert parse("a = {}\n['José']\n['jose\u0301']\nhidden = true\n['JOSÉ']\n[A]\n") == [
        Entry("a", ""),
        Entry("José", ""),
        LineFault(3, "josé is on line 2 already"),
        LineFault(5, "JOSÉ is on line 2 already"),
        LineFault(6, "A is on line 1 already"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[a]\nhiden = true\n[A]\nstatus = 'B'\n",
        "[a]\nhidden = true and more\n[A]\nstatus = 'B'\n",
        "[a] # A\nhidden = tru\n[A]\nstatus = 'B'\n",
        "a = {hidden = tru}\n\n[A]\nstatus = 'B'\n",
        "a = {hiden = true}\n\n[A]\nstatus = 'B'\n",
        "a.hidden = true\n\n[A]\nstatus = 'B'\n",
        "[[a]]\nhidden = true\n[A]\nstatus = 'B'\n",
        "a.status = 'B'\na.hidden = true\n\n[A]\n",
    ],
)
def test_a_faulty_table_exposes_nobody(text: str) -> None:
    """Whoever is not shown for a fault is not shown by another table either."""
    items = parse(text)
    assert all(isinstance(item, LineFault) for item in items)
    assert "is on line 1 already" in str(items[-1])


def test_the_same_key_twice() -> None:
    """It is named where it is for the second time, though the parser is at its end by then."""
    assert parse('[a]\nplan = ""\n# A\nplan = """\nb\n\nc"""\nstatus = ""\n') == [
        LineFault(4, "the same key twice")
    ]


@pytest.mark.parametrize("mark", ['"""', "'''"])
def test_text_with_tables_in_it(mark: str) -> None:
    """Lines that begin with a bracket may be in a text, and are no users then."""
    plan = "[x] Write a book\n[ ] Learn to cook\n  [bob]\n[carol]\nstatus = 'B'\n[[\n\n[dan]"
    text = f"[a]\nplan = {mark}\n{plan}\n{mark}\nhiden = true\n"
    assert parse(text) == [LineFault(12, 'a.hiden: unknown key; did you mean "hidden"?')]
    assert parse(text.replace("hiden", "hidden")) == [
        Entry("a", "", Profile(plan=plan, hidden=True))
    ]
    plan = "\n".join(["[x]"] * 1000)
    assert parse(f"[a]\nplan = {mark}{plan}{mark}\n[b]\n") == [
        Entry("a", "", Profile(plan=plan)),
        Entry("b", ""),
    ]


def test_a_faulty_text_with_tables_in_it() -> None:
    """A fault, in the text or before, does not turn what is in the text into users."""
    text = '[a]\nstatus = %s\nplan = """\n[bob]\nstatus = "B"\n[carol]\n%s"""\n[d]\n'
    assert outline(text % ('"A', "")) == [2, "d"]
    assert outline(text % ("A", "")) == [2, "d"]
    assert outline(text % ("''", "\\x")) == [7, "d"]
    assert outline((text % ("''", "é")).encode("latin-1")) == [7, "d"]
    assert outline((text % ("'é'", "")).encode("latin-1")) == [2, "d"]


@pytest.mark.parametrize("mark", ['"""', "'''"])
def test_a_text_without_an_end(mark: str) -> None:
    """It does not take the tables after it along, even where another text begins."""
    words = f"what begins here has no {mark} at its end"
    other = f"[b]\nplan = {mark}\n[x]\n{mark}\n"
    b = Entry("b", "", Profile(plan="[x]"))
    assert parse(f"[a]\nplan = {mark}\nA\n{other}[c]\n") == [LineFault(2, words), b, Entry("c", "")]
    assert parse(f"[a]\nplan = {mark}\n[c]\n") == [LineFault(2, words), Entry("c", "")]


def test_lists_with_lists_in_them() -> None:
    """A list in a list is wrong, and no user."""
    assert outline("[a]\nlinks = [\n['b'],\n  ['c']\n]\nstatus = 1\n[d]\n") == [2, 6, "d"]


def test_not_utf8() -> None:
    """A piece that is not UTF-8 is named by its line, and spoils no other."""
    data = b"[a]\n[b]\nstatus = 'A'\nplan = '\xff'\n[c\xe9]\n[d]\n# \xe9\n\n[e]\n"
    assert parse(data) == [
        Entry("a", ""),
        LineFault(4, "not UTF-8 text"),
        LineFault(5, "not UTF-8 text"),
        LineFault(7, "not UTF-8 text"),
        Entry("e", ""),
    ]
    assert outline("[moshez]\nstatus = 'A'\n".encode("utf-16"))[0] == 1


def test_byte_order_mark_further_down() -> None:
    """Where files were put together, the table after it is wrong, not the one before."""
    assert outline(f"[a]\n{BOM}[b]\n[c]\n") == ["a", 2, "c"]


def test_values_and_tables() -> None:
    """Tables on one line each may come first, and a wrong one spoils none of the others."""
    text = "a = {status = 'A'}\nb = {status = 'B'\nc = {plan = '''\nC\n'''}\nd = {x = 1}\n[e]\n"
    assert outline(text) == ["a", 2, "c", 6, "e"]


def test_lazy() -> None:
    """The pieces are parsed one by one, and one that says nothing yields something too."""
    items = parse_users_toml(b"# A\na = {}\n[b]\n")
    assert next(items) is None
    assert next(items) == Entry("a", "")
    assert next(items) == Entry("b", "")
    long = list(parse_users_toml(b"[a]\nplan = '" + b"x" * 10_000 + b"'\n"))
    assert len(long) == 10


TOKENS = [
    *("[a]", "[b]", "[[c]]", "[d.e]", "f = {", "}", "[", "]", '"""', "'''", '"', "'", "\\", "#"),
    *("\n", "\n", "\n", "\r\n", "\r", "\0", "=", " = ", ",", ".", "status", "plan", "links"),
    *("hidden = true", "hiden = true", "'http://a'", "\\u202e", "\u202e", BOM, "é", "1e5", "=[\n"),
]
soups = st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)


@given(
    st.binary(max_size=100)
    | (soups | texts("[]\"'=\n\\", max_size=100)).map(lambda s: s.encode("utf-8", "surrogatepass"))
)
def test_any_file(data: bytes) -> None:
    """Any file gives clean entries, each user once, and faults that are right to show."""
    items = parse(data)
    entries = [item for item in items if isinstance(item, Entry)]
    faults = [item for item in items if isinstance(item, LineFault)]
    for entry in entries:
        assert parse_name(entry.name) == entry.name
        assert entry.status == "" or parse_status(entry.status) == entry.status
        profile = entry.profile or Profile()
        for text in (profile.full_name, profile.project):
            assert clean(text).strip() == text
        assert parse_plan(profile.plan) == profile.plan
        for link in profile.links:
            assert all(map(is_safe, link))
            assert link.split() == [link]
            assert link.startswith(("http://", "https://"))
    assert len({fold(entry.name) for entry in entries}) == len(entries)
    numbers = [fault.line for fault in faults]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(1, data.count(b"\n") + 2))
    assert all(clean(fault.words) == fault.words for fault in faults)


def quote(text: str, mark: str = '"') -> str:
    """Write *text* as TOML does, in a way in which it holds no quotes."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1].replace("'", "\\u0027")
    return mark + inside + mark


def format_toml(entry: Entry, style: int) -> str:
    """Write *entry* as a table, in one of three styles."""
    profile = entry.profile or Profile()
    lines = "\n".join(quote(line, "") for line in profile.plan.split("\n"))
    plan = f'"""\n{lines}\n"""' if style else quote(profile.plan)
    values = {
        "full_name": quote(profile.full_name),
        "status": quote(entry.status),
        "plan": plan,
        "links": "[" + ", ".join(map(quote, profile.links)) + "]",
        "project": quote(profile.project),
        "hidden": "true" if profile.hidden else "false",
        "webfinger": "true" if profile.webfinger else "false",
    }
    if style == 1:  # what is not said is left out
        unsaid = ('""', '"""\n\n"""', "[]", "false")
        values = {key: value for key, value in values.items() if value not in unsaid}
    said = [f"{key} = {value}" for key, value in values.items()]
    return f"[{quote(entry.name)}]\n" + "".join(f"{line}\n" for line in said)


titles = texts("[]\"'=#\\").map(lambda text: clean(text).strip())
plans = texts("[]\"'=#\\\n\n\n", max_size=60).map(parse_plan)
paths = st.text(characters.filter(is_safe), max_size=10)
links = st.lists(
    st.builds("https://{}/{}".format, st.sampled_from(["a.b", "[::1]"]), paths), max_size=3
)
profiles = st.builds(
    Profile, titles, plans, titles, links.map(tuple), st.booleans(), st.booleans()
).map(lambda profile: profile if profile != Profile() else None)
names = st.text(characters, min_size=1, max_size=10).filter(is_name)
users = st.lists(
    st.tuples(st.builds(Entry, names, titles, profiles), st.integers(0, 2)),
    unique_by=lambda user: fold(user[0].name),
    max_size=5,
)


@given(users)
def test_format_and_parse_are_inverses(users: list[tuple[Entry, int]]) -> None:
    """Users who were written are read again as they were."""
    text = "".join(format_toml(entry, style) for entry, style in users)
    assert parse(text) == [entry for entry, _ in users]


@given(users, st.data())
def test_damage_to_one_table_spoils_no_other(
    users: list[tuple[Entry, int]], data: st.DataObject
) -> None:
    """Whatever happens inside one table, all the others are as they were."""
    assume(users)
    tables = [format_toml(entry, style).encode() for entry, style in users]
    victim = data.draw(st.integers(0, len(users) - 1))
    table = tables[victim]
    # Where a table begins is all that parts it from the one before.
    begin = data.draw(st.integers(1, len(table) - 1))
    end = data.draw(st.integers(begin, min(len(table) - 1, begin + 20)))
    inserted = data.draw(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=5))
    tables[victim] = table[:begin] + inserted + table[end:]
    entries = [item for item in parse(b"".join(tables)) if isinstance(item, Entry)]
    others = [entry for entry, _ in users if entry.name != users[victim][0].name]
    assert [entry for entry in entries if entry in others] == others
