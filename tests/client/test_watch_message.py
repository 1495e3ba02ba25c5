"""What is understood of what a live door says. What is not is in ``test_watch.py``, too."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.client.live_door import START, gone, hello, status
from trio_finger.client import Change
from trio_finger.client._watch_message import Hello, MessageError, parse_message

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def test_messages() -> None:
    """A hello, a status and its end are told apart."""
    assert parse_message(hello(missed=True)) == Hello(START, missed=True)
    change = parse_message(status(1, "Élan"))
    assert isinstance(change, Change)
    assert (change.number, change.name, change.text) == (START + 1, "moshez", "Élan")
    change = parse_message(gone(2))
    assert isinstance(change, Change)
    assert (change.number, change.name, change.text) == (START + 2, "moshez", None)


def test_json_is_whole() -> None:
    """What a program gets is all that came, whatever we know of it, in the same order."""
    came = '{"new":[1,{"x":null}],"type":"status","status":"\u202e\\n","id":"7","name":"a"}'
    change = parse_message(came)
    assert isinstance(change, Change)
    assert list(json.loads(change.json).items()) == list(json.loads(came).items())


@given(st.text() | JSON.map(json.dumps))
def test_t10_anything(data: str) -> None:
    """Whatever comes is understood or refused, in words that do nothing to a terminal."""
    words = ""
    try:
        parse_message(data)
    except MessageError as error:
        words = str(error)
    assert words.isprintable()


@given(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["hello", "status", "gone"]) | JSON,
            "id": st.integers().map(str) | JSON,
            "name": st.text() | JSON,
            "status": st.text() | JSON,
            "missed": st.booleans() | JSON,
        },
        optional={"more": JSON},
    )
)
def test_t9_odd_fields(message: dict[str, Any]) -> None:
    """Fields may be anything; what is passed on for programs is one line of plain ASCII."""
    with suppress(MessageError):
        understood = parse_message(json.dumps(message))
        if isinstance(understood, Change):
            assert understood.json.isascii()
            assert understood.json.isprintable()
            assert json.loads(understood.json) == json.loads(json.dumps(message))
