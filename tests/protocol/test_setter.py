"""The setter's request: lines or JSON, whoever writes it, and the words that refuse others."""

import json
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import chunked, texts
from trio_finger.protocol.setter import (
    MAX_REQUEST,
    OK,
    SetRequest,
    SetterError,
    format_error,
    format_ok,
    format_request,
    is_whole,
    parse_json,
    parse_request,
)
from trio_finger.protocol.text import MAX_PLAN, MAX_STATUS

NOTHING = "nothing was sent; send a name, then a status on the next line"
NO_STATUS = "the second line, the status, is missing"
TOO_LONG = f"the request is longer than {MAX_REQUEST} bytes"


# Lines


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (b"moshez\r\nHappy and well\r\n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy and well\n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy and well", SetRequest("moshez", "Happy and well")),
        (b"moshez\r\nHappy and well\r", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy\r\n", SetRequest("moshez", "Happy")),
        (b" moshez\t\n  Happy and well \n", SetRequest("moshez", "Happy and well")),
        (b"moshez\nHappy: yes, @home!\n", SetRequest("moshez", "Happy: yes, @home!")),
        ("josé\n😀\n".encode(), SetRequest("josé", "😀")),
        # An empty second line clears.
        (b"moshez\n\n", SetRequest("moshez", "")),
        (b"moshez\r\n\r\n", SetRequest("moshez", "")),
        (b"moshez\n \t\n", SetRequest("moshez", "")),
        # What a name may be is not decided here.
        (b"\nHappy\n", SetRequest("", "Happy")),
        (b"\n\n", SetRequest("", "")),
        # A name has no colon, so what has none is no JSON.
        (b"{moshez}\nHappy\n", SetRequest("{moshez}", "Happy")),
        (b"{\nHappy\n", SetRequest("{", "Happy")),
        (b'{"name"\n: "moshez"}\n', SetRequest('{"name"', ': "moshez"}')),
        (b"moshez\n{a: b}\n", SetRequest("moshez", "{a: b}")),
    ],
)
def test_lines(data: bytes, request_: SetRequest) -> None:
    """Lines end in LF or CRLF, the last one may do without, and blanks around do not count."""
    assert parse_request(data) == request_


@pytest.mark.parametrize(
    ("rest", "plan"),
    [
        (b"Write it.\n", "Write it."),
        (b"Write it.", "Write it."),
        (b"1. Write it\r\n2. Mend it\r\n", "1. Write it\n2. Mend it"),
        (b"  * one\n    - two\n\tthree\n", "  * one\n    - two\n\tthree"),
        (b"\nfirst\n\n\nlast  \n", "\nfirst\n\n\nlast  "),
        (b"a: b\n{\n}\n", "a: b\n{\n}"),
        (b"a\rb\r\r\n", "a\rb\r"),
        # Nothing but blanks is no plan, and leaves the one that is there.
        (b"", None),
        (b"\n", None),
        (b"\n \r\n\t\n", None),
    ],
)
@pytest.mark.parametrize("status", ["Happy", ""])
def test_further_lines_are_the_plan(rest: bytes, plan: str | None, status: str) -> None:
    """What follows the status is the plan, its indentation and empty lines kept."""
    assert parse_request(f"moshez\n{status}\n".encode() + rest) == SetRequest(
        "moshez", status, plan
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", NOTHING),
        (b"\n", NOTHING),
        (b"\r\n", NOTHING),
        (b"  ", NOTHING),
        (b"moshez", NO_STATUS),
        (b"moshez\r\n", NO_STATUS),
        (b"moshez\rHappy\r", NO_STATUS),
        (b"{}", NO_STATUS),
        (b"{}\n", NO_STATUS),
        (b"moshez\nna\xefve\n", "not UTF-8 text"),
        (b"moshez\nHappy\nna\xefve\n", "not UTF-8 text"),
        (b"\xff\xfe\n", "not UTF-8 text"),
        (b"x" * (MAX_REQUEST + 1), TOO_LONG),
        (b"{" + b"x" * MAX_REQUEST, TOO_LONG),
    ],
)
def test_refused(data: bytes, why: str) -> None:
    """What makes no sense is refused in words that say why."""
    with pytest.raises(SetterError) as caught:
        parse_request(data)
    assert str(caught.value) == why


def test_longest_request() -> None:
    """`MAX_REQUEST` bytes are taken, line ends and blanks included, and one more is not."""
    longest = b"moshez\n" + b"Happy".ljust(MAX_REQUEST - 8) + b"\n"
    assert len(longest) == MAX_REQUEST
    assert parse_request(longest) == SetRequest("moshez", "Happy")
    with pytest.raises(SetterError, match=f"^{TOO_LONG}$"):
        parse_request(longest + b"\n")


@pytest.mark.parametrize("character", ["x", "\t", '"', "\\", "é", "😀"])
def test_all_that_is_allowed_fits(character: str) -> None:
    """The longest name, status and plan fit into a request together, in either form."""
    size = len(character.encode())
    status, plan = character * (MAX_STATUS // size), character * ((MAX_PLAN - 1) // size) + "."
    for data in (
        format_request(SetRequest("😀" * 64, status, plan, until="2026-11-21 17:30")),
        f"{'😀' * 64}\n{status}\n{plan}".encode(),
    ):
        assert parse_request(data).plan == plan


# JSON


def line(**keys: Any) -> bytes:
    """Return a request with *keys*; ``for_`` stands for ``for``."""
    return json.dumps({key.rstrip("_"): value for key, value in keys.items()}).encode()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (line(name="moshez", status="Happy"), SetRequest("moshez", "Happy")),
        (line(name="moshez", plan="a\n  b"), SetRequest("moshez", None, "a\n  b")),
        (line(name="moshez", status="x", plan="y"), SetRequest("moshez", "x", "y")),
        (line(name="m", status="x", for_="30m"), SetRequest("m", "x", lasts="30m")),
        (line(name="m", status="x", until="17:30"), SetRequest("m", "x", until="17:30")),
        # null and an empty text clear.
        (line(name="m", status=None), SetRequest("m", "")),
        (line(name="m", status=""), SetRequest("m", "")),
        (line(name="m", plan=None), SetRequest("m", None, "")),
        (line(name="m", status=None, plan=None), SetRequest("m", "", "")),
        # What is in them is not decided here.
        (line(name=" a:b ", status="\n"), SetRequest(" a:b ", "\n")),
        (line(name="", status="x", for_="soon"), SetRequest("", "x", lasts="soon")),
        (line(name="\ud800", status="\udfff"), SetRequest("\ud800", "\udfff")),
        (b' \t{ "name" :"m","status":"x"}  ', SetRequest("m", "x")),
        ('{"name":"josé","status":"😀"}'.encode(), SetRequest("josé", "😀")),
        # Of a key that is there twice the last one counts, as in JSON everywhere.
        (b'{"name":"a","name":"m","status":1,"status":"x"}', SetRequest("m", "x")),
    ],
)
def test_json(data: bytes, request_: SetRequest, end: bytes) -> None:
    """A line that is a JSON object says the same, and when the status ends."""
    assert parse_request(data + end) == request_
    assert is_whole(data + end) == (b"\n" in end)


KNOWN = "known are name, status, plan, for, until"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{:}", "not JSON"),
        (b"{a: b", "not JSON"),
        (b'{"name": "m", "status": "x",}', "not JSON"),
        (b'{"name": "m", "status": "x"', "not JSON"),
        (b'{"name": "m", "status": "x"} more', "not JSON"),
        (b'{"name": "m", "status": "x"}{"name": "m"}', "not JSON"),
        (b'{"name": "m", "status": "a\tb"}', "not JSON"),
        (b"{'name': 'm', 'status': 'x'}", "not JSON"),
        (b'{"name": "m", "status": "\xff"}', "not UTF-8 text"),
        (b'{"name": "m", "status": "\xed\xa0\x80"}', "not UTF-8 text"),
        (line(name="m", state="x"), f"unknown key 'state'; {KNOWN}"),
        (line(name="m", status="x", b=1, a=2), f"unknown key 'a'; {KNOWN}"),
        (line(name="m", Status="x"), f"unknown key 'Status'; {KNOWN}"),
        (line(**{"\n\x1b\ud800\u202e": 1}), rf"unknown key '\n\x1b\ud800\u202e'; {KNOWN}"),
        (line(status="x"), "the name is missing"),
        (line(name=None, status="x"), "the name is missing"),
        (line(name=7, status="x"), "'name' is no text"),
        (line(name="m", status=7), "'status' is no text"),
        (line(name="m", status=True), "'status' is no text"),
        (line(name="m", status=["x"]), "'status' is no text"),
        (line(name="m", status={"text": "x"}), "'status' is no text"),
        (line(name="m", plan=1.5), "'plan' is no text"),
        (line(name="m", status="x", for_=30), "'for' is no text"),
        (line(name="m", status="x", until=float("inf")), "'until' is no text"),
        (line(name="m", status="x", until=float("nan")), "'until' is no text"),
        (b'{"name": "m", "status": 1e999999}', "'status' is no text"),
        (line(name="m"), "there is neither a status nor a plan to set"),
        (line(name="m", for_="1h"), "there is neither a status nor a plan to set"),
        (line(name="m", plan="y", for_="1h"), "an end needs a status that ends"),
        (line(name="m", status="", until="17:30"), "an end needs a status that ends"),
        (line(name="m", status=None, for_="1h"), "an end needs a status that ends"),
        (
            line(name="m", status="x", for_="1h", until="17:30"),
            "say either for how long or until when, not both",
        ),
        # What Python's parser cannot hold.
        (b'{"name": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"name": ' + b"[" * 30_000, "not JSON"),
        (b'{"name": ' + b'{"a":' * 7_000, "not JSON"),
    ],
)
def test_json_refused(data: bytes, why: str) -> None:
    """What is no such object, or makes no sense, is refused in words fit to send."""
    with pytest.raises(SetterError) as caught:
        parse_request(data)
    assert str(caught.value) == why
    assert why.isprintable()


def test_longest_line() -> None:
    """The bound is for the line; what came after it by chance takes nothing away."""
    longest = line(name="m", status="x").ljust(MAX_REQUEST)
    assert parse_request(longest + b"\n" + b"x" * MAX_REQUEST) == SetRequest("m", "x")
    with pytest.raises(SetterError, match=f"^{TOO_LONG}$"):
        parse_request(longest + b" \n")


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (b'{"status": "x"}', SetRequest("Zoë", "x")),
        (b'{"name": "Zo\\u00eb", "status": "x"}', SetRequest("Zoë", "x")),
        (b'{"name": "ZOE\\u0308", "status": "x"}', SetRequest("ZOE\u0308", "x")),
        (b'{\n  "plan": null\n}\n', SetRequest("Zoë", plan="")),
    ],
)
def test_name_that_is_known(data: bytes, request_: SetRequest) -> None:
    """Where an address has named the user, JSON need not, and may only name the same one."""
    assert parse_json(data, "Zoë") == request_


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"name": "moshez", "status": "x"}', "the name is another than that of the address"),
        (b'["x"]', "expected a JSON object"),
        (b'"x"', "expected a JSON object"),
        (b"null", "expected a JSON object"),
        (b"7", "expected a JSON object"),
        (b"", "not JSON"),
        (b"\xff", "not UTF-8 text"),
    ],
)
def test_json_alone_refused(data: bytes, why: str) -> None:
    """What is no object is refused, whatever else JSON calls it; and so is another's name."""
    with pytest.raises(SetterError) as caught:
        parse_json(data, "Zoë")
    assert str(caught.value) == why


# Both

SCRAPS = [b"moshez", b"\n", b"\r\n", b" ", b"{", b"}", b":", b'"name"', b'"status"', b'"a"', b","]
SCRAPS += [b"[", b"\\ud800", b"null", b"1e9", b"\xff", b"\0"]

scraps = st.lists(st.sampled_from(SCRAPS)).map(b"".join)
objects = st.dictionaries(
    st.sampled_from(["name", "status", "plan", "for", "until"]), st.none() | texts(), min_size=1
).map(lambda keys: json.dumps(keys).encode())
requests = (
    st.binary(max_size=60)
    | scraps
    | objects
    | texts("\n\r \ta{:").map(lambda text: text.encode("utf-8", "replace"))
)


@given(requests)
@example(b"\r")
@example(b"a\n\r")
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a request, or refused in words fit to send."""
    try:
        request = parse_request(data)
    except SetterError as error:
        words = str(error)
        assert words.isprintable()
    else:
        assert request.status is not None or request.plan is not None
        if not data.lstrip().startswith(b"{"):
            assert request.status is not None
            for text in (request.name, request.status):
                assert "\n" not in text
                assert text == text.strip(" \t")
                assert text in data.decode()


@given(chunked(st.builds(bytes.__add__, requests, st.sampled_from([b"", b"\n"]) | requests)))
@example([b'{"name": "m", "status": "x"}\n', b"more"])
@example([b"{\n", b'"name": "m"}\n'])
def test_whole_in_any_chunks(chunks: list[bytes]) -> None:
    """Nothing that comes later makes a request that is whole another, or less than whole."""
    beginnings = list(accumulate(chunks, initial=b""))
    whole = [data for data in beginnings if is_whole(data)]
    assert whole == beginnings[len(beginnings) - len(whole) :]
    assert all(is_whole(bytearray(data)) for data in whole)
    assert len({outcome(data) for data in whole}) <= 1


def outcome(data: bytes) -> SetRequest | str:
    """Return what comes of *data*."""
    try:
        return parse_request(data)
    except SetterError as error:
        return str(error)


@st.composite
def sound(draw: st.DrawFn) -> SetRequest:
    """A request that makes sense, as far as that is decided here."""
    words = texts("\n\r {}:\"\\'").map(lambda text: text.encode("utf-8", "replace").decode())
    status, plan = draw(st.none() | words), draw(st.none() | words)
    if status is None and plan is None:
        status = draw(words)
    lasts = draw(st.none() | words) if status else None
    until = draw(st.none() | words) if status and lasts is None else None
    return SetRequest(draw(words), status, plan, lasts, until)


@given(sound())
def test_format_and_parse_are_inverses(request_: SetRequest) -> None:
    """A request that was written is one line, and is read again as the same request."""
    data = format_request(request_)
    assert is_whole(data)
    assert data.index(b"\n") == len(data) - 1
    assert parse_request(data) == request_


def test_what_was_no_text_is_refused_as_such() -> None:
    """A byte of the command line that is no text is sent, and refused where all are."""
    data = format_request(SetRequest("moshez", "na\udcefve"))
    with pytest.raises(SetterError, match=r"^not UTF-8 text$"):
        parse_request(data)


def test_replies() -> None:
    """Every reply is one line, CRLF at its end."""
    assert OK == format_ok() == b"ok\r\n"
    assert format_ok("2026-11-21 17:30 CET") == b"ok, until 2026-11-21 17:30 CET\r\n"
    assert format_error("no naïve names") == "error: no naïve names\r\n".encode()
