"""Where in a TOML text a key stands."""

import tomllib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.config._lines import error_line, find_lines


def find_line(text: str, path: Sequence[str]) -> int:
    """Return the line of one key."""
    return find_lines(text, [tuple(path)])[tuple(path)]


TEXT = '''\
# The first line says nothing.

[daemon]
name = "localhost"  # [finger]

[finger]
# listen = []
listen = [
    "127.0.0.1:79",  # timeout = 1
]
timeout = "10s"
[web]
motd = """
[irc]
nick = 1
"""
"list" = true
a.b = 1
a.c = 2
[irc.deep]
x = { y = 1 }
[[table]]
[[table]]
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["daemon"], 3),
        (["daemon", "name"], 4),
        (["finger"], 6),
        (["finger", "listen"], 8),
        (["finger", "timeout"], 11),
        (["web"], 12),
        (["web", "motd"], 13),
        (["web", "list"], 17),
        (["web", "a"], 18),
        (["web", "a", "c"], 19),
        (["irc"], 20),
        (["irc", "deep", "x"], 21),
        (["irc", "deep", "x", "y"], 21),
        (["table"], 22),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_find_line(path: list[str], line: int, end: str) -> None:
    """A key stands on the line on which it begins, however many lines its value has."""
    assert find_line(TEXT.replace("\n", end), path) == line


@pytest.mark.parametrize("path", [["nothing"], ["daemon", "nothing"], ["daemon", "name", "x"]])
def test_unknown_key(path: list[str]) -> None:
    """A key that is not there is looked for at the top."""
    assert find_line(TEXT, path) == 1


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85"])
def test_other_separators(separator: str) -> None:
    """Only what TOML and editors count as the end of a line counts."""
    assert find_line(f"# one{separator}line\na = 1\nb = 2\n", ["b"]) == 3


lines = st.sampled_from(
    ["", "# {}", "k{} = 1", "k{} = '''\n\n[x]\n'''", "k{} = [\n1,\n]", "[k{}]", 'k{} = "#"']
)


@given(st.lists(lines, max_size=8), st.lists(lines, max_size=8))
def test_any_surroundings(before: list[str], after: list[str]) -> None:
    """Whatever stands before and after it, a key is found on its own line."""
    head = [line.format(number) for number, line in enumerate(before)]
    tail = [line.format(number + 100) for number, line in enumerate(after)]
    text = "\n".join([*head, "[here]", "key = 1", *tail])
    number = "\n".join([*head, ""]).count("\n") + 1
    assert find_line(text, ["here"]) == number
    assert find_line(text, ["here", "key"]) == number + 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = \n", 2),
        ("[a]\n[a]\n", 2),
        ("a = 1\r\n\r\nb", None),
        ('a = "', None),
        ("a = 1\na = 2\n", 2),
    ],
)
def test_error_line(text: str, line: int | None) -> None:
    """The place is taken out of the words of the parser; there is none at the very end."""
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    found, words = error_line(caught.value)
    assert found == line
    assert words
    assert "at line" not in words
