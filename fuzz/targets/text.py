"""Names, statuses and plans: clean, within bounds, settled; and taken alike by every door."""

from unicodedata import normalize
from xmlrpc.client import loads

from fuzz.inputs import as_text, choose
from fuzz.properties import is_clean
from fuzz.target import Target
from fuzz.targets.users_file import check_entry
from trio_finger.protocol.finger import Query, format_query, parse_query
from trio_finger.protocol.irc import Message, format_message, parse_message
from trio_finger.protocol.setter import SetRequest, format_request, parse_request
from trio_finger.protocol.target import parse_target
from trio_finger.protocol.text import (
    MAX_NAME,
    MAX_PLAN,
    TextError,
    clean,
    decode,
    escape,
    fold,
    is_line,
    parse_name,
    parse_plan,
    parse_status,
)
from trio_finger.protocol.users_file import Entry, format_entry, parse_users
from trio_finger.protocol.xmlrpc import format_response


def check(data: bytes) -> None:
    """What is taken of any text is clean, and taking it again changes nothing."""
    text = as_text(data)
    _check_decoding(data)
    assert is_clean(clean(text))
    assert clean(text) == text or not is_clean(text)
    assert is_line(escape(text))
    assert escape(escape(text)) == escape(text)
    status = _check_status(text)
    _check_plan(text)
    if text and not choose(data, 64):  # now and then, for it takes long
        _check_plan(text * (MAX_PLAN // len(text) + choose(data, 2, b"more")))
    if len(text) <= MAX_NAME:
        _check_fold(text)
    _check_name(text, status or "Happy")


def _check_decoding(data: bytes) -> None:
    try:
        assert decode(data).encode() == data
    except TextError as error:
        assert is_clean(str(error))


def _check_status(text: str) -> str | None:
    try:
        status = parse_status(text)
    except TextError as error:
        assert is_clean(str(error))
        return None
    check_entry(Entry("a", status))
    assert status
    assert parse_status(status) == status
    return status


def _check_plan(text: str) -> None:
    try:
        plan = parse_plan(text)
    except TextError:
        assert len(text.encode("utf-8", "surrogatepass")) > MAX_PLAN
        return
    assert len(plan.encode()) <= MAX_PLAN
    assert all(is_clean(line) and line == line.rstrip() for line in plan.split("\n"))
    assert parse_plan(plan) == plan


def _check_fold(text: str) -> None:
    """Neither composition nor case makes another user."""
    folded = fold(text)
    assert fold(folded) == folded
    assert fold(normalize("NFD", text)) == fold(normalize("NFC", text)) == folded
    assert fold(normalize("NFC", text).casefold()) == folded


def _check_name(text: str, status: str) -> None:
    try:
        name = parse_name(text)
    except TextError as error:
        assert is_clean(str(error))
        return
    check_entry(Entry(name, status))
    assert parse_name(name) == name == normalize("NFC", text)
    assert fold(name) == fold(text)
    _check_doors(name, status)


def _check_doors(name: str, status: str) -> None:
    """A name and a status get through every protocol as they are."""
    assert parse_query(format_query(Query((name,)))[:-2]) == Query((name,))
    assert parse_target(f"{name}@h").query == Query((name,))
    entry = Entry(name, status)
    assert [found for found in parse_users(format_entry(entry)) if found is not None] == [entry]
    request = SetRequest(name, status)
    assert parse_request(format_request(request)) == request
    assert parse_request(f"{name}\n{status}\n".encode()) == request
    message = Message("PRIVMSG", ("h", name))
    assert parse_message(format_message(message)[:-2]) == message
    assert loads(format_response({name: status}))[0] == ({name: status},)


TARGET = Target(
    check,
    seeds=(
        b"moshez",
        b"  Happy\tand well \r\n",
        "jose\u0301 \u00df\u1e9e\u0130\u03a3\u03c2 \ufb01 \u1f80\u0345".encode(),
        "\ud55c\u1112\u1161\u11ab\u202egnp.exe\u200b\ufeff\ufffe\U000e0041".encode(),
        b"\xed\xa0\x80\xff\x9b31m\x1b]0;x\x07",
        b"a plan\r\n  of\rlines  \n\n\n",
        "\u00e9".encode() * 512,
        b"a" * 65,
    ),
    tokens=(
        *(b"\xcc\x81", b"\xcc\x88", b"\xcd\x85", b"\xe2\x80\xae", b"\xe2\x80\x8b", b"\xe2\x80\xa8"),
        *(b"\xc2\x85", b"\xc2\xa0", b"\xef\xbf\xbe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\r\n"),
        *(b"\xce\xa3", b"\xc3\x9f", b"\xc4\xb0", b"\xe1\xbe\x80", b"..", b"#", b"finger://", b"@"),
    ),
    max_len=5000,
)
