"""XML-RPC: a call or a fault; and a call that the standard library reads just alike."""

import re
from typing import Any
from xmlrpc import client

from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.protocol.xmlrpc import (
    Call,
    Code,
    Fault,
    format_fault,
    format_response,
    parse_call,
)
from trio_finger.protocol.xmlrpc._parse import MAX_DEPTH

_METHOD = re.compile(r"[A-Za-z0-9_.:/]+")


# What a control character opens in a document that is grown, if XML could not hold it.
_TAGS = (
    *("value", "array", "data", "struct", "member", "name", "string", "int", "i4", "i8", "nil"),
    *("boolean", "double", "base64", "dateTime.iso8601", "param", "params", "methodName", "x"),
)
_OPEN = dict(zip((*range(9), *range(14, 32)), map(str.encode, _TAGS), strict=False))
_CLOSE = 0x7F
_ESCAPED = {ord("<"): b"&lt;", ord("&"): b"&amp;"}


def check(data: bytes) -> None:
    """What is sent is checked, and what grows of it: bytes alone are hardly ever well formed."""
    _check_call(data)
    _check_call(_grow(data))


def _grow(data: bytes) -> bytes:
    """Return a document that is well formed but for its characters."""
    parts: list[bytes] = []
    opened: list[bytes] = []
    for byte in data:
        if tag := _OPEN.get(byte):
            opened.append(tag)
            parts.append(b"<%b>" % tag)
        elif byte == _CLOSE and opened:
            parts.append(b"</%b>" % opened.pop())
        else:
            parts.append(_ESCAPED.get(byte, bytes([byte])))
    parts.extend(b"</%b>" % tag for tag in reversed(opened))
    return _call(b"".join(parts))


def _check_call(data: bytes) -> None:
    """Nothing but a `Fault`, fit to send, says no."""
    try:
        call = parse_call(data)
    except Fault as fault:
        assert fault.code in set(Code)
        assert is_clean(fault.words)
        _check_fault_arrives(fault)
        return
    assert _METHOD.fullmatch(call.method)
    params, method = client.loads(data)
    assert Call(str(method), tuple(map(_plain, params))) == call
    _check_written(call)


def _check_fault_arrives(fault: Fault) -> None:
    try:
        client.loads(format_fault(fault))
    except client.Fault as arrived:
        assert (arrived.faultCode, arrived.faultString) == (fault.code, fault.words)
    else:
        raise AssertionError("no fault arrived")


def _check_written(call: Call) -> None:
    """What was read is read again from what the library writes, and from what we answer."""
    try:
        body = client.dumps(call.params, call.method, allow_none=True)
    except OverflowError:  # an i8, which the library does not write
        return
    try:
        assert parse_call(body.replace("\r", "&#13;").encode()) == call
    except Fault as fault:
        # The library writes an element for every type, where the one that was read could do
        # without: the deepest become too deep.
        assert f"more than {MAX_DEPTH} deep" in fault.words
    for value in call.params:
        try:
            answer = format_response(value)
        except ValueError:  # None
            continue
        assert tuple(map(_plain, client.loads(answer)[0])) == (value,)


def _plain(value: Any) -> Any:
    """Return *value*, of the library, as ours is."""
    match value:
        case client.Binary():
            return value.data
        case list():
            return list(map(_plain, value))
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case _:
            return value


def _call(xml: bytes) -> bytes:
    head = b"<methodCall><methodName>m</methodName><params><param><value>"
    return head + xml + b"</value></param></params></methodCall>"


TARGET = Target(
    check,
    seeds=(
        # An array with an integer and a text, a struct with a double, and a base64.
        b"\x01\x02\0\x07-7\x7f\x7f\0a<\x7f",
        b"\x03\x04\x05b\x7f\0\x11-.5e3\x7f\x7f\x7f\x04\x05c\x7f\0\x7f",
        b"\x12aGk=",
        b"<?xml version='1.0'?>\n<methodCall><methodName>getUser</methodName></methodCall>",
        b"<?xml version='1.0' encoding='iso-8859-1'?>" + _call(b"mosh\xe9"),
        _call(b"<array><data><value><int>-7</int></value><value>a</value></data></array>"),
        _call(b"<struct><member><name>a</name><value><nil/></value></member></struct>"),
        _call(b"<double>-.5e3</double>"),
        _call(b"<i8>9223372036854775807</i8>"),
        _call(b"<base64> aGk\n= </base64>"),
        _call(b"<boolean>1</boolean>"),
        _call(b"<dateTime.iso8601>20261120T23:15:00</dateTime.iso8601>"),
        _call(b"<string><![CDATA[<b>]]>&amp;&#x263a;<!-- x --></string>"),
        b"<!DOCTYPE m [<!ENTITY a 'b'>]>" + _call(b"&a;"),
    ),
    tokens=(
        *(b"<methodCall>", b"</methodCall>", b"<methodName>", b"</methodName>", b"<params>"),
        *(b"</params>", b"<param>", b"</param>", b"<value>", b"</value>", b"<array>", b"</array>"),
        *(b"<data>", b"</data>", b"<struct>", b"</struct>", b"<member>", b"</member>", b"<name>"),
        *(b"</name>", b"<int>", b"</int>", b"<i4>", b"</i4>", b"<i8>", b"</i8>", b"<string>"),
        *(b"</string>", b"<boolean>", b"</boolean>", b"<double>", b"</double>", b"<base64>"),
        *(b"</base64>", b"<nil/>", b"<value/>", b"<data/>", b"<struct/>", b"<!--", b"-->"),
        *(b"<dateTime.iso8601>", b"</dateTime.iso8601>", b"<![CDATA[", b"]]>", b"<?", b"?>"),
        *(b"&amp;", b"&#x0;", b"&#13;", b"<!DOCTYPE", b"<!ENTITY", b"encoding='utf-8'", b"utf-16"),
        *(b"<?xml version='1.0' encoding='us-ascii' standalone='yes'?>", b"\xef\xbb\xbf", b"xmlns"),
    ),
)
