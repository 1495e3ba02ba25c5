"""XML-RPC against the standard library's: what both take they read alike, and ours
takes nothing that is not a call, and fails in one way."""

import codecs
import gzip
import math
import re
import tracemalloc
import xmlrpc.client
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.protocol.xmlrpc import (
    Call,
    Code,
    Fault,
    format_fault,
    format_response,
    parse_call,
)

# Whatever Python can hold, and what XML can hold of it.
any_text = st.text(st.characters() | st.sampled_from("\0\x1b\r\n\t&<>]\ufffe\ud800"))
NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
texts = any_text.map(lambda text: NOT_XML.sub("", text))

scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=100)
    | st.datetimes().map(lambda moment: moment.replace(microsecond=0))
)


def nested(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=4) | st.dictionaries(texts, values, max_size=4)


values = st.recursive(scalars, nested, max_leaves=10)
names = st.from_regex(r"[A-Za-z0-9_.:/]+", fullmatch=True)


def value(xml: str) -> bytes:
    """Return a call with the one argument that *xml* describes."""
    return call(f"<params><param><value>{xml}</value></param></params>")


def call(params: str) -> bytes:
    return f"<methodCall><methodName>m</methodName>{params}</methodCall>".encode()


def code_of(body: bytes) -> int:
    with pytest.raises(Fault) as caught:
        parse_call(body)
    return caught.value.code


# Inverses


@given(names, st.lists(values, max_size=3))
def test_reads_what_the_library_writes(method: str, params: list[Any]) -> None:
    """Whatever call the library can make arrives as it was made."""
    body = xmlrpc.client.dumps(tuple(params), method, allow_none=True).replace("\r", "&#13;")
    assert parse_call(body.encode()) == Call(method, tuple(params))


@given(values)
def test_the_library_reads_what_is_written(value: Any) -> None:
    """Every value arrives as it was, at a client that takes the library's types."""
    assert xmlrpc.client.loads(format_response(value), use_builtin_types=True) == ((value,), None)


@given(any_text)
def test_any_text_can_be_sent(text: str) -> None:
    """Of any text whatsoever just that is left out which no XML can hold."""
    kept = NOT_XML.sub("", text)
    assert xmlrpc.client.loads(format_response(text))[0] == (kept,)
    assert xmlrpc.client.loads(format_response({text: [text]}))[0] == ({kept: [kept]},)


@given(st.integers(-(2**31), 2**31 - 1), any_text)
def test_any_fault_can_be_sent(code: int, words: str) -> None:
    """A fault arrives with its code and words."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(format_fault(Fault(code, words)))
    assert caught.value.faultCode == code
    assert caught.value.faultString == NOT_XML.sub("", words)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_written_as_specified(number: float) -> None:
    """A sign, digits, a period, digits: not the exponent that Python writes."""
    body = format_response(number).decode()
    assert re.search(r"<double>-?[0-9]+\.[0-9]+</double>", body)


def recursive() -> list[Any]:
    inner: list[Any] = []
    inner.append(inner)
    return inner


def deep() -> list[Any]:
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    [
        None,
        2**31,
        -(2**31) - 1,
        math.inf,
        math.nan,
        {1: "a"},
        ValueError("with attributes"),
        Call("m"),
        {"a", "b"},
        Code.INTERNAL_ERROR,
        recursive(),
        deep(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_clients_cannot_read_is_not_written(value: Any) -> None:
    """What XML-RPC has no form for is refused, deep inside of a value too."""
    for outcome in (value, [value], {"a": value}):
        with pytest.raises(ValueError, match="XML-RPC has no form for"):
            format_response(outcome)


# Forms


@pytest.mark.parametrize(
    ("xml", "wanted"),
    [
        ("", ""),
        ("  plain text ", "  plain text "),
        ("<string/>", ""),
        ("<string> a<!-- b -->c </string>", " ac "),
        ("<string><![CDATA[<b>]]>&amp;&#x263a;</string>", "<b>&☺"),
        ("\n <i4>-7</i4>\n ", -7),
        ("<int>+2147483647</int>", 2147483647),
        ("<i8>-9223372036854775808</i8>", -(2**63)),
        ("<boolean>1</boolean>", True),
        ("<double>-.5</double>", -0.5),
        ("<double>1e3</double>", 1000.0),
        ("<base64> aGk\n= </base64>", b"hi"),
        ("<base64/>", b""),
        ("<nil/>", None),
        ("<dateTime.iso8601>20261120T23:15:00</dateTime.iso8601>", datetime(2026, 11, 20, 23, 15)),
        ("<array><data/></array>", []),
        ("<struct/>", {}),
    ],
)
def test_forms_of_values(xml: str, wanted: object) -> None:
    """Every form of the specification, and the extensions i8 and nil, is read."""
    assert parse_call(value(xml)).params == (wanted,)


def test_params_may_be_missing() -> None:
    """A call without arguments may leave out their element."""
    assert parse_call(call("")) == parse_call(call("<params/>")) == Call("m", ())


@pytest.mark.parametrize(
    "xml",
    [
        "<int></int>",
        "<int>1_0</int>",
        "<int> 1</int>",
        "<int>\u0661</int>",
        "<int>0x1</int>",
        "<int>2147483648</int>",
        "<i8>9223372036854775808</i8>",
        f"<int>{'9' * 1_000_000}</int>",
        f"<int>{'0' * 1_000_000}1</int>",
        f"<double>{'9' * 1_000_000}</double>",
        f"<double>1e{'9' * 1_000_000}</double>",
        f"<double>0.{'1' * 1_000_000}</double>",
        "<double>1e999</double>",
        "<double>nan</double>",
        "<double>inf</double>",
        "<double>.</double>",
        "<boolean>true</boolean>",
        "<base64>a</base64>",
        "<base64>aGk=aGk=</base64>",
        "<base64>é</base64>",
        "<dateTime.iso8601>20260230T00:00:00</dateTime.iso8601>",
        "<dateTime.iso8601>2026-11-20T23:15:00</dateTime.iso8601>",
        "<dateTime.iso8601>00000101T00:00:00</dateTime.iso8601>",
        "<nil>x</nil>",
        "<float>1</float>",
        "<int>1</int><int>2</int>",
        "text<int>1</int>",
        "<string><int>1</int></string>",
        "<value>1</value>",
        "<name>a</name>",
        "<array/>",
        "<array><data/><data/></array>",
        "<array><value>1</value></array>",
        "<array><data>text</data></array>",
        "<array><data><int>1</int></data></array>",
        "<struct><value>1</value></struct>",
        "<struct><member><name>a</name></member></struct>",
        "<struct><member><value>1</value></member></struct>",
        "<struct><member><value>1</value><name>a</name></member></struct>",
        "<struct><member><name><value>a</value></name><value>1</value></member></struct>",
        "<struct>" + "<member><name>a</name><value>1</value></member>" * 2 + "</struct>",
        "<x:int>1</x:int>",
    ],
    ids=lambda xml: xml[:40],
)
def test_what_is_no_value(xml: str) -> None:
    """What the specification does not describe is invalid XML-RPC, and found out at once."""
    assert code_of(value(xml)) == Code.INVALID_REQUEST


@pytest.mark.parametrize(
    "body",
    [
        b"<methodCall/>",
        b"<methodCall>text</methodCall>",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><methodName/></methodCall>",
        b"<methodCall><methodName>a b</methodName></methodCall>",
        b"<methodCall><methodName>m\n</methodName></methodCall>",
        b"<methodCall><methodName>m<b/></methodName></methodCall>",
        b"<methodCall><params/><methodName>m</methodName></methodCall>",
        b"<methodCall><methodName>m</methodName><methodName>m</methodName></methodCall>",
        call("<params/><params/>"),
        call("<params><value>1</value></params>"),
        call("<params>text</params>"),
        call("<params><param/></params>"),
        call("<params><param><value/><value/></param></params>"),
        b"<methodResponse><params/></methodResponse>",
        format_response("a"),
        format_fault(Fault(1, "a")),
        b"<methodcall/>",
        b"<params/>",
        b"<string>a</string>",
        b"<html/>",
        b'<?xml-stylesheet href="a"?>' + call(""),
        call("<?php system() ?>"),
    ],
)
def test_what_is_no_call(body: bytes) -> None:
    """Something missing, misplaced, doubled or foreign makes it no call."""
    assert code_of(body) == Code.INVALID_REQUEST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"getUser",
        b"<",
        b"<methodCall>",
        b"<methodCall></methodcall>",
        call("") + b"<more/>",
        b" <?xml version='1.0'?>" + call(""),
        value("\x1b[2J"),
        value("&#0;"),
        value("&#xd800;"),
        value("&#xfffe;"),
        value("\0"),
        value("&undeclared;"),
        value("&#" + "9" * 100_000 + ";"),
    ],
    ids=lambda body: str(body[:40]),
)
def test_what_is_not_well_formed(body: bytes) -> None:
    """What is no XML is told from what is no XML-RPC."""
    assert code_of(body) == Code.NOT_WELL_FORMED


# Encodings


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("ISO-8859-1", "iso-8859-1"),
        ("us-ascii", "ascii"),
    ],
)
def test_encodings(declared: str, encoding: str) -> None:
    """The encodings that every parser knows are read as they declare themselves."""
    text = "moshez" if encoding == "ascii" else "moshé"
    document = f"<?xml version='1.0' encoding = '{declared}' ?>{value(text).decode()}"
    assert parse_call(document.encode(encoding)).params == (text,)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("declared", ["", "<?xml version='1.0' encoding='utf-8'?>"])
def test_wide_encodings(encoding: str, declared: str) -> None:
    """UTF-16 and UTF-32 are known for what they are, even when they lie about it."""
    body = (declared + value("a").decode()).encode(encoding)
    assert code_of(body) == Code.UNSUPPORTED_ENCODING


@pytest.mark.parametrize(
    "declared", ["utf-16", "utf-7", "windows-1252", "rot13", "zlib", "é", "", "x" * 100_000]
)
def test_unsupported_encodings(declared: str) -> None:
    """No other encoding is taken, whether Python or expat knows it or not."""
    body = f'<?xml version="1.0" encoding="{declared}"?>'.encode() + value("a")
    assert code_of(body) == Code.UNSUPPORTED_ENCODING
    assert code_of(codecs.BOM_UTF8 + body) == Code.UNSUPPORTED_ENCODING


@pytest.mark.parametrize(
    "body",
    [
        value("mosh").replace(b"mosh", b"mosh\xe9"),
        value("a").replace(b"<value>a", b"<value>\xed\xa0\x80"),
        b"<?xml version='1.0' encoding='us-ascii'?>" + value("moshé"),
        gzip.compress(value("a")),
    ],
    ids=["latin-1", "surrogate", "not ascii", "gzip"],
)
def test_lying_encodings(body: bytes) -> None:
    """Bytes that the declared encoding does not have are not guessed at."""
    assert code_of(body) == Code.INVALID_CHARACTER


# Hostile


def with_dtd(dtd: str, text: str = "a") -> bytes:
    return b'<?xml version="1.0"?><!-- a --> ' + dtd.encode() + value(text)


BOMBS = {
    "alone": with_dtd("<!DOCTYPE methodCall>"),
    "entity": with_dtd('<!DOCTYPE m [<!ENTITY a "b">]>', "&a;"),
    "external": with_dtd('<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "&a;"),
    "parameter": with_dtd('<!DOCTYPE m [<!ENTITY % a SYSTEM "http://[::1]/"> %a;]>'),
    "external subset": with_dtd('<!DOCTYPE m SYSTEM "http://[::1]/m.dtd">'),
    "quadratic": with_dtd(f'<!DOCTYPE m [<!ENTITY a "{"a" * 10_000}">]>', "&a;" * 100_000),
    "billion laughs": with_dtd(
        '<!DOCTYPE m [<!ENTITY a0 "ha">'
        + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        + "]>",
        "&a9;",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_dtds_are_refused(bomb: bytes) -> None:
    """Any DTD is refused, before anything in it is expanded."""
    tracemalloc.start()
    try:
        assert code_of(bomb) == Code.INVALID_REQUEST
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(bomb) + 100_000


@pytest.mark.parametrize(
    "xml",
    [
        "<array><data><value>" * 33_000 + "</value></data></array>" * 33_000,
        "<struct><member><name>a</name><value>" * 100,
        "<value>" * 100_000,
        "<a>" * 100_000,
        "<array><data>" + "<value/>" * 100_000 + "</data></array>",
        "<a/>" * 100_000,
    ],
    ids=lambda xml: xml[:20],
)
def test_depth_and_size_are_bounded(xml: str) -> None:
    """Neither deep nor endless documents exhaust anything."""
    assert code_of(value(xml)) == Code.INVALID_REQUEST


def test_what_is_big_enough() -> None:
    """Nobody's honest call runs into a bound."""
    users = "<value>moshez</value>" * 9_000
    assert len(parse_call(value(f"<array><data>{users}</data></array>")).params[0]) == 9_000
    nested = "<array><data><value>" * 15 + "</value></data></array>" * 15
    assert parse_call(value(nested)).method == "m"


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """Any bytes at all are a call or a fault."""
    try:
        parse_call(body)
    except Fault as fault:
        format_fault(fault)


SAMPLE = xmlrpc.client.dumps(
    ("é", 1, 1.5, True, b"hi", datetime(2026, 11, 20), {"a": ["b", None]}), "m", allow_none=True
).encode()


@given(
    st.integers(0, len(SAMPLE)),
    st.integers(0, 40),
    st.binary(max_size=4)
    | st.builds(
        lambda at, length: SAMPLE[at : at + length],
        st.integers(0, len(SAMPLE)),
        st.integers(0, 40),
    )
    | st.sampled_from([b"<nil/>", b"<value>", b"</value>", b"<!DOCTYPE a>", b"&amp;", b"<!--"]),
)
def test_mutations(at: int, cut: int, put: bytes) -> None:
    """A damaged call is a fault, or else the library reads it just as we do."""
    body = SAMPLE[:at] + put + SAMPLE[at + cut :]
    try:
        ours = parse_call(body)
    except Fault:
        return
    params, method = xmlrpc.client.loads(body, use_builtin_types=True)
    assert ours == Call(str(method), params)
