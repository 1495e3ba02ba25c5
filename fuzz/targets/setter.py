"""The setter's request: whole or not, lines or JSON, sound or refused in words fit to send."""

from fuzz.inputs import cuts
from fuzz.properties import is_clean, is_encodable
from fuzz.target import Target
from trio_finger.protocol.setter import (
    MAX_REQUEST,
    SetRequest,
    SetterError,
    format_error,
    format_request,
    is_whole,
    parse_json,
    parse_request,
)
from trio_finger.protocol.text import fold


def _parse(data: bytes) -> SetRequest | str:
    try:
        return parse_request(data)
    except SetterError as error:
        return _fit_to_send(str(error))


def _parse_json(data: bytes, name: str) -> SetRequest | str:
    try:
        return parse_json(data, name)
    except SetterError as error:
        return _fit_to_send(str(error))


def _fit_to_send(words: str) -> str:
    line = format_error(words)
    assert is_clean(line.decode().removesuffix("\r\n"))
    return words


def check(data: bytes) -> None:
    """A request that is whole stays what it is, and is the same written out."""
    outcome = _parse(data)
    for at in cuts(data):
        if is_whole(data[:at]):
            assert is_whole(data)
            assert _parse(data[:at]) == outcome
    if isinstance(outcome, SetRequest):
        _check_sound(outcome)
        if not data.lstrip().startswith(b"{"):
            assert outcome.status is not None
            lines = data.decode().split("\n")
            assert outcome.name == lines[0].removesuffix("\r").strip(" \t")
            assert outcome.status == lines[1].removesuffix("\r").strip(" \t")
    alone = _parse_json(data, "Zo\u00eb")
    if isinstance(alone, SetRequest):
        _check_sound(alone)
        assert fold(alone.name) == fold("Zo\u00eb")


def _check_sound(request: SetRequest) -> None:
    ends = [end for end in (request.lasts, request.until) if end is not None]
    assert request.status is not None or request.plan is not None
    assert len(ends) <= 1
    assert request.status or not ends
    data = format_request(request)
    texts = (request.name, request.status or "", request.plan or "", *ends)
    if len(data) <= MAX_REQUEST and all(map(is_encodable, texts)):
        assert data.index(b"\n") == len(data) - 1
        assert is_whole(data)
        assert parse_request(data) == request


TARGET = Target(
    check,
    seeds=(
        b"moshez\nHappy and well\n",
        b"moshez\r\nHappy\r\nA plan\n\n  of lines\r\n",
        b"{moshez}\nHappy\n",
        b'{"name": "m", "status": "x", "plan": "y", "for": "30m"}\nmore',
        b'{"name": null, "status": null, "until": "17:30"}',
        b'{"name": "ZOE\\u0308", "plan": "\\ud800\\n"}\n',
        b'{"name": 1e999, "x": [[{}]]}\n',
    ),
    tokens=(
        *(b'"name":', b'"status":', b'"plan":', b'"for":', b'"until":', b"null", b'"Zo\xc3\xab"'),
        *(b"{", b"}", b":", b",", b'"', b"\\u", b"\\ud83d", b"\n", b"\r\n", b"NaN", b"-Infinity"),
    ),
)
