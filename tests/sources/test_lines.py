"""Lines are looked for once and read when they are asked for; both must find the same."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.strategies import texts
from trio_finger.protocol.text import fold
from trio_finger.protocol.users_file import Entry, LineFault, parse_users
from trio_finger.sources._lines import Lines
from trio_finger.sources._progress import Progress
from trio_finger.store import MemoryStore
from trio_finger.usermap import PARTS, Line, UserMap, part_of

SINCE = datetime(2026, 11, 1, tzinfo=UTC)

# Lines as they are, and with everything that makes one line unlike the others.
plain = st.builds("{}:{}{}".format, st.sampled_from("abAB"), st.sampled_from(["", " "]), st.text())
odd = texts(":# .\nabAB\r", max_size=30)
files = st.lists(plain | odd).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))
files |= st.binary(max_size=100)


async def find(data: bytes) -> tuple[Lines, list[LineFault]]:
    """Return the lines of a file, and what is wrong with some of them."""
    faults: list[LineFault] = []
    lines = Lines(data, SINCE)
    await lines.find(faults.append, lambda _place, _line: None)
    return lines, sorted(faults, key=lambda fault: fault.line)


async def everybody(lines: Lines) -> dict[str, Line | None]:
    """Return what *lines* say."""
    parts = [await lines.part(number, SINCE) for number in range(PARTS)]
    return {key: part.line(key) for part in parts for key in part.texts}


@given(files)
async def test_any_file(data: bytes) -> None:
    """What is found of a file and read part by part is what it says when it is read at once."""
    items = [item for item in parse_users(data) if item is not None]
    entries = [item for item in items if isinstance(item, Entry)]
    lines, faults = await find(data)
    assert faults == [item for item in items if isinstance(item, LineFault)]
    assert len(lines) == len(entries)
    expected = {fold(entry.name): Line(entry.name, entry.status, SINCE) for entry in entries}
    assert await everybody(lines) == expected


@given(files, st.sets(st.sampled_from(["a", "b", "c"])), st.sets(st.sampled_from(["A", "c"])))
async def test_narrowed(data: bytes, keys: Collection[str], given_too: Collection[str]) -> None:
    """Once they are narrowed, lines say the same as before of some and nothing of others."""
    lines, _ = await find(data)
    for name in given_too:
        lines.put(Line(name, "given", SINCE))
    before = await everybody(lines)
    assert {fold(name) for name in given_too} <= before.keys()
    for number in range(PARTS):
        part = await lines.part(number, SINCE)
        lines.narrow(number, part, part.texts.keys() & keys)
    assert await everybody(lines) == {key: line for key, line in before.items() if key in keys}


async def test_one_user_a_thousand_times() -> None:
    """Of a user with many lines the first counts, and each of the others is named."""
    lines, faults = await find(b"a: 1\n" + b"A: 2\nb: 3\n" * 1000)
    assert {key: line and line.text for key, line in (await everybody(lines)).items()} == {
        "a": "1",
        "b": "3",
    }
    assert [fault.line for fault in faults] == [2, *range(4, 2002)]
    assert str(faults[0].words) == "A is on line 1 already"
    assert str(faults[1].words) == "A is on line 1 already"
    assert str(faults[2].words) == "b is on line 3 already"


async def test_same_hash_is_not_the_same_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names that merely share a hash are both kept."""
    monkeypatch.setattr("trio_finger.sources._lines.hash", lambda _: 7, raising=False)
    lines, faults = await find(b"".join(b"u%d: A\n" % n for n in range(5000)))
    assert (len(lines), faults) == (5000, [])
    assert all(part_of(key) < PARTS for key in await everybody(lines))


async def test_progress(autojump_clock: MockClock) -> None:
    """How far a long reading has come is logged every second; of a short one, nothing."""
    with capture_logs() as log:
        progress = Progress("reading users file", Path("users"))
        for done in range(0, 200, 5):
            progress(done, 200, lines=10 * done)
            await trio.sleep(0.3)
    assert [(record["percent"], record["lines"]) for record in log] == [
        (10 * count, 200 * count) for count in range(1, 10)
    ]
    with capture_logs() as log:
        Progress("reading users file", Path("users"))(200, 200)
    assert log == []


async def test_both_halves_report() -> None:
    """Finding the lines and taking them over both say how far they have come."""
    data = b"".join(b"u%d: A\n" % n for n in range(5000))
    lines = Lines(data, SINCE)
    found: list[tuple[int, int]] = []
    faults: list[LineFault] = []
    await lines.find(faults.append, lambda place, line: found.append((place, line)))
    assert faults == []
    assert [line for _, line in found] == [1000, 2000, 3000, 4000, 5000]
    assert all(data.count(b"\n", 0, place) == line - 1 for place, line in found)
    taken: list[tuple[int, int]] = []
    users = UserMap(MemoryStore())
    await users.take_over(lines, report=lambda done, of: taken.append((done, of)))
    assert taken == sorted(taken)
    assert 0 <= taken[0][0] < taken[-1][0] < taken[-1][1]
