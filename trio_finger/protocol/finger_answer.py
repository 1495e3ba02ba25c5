"""What a finger server's answer says of the one user who was asked for.

RFC 1288 leaves the form of an answer to the server. Many have the layout that Unix had::

    Login: moshez                           Name: Moshe Zadka
    Status: Happy and well
    Plan:
    To be happy and well.

Others, such as ours, say one line, and that is the status.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trio_finger.protocol.text import clean

_LINE_END = re.compile(r"\r\n|\r|\n")

# What says that there is no such user is short; in a longer text such words are somebody's own.
_MAX_EXCUSE = 3  # lines
_MAX_HEAD = 500  # characters of a first line that can be more than text

# A name as it stands in a server's words, perhaps in quotes.
_NAME = r"(?:\"[^\"]*\"|'[^']*'|`[^']*'|[^ :]+)"

# The whole of a line that says it. A word more, and it is a sentence: somebody's status.
_UNKNOWN = re.compile(
    rf"""
    (?: (?: finger: \ )? (?: {_NAME}: \ )? (?: sorry, \ )?
        (?: no \ such \ (?: user | person ) | unknown \ user
          | user \ (?: unknown | not \ (?: found | known ) ) )
        (?: \ ?: \ ?{_NAME} | \ ["'`] [^"'`]* ["'`] )?
      | (?: sorry, \ )? (?: the \ )? user \ {_NAME} \ (?: (?: is | was ) \ )?
        (?: not \ (?: found | known ) | unknown | (?: does \ not | doesn't ) \ exist )
        (?: \ here | \ (?: on | at ) \ this \ (?: system | site | host | server | machine ) )?
      | {_NAME} \ is \ not \ known \ at \ this \ site
    ) \ ?[.!]?
    """,
    re.IGNORECASE | re.VERBOSE,
)

# The first line of the layout. Whoever has no full name is shown without one by some servers;
# of whoever is not there, others show ??? in its place.
_HEAD = re.compile(r"(?:login(?: name)?|user ?name): ?[^ :]+(?P<rest>| .*)", re.IGNORECASE)
_FULL_NAME = re.compile(r" (?:name|real name|in real life): ?(?P<name>.*)", re.IGNORECASE)
_NOBODY = "???"

_FIELDS = frozenset({"status", "project"})  # of those that can stand below it

# What a server says of a user who has nothing to say.
_NOTHING = frozenset({"no status", "no plan", "no plan."})


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """What an answer says of a user; every text is clean, and empty where it says nothing.

    Attributes:
      status: one line.
      full_name: one line.
      plan: any number of lines, each but the last ended by LF.
      project: one line.
    """

    status: str = ""
    full_name: str = ""
    plan: str = ""
    project: str = ""


def read_answer(text: str) -> ReadAnswer | None:
    """Read *text*, all that a server answered; ``None`` if there is no such user.

    Whatever a text says, it says something: none is refused, and nothing in it gets out that
    is not clean. No bound is set here on how long it is.
    """
    # Characters that nothing is seen of are taken out first: they could hide a word.
    lines = [clean(line).rstrip() for line in _LINE_END.split(text)]
    start = next((number for number, line in enumerate(lines) if line), None)
    if start is None:
        return ReadAnswer()
    first, rest = lines[start].strip(), lines[start + 1 :]
    full_name = _read_head(first)
    is_short = sum(map(bool, rest)) < _MAX_EXCUSE
    if is_short and (full_name == _NOBODY or _is_excuse(first)):
        return None
    if full_name is not None:
        return _read_layout(full_name, rest)
    plan = _read_plan(lines[lines.index("Plan:") + 1 :]) if "Plan:" in lines else ""
    return ReadAnswer(_said(_first_line(plan) or first), plan=plan)


def _is_excuse(line: str) -> bool:
    return len(line) <= _MAX_HEAD and _UNKNOWN.fullmatch(" ".join(line.split())) is not None


def _read_head(line: str) -> str | None:
    """Return the full name in *line*; ``None`` if that does not begin the layout."""
    # Patterns take a long time for some texts if those are long.
    match = _HEAD.fullmatch(" ".join(line.split())) if len(line) <= _MAX_HEAD else None
    if match is None:
        return None
    name = _FULL_NAME.search(match["rest"])
    if name is None:
        return None if match["rest"] else ""
    return name["name"]


def _read_layout(full_name: str, lines: Sequence[str]) -> ReadAnswer:
    """Read the *lines* below the first. From the plan on they are the user's own."""
    fields: dict[str, str] = {}
    plan = ""
    for number, line in enumerate(lines):
        label, mark, value = line.partition(":")
        field = label.lower()
        if mark and field == "plan":
            plan = _read_plan([value.strip(), *lines[number + 1 :]])
            break
        if mark and field in _FIELDS:
            fields.setdefault(field, value.strip())
    status = fields.get("status") or _first_line(plan)
    return ReadAnswer(_said(status), full_name, plan, fields.get("project", ""))


def _read_plan(lines: Sequence[str]) -> str:
    return "\n".join(lines).strip("\n")


def _first_line(plan: str) -> str:
    return next((line.strip() for line in plan.split("\n") if line.strip()), "")


def _said(status: str) -> str:
    return "" if status.lower() in _NOTHING else status
