"""The table in docs/rfc1288.md: every row is there, and the tests that it names are."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

ROWS = {
    *(f"F{number}" for number in range(1, 4)),
    *(f"R{number}" for number in range(1, 32)),
    *(f"L{number}" for number in range(1, 5)),
    *(f"C{number}" for number in range(1, 13)),
}


def read_table() -> dict[str, list[str]]:
    """Return the tests that each row names, by its id."""
    text = (ROOT / "docs" / "rfc1288.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([A-Z]\d+) \|.*\| ([^|]+) \|$", text, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "an id has two rows"
    return {row: re.findall(r"`(\w+)`", tests) for row, tests in rows}


def find_tests() -> set[str]:
    """Return the names of all tests that there are."""
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text("utf-8"), re.M)
    }


def test_every_row_is_there() -> None:
    """No row of the checklist is missing from the table, and there are no others."""
    assert read_table().keys() == ROWS


def test_every_row_has_a_test_of_its_name() -> None:
    """The tests of a row are there, and one of them at least is named after it."""
    tests = find_tests()
    for row, named in read_table().items():
        assert set(named) <= tests, row
        assert any(row.lower() in name.split("_") for name in named), row


def test_every_test_of_a_row_is_in_its_row() -> None:
    """Whoever reads the table finds every test here that is named after a row."""
    table = read_table()
    for path in Path(__file__).parent.glob("test_*.py"):
        for name in re.findall(r"def (test_[a-z]\d\w*)\(", path.read_text("utf-8")):
            for row in re.findall(r"_([a-z]\d+)(?=_)", name):
                assert name in table[row.upper()], name
