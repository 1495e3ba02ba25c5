"""The log: one record a line, whatever a stranger put into it."""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from tempfile import TemporaryFile

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st
from trio.testing import memory_stream_pair

from tests.strategies import texts
from trio_finger.config import Finger, Log
from trio_finger.counts import Counts
from trio_finger.log import Format, Level, configure_log, get_log
from trio_finger.protocol.proxy import PRETENDED
from trio_finger.protocol.text import is_safe
from trio_finger.services.finger import Door, handle_finger
from trio_finger.sources import Directory
from trio_finger.store import Store, open_store
from trio_finger.usermap import UserMap

LEVELS: list[Level] = ["debug", "info", "warning", "error"]
FORMATS: list[Format] = ["console", "json"]

# As a program would take the values out of a record for people.
_VALUE = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|[^ "=]*)(?= |$)')


class Caught:
    """What has been written to *file*, as long as it is open, and ever after."""

    def __init__(self, file: BufferedRandom) -> None:
        self._file = file
        self._text = ""

    def getvalue(self) -> str:
        if not self._file.closed:
            self._text = os.pread(self._file.fileno(), 1_000_000, 0).decode()
        return self._text


@contextmanager
def logging_to(level: Level, form: Format) -> Iterator[Caught]:
    """Catch what is logged, and leave the logging of this process as it was."""
    root = logging.getLogger()
    handlers, threshold = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)  # or else it would be closed
    with TemporaryFile() as file:
        caught = Caught(file)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stderr", file)
            configure_log(level, form)
        try:
            yield caught
        finally:
            caught.getvalue()
            structlog.reset_defaults()
            root.handlers[:] = handlers
            root.setLevel(threshold)


def record(form: Format, event: str, **values: object) -> str:
    """Return the one line that a record becomes."""
    with logging_to("info", form) as caught:
        get_log("test").info(event, **values)
    line, rest = caught.getvalue().split("\n")
    assert rest == ""
    return line


def test_for_people() -> None:
    """A record for people begins with time, level and event; values follow by name."""
    line = record("console", "set", user="moshez", reason="no such thing", empty="", count=3)
    time, rest = line.split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", time)
    assert rest == ('info    set door=test user=moshez reason="no such thing" empty="" count=3')


def test_for_programs() -> None:
    """A record for programs is one JSON object with the same in it."""
    found = json.loads(record("json", "set", user="José", listen=["h:1", "h:2"], count=3))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", found.pop("timestamp"))
    assert found == {
        "event": "set",
        "level": "info",
        "door": "test",
        "user": "José",
        "listen": ["h:1", "h:2"],
        "count": 3,
    }


def test_lists_for_people() -> None:
    """Several values stand side by side."""
    line = record("console", "ready", finger=("h:1", "h:2"), web=["h:3"])
    assert line.endswith(' ready door=test finger="h:1 h:2" web=h:3')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\r\nb", r"a\r\nb"),
        ("a\tb", r"a\tb"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x85\x9b\x7f\0", r"\x85\x9b\x7f\x00"),
        ("\u2028\u202e\ufeff", r"\u2028\u202e\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        (r"a\nb", r"a\\nb"),
        ('say "hi"', r'"say \"hi\""'),
        ("x user=root", '"x user=root"'),
        ('" user=root "', r'"\" user=root \""'),
        ("\\", "\\\\"),
        ("\udcff", "?"),
        ("%s {user.__class__}", '"%s {user.__class__}"'),
        ("naïve 😀", '"naïve 😀"'),
    ],
)
def test_escapes_for_people(value: str, shown: str) -> None:
    """What could end a line, act on a terminal or pose as another value is escaped (T11)."""
    assert record("console", "query", query=value).endswith(f" query door=test query={shown}")


@given(event=texts(' \n="\\'), one=texts(' \n="\\'), other=texts(' \n="\\'))
def test_one_record_one_line_for_people(event: str, one: str, other: str) -> None:
    """Any texts make one safe line, and no value can pose as a value of another name."""
    line = record("console", event, one=one, other=other)
    assert line.splitlines() == [line]
    assert all(is_safe(character) and character != "\t" for character in line)
    values = record("console", "x", one=one, other=other).partition(" x ")[2]
    assert [match[1] for match in _VALUE.finditer(f" {values}")] == ["door", "one", "other"]


@given(event=texts(), value=texts())
def test_one_record_one_line_for_programs(event: str, value: str) -> None:
    """Any texts make one line of ASCII, from which a program has them back."""
    line = record("json", event, value=value)
    assert line.isascii()
    assert line.isprintable()
    found = json.loads(line)
    assert (found["event"], found["value"]) == (event, value)


@given(
    st.one_of(st.none(), st.binary(), st.floats(), st.tuples(texts()), st.builds(OSError, texts()))
)
def test_values_of_any_kind(value: object) -> None:
    """Whatever is logged can be logged, in both formats."""
    for form in FORMATS:
        record(form, "x", value=value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_level(level: Level, form: Format) -> None:
    """What is less than the level is not logged; the rest is."""
    with logging_to(level, form) as caught:
        log = get_log("test")
        for name in LEVELS:
            getattr(log, name)(f"event-{name}")
    logged = re.findall(r"event-(\w+)", caught.getvalue())
    assert logged == LEVELS[LEVELS.index(level) :]


def test_level_changes_under_way() -> None:
    """A log that somebody holds already follows when level and format change."""
    log = get_log("test")
    with logging_to("error", "console") as caught:
        log.info("one")
        with logging_to("debug", "json") as inner:
            log.debug("two")
    assert caught.getvalue() == ""
    assert json.loads(inner.getvalue())["event"] == "two"


def raised(error: Exception) -> Exception:
    """Return *error* with a traceback."""
    with pytest.raises(type(error)):
        raise error
    return error


def test_traceback_for_people() -> None:
    """A traceback stands below its record, indented, so that none of its lines is a record."""
    forged = "one\n2026-11-20T00:00:00Z error forged\x1b[2J\u2028"
    with logging_to("info", "console") as caught:
        get_log("test").error("broken", exc_info=raised(ValueError(forged)))
    head, *below, end = caught.getvalue().split("\n")
    assert head.endswith(" error   broken door=test")
    assert end == ""
    assert below[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in below)
    assert any("forged" in line for line in below)
    assert all(is_safe(character) for line in below for character in line)


def test_traceback_for_programs() -> None:
    """A traceback is a value of its record, and the record still one line."""
    with logging_to("info", "json") as caught:
        get_log("test").error("broken", exc_info=raised(ValueError("one\ntwo")))
    (line,) = caught.getvalue().splitlines()
    found = json.loads(line)
    assert found["exception"].endswith("ValueError: one\ntwo")
    assert "exc_info" not in found


@pytest.mark.parametrize("form", FORMATS)
def test_libraries(form: Format) -> None:
    """Warnings of libraries are records like ours; what they say less loudly is not heard."""
    with logging_to("debug", form) as caught:
        library = logging.getLogger("some.library")
        library.info("chatter")
        library.warning("%s and\n%s", "one", "{two}")
        library.log(35, "between the levels")
    first, second = caught.getvalue().splitlines()
    assert "some.library" in first
    assert r"one and\n{two}" in first
    assert "between the levels" in second
    assert "chatter" not in caught.getvalue()


def door(store: Store, records: Log) -> Door:
    """Return a finger door of nobody that logs what *records* says."""
    return Door(Finger(), Directory(UserMap(store)), Counts(), records, get_log("finger"))


@pytest.mark.parametrize("form", FORMATS)
@given(
    query=st.binary(max_size=40)
    | texts(' \n="').map(lambda text: text.encode("utf-8", "surrogatepass"))
)
async def test_one_query_one_record(form: Format, query: bytes) -> None:
    """One query is one record at the level debug, whatever it holds (T11)."""
    assume(not query.startswith(PRETENDED))  # which is refused, and no query
    client, server = memory_stream_pair()
    with logging_to("debug", form) as caught:
        async with open_store("memory:") as store:
            await client.send_all(query + b"\r\n")
            await client.send_eof()
            await handle_finger(server, Finger(), door(store, Log(level="debug")))
    logged = caught.getvalue()
    assert logged.splitlines() == [logged.removesuffix("\n")]
    assert all(map(is_safe, logged.removesuffix("\n")))
    assert "query" in logged


@pytest.mark.parametrize("form", FORMATS)
async def test_queries_are_not_logged_by_default(form: Format) -> None:
    """Who asked for whom is not kept unless the operator says so (T8)."""
    client, server = memory_stream_pair()
    with logging_to(Log().level, form) as caught:
        async with open_store("memory:") as store:
            await client.send_all(b"moshez\r\n")
            await client.send_eof()
            await handle_finger(server, Finger(), door(store, Log()))
    assert caught.getvalue() == ""
