"""What followers are told: read back by others' code, it is what was to be said."""

import json

from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Ping, Pong, TextMessage

from tests.strategies import texts
from trio_finger.protocol.live import (
    MAX_BATCH,
    PING,
    Batch,
    Message,
    format_close,
    format_pong,
    make_gone,
    make_hello,
    make_status,
    split,
)
from trio_finger.protocol.text import clean, fold

NUMBERS = st.integers(0, 2**63)
SINCE = "2026-11-21T14:00:00.123456Z"

MESSAGES = st.lists(st.builds(make_gone, NUMBERS, st.sampled_from(["a", "B", "c" * 20_000])))


def read_frames(data: bytes) -> list[dict[str, object]]:
    """Return what a WebSocket client makes of *data*, which is whole messages."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    found = []
    for event in client.events():
        assert isinstance(event, TextMessage)
        assert event.message_finished
        found.append(json.loads(event.data))
    return found


def read_event(message: Message) -> dict[str, object]:
    """Return what a browser makes of an event, which is all of its data."""
    *lines, end, nothing = message.event.decode().split("\n")
    assert (end, nothing) == ("", "")
    fields = dict(line.split(": ", 1) for line in lines)
    found: dict[str, object] = json.loads(fields["data"])
    assert fields == {"id": str(message.number), "event": found["type"], "data": fields["data"]}
    return found


@given(number=NUMBERS, name=texts().map(clean), text=texts(max_size=1000).map(clean))
def test_a_status_is_the_same_in_either_form(number: int, name: str, text: str) -> None:
    """Whatever a status holds, it is one message and one event, and comes back as it was."""
    message = make_status(number, name, text, SINCE, None)
    expected = {
        "type": "status",
        "id": str(number),
        "name": name,
        "status": text,
        "since": SINCE,
        "until": None,
    }
    assert read_frames(message.frame) == [expected]
    assert read_event(message) == expected
    assert message.key == fold(name)


def test_a_message_of_any_length_is_one_frame() -> None:
    """Each of the three ways to write a length is read as what it is (RFC 6455, 5.2)."""
    for size in (1, 100, 60_000, 70_000):
        [found] = read_frames(make_status(1, "moshez", "x" * size, SINCE, SINCE).frame)
        assert found["status"] == "x" * size


def test_a_line_of_its_own_cannot_be_made_by_what_somebody_says() -> None:
    """Line ends in a status, if ever one gets there, begin no field of an event (T13)."""
    message = make_status(1, "moshez", "a\nevent: gone\r\rdata: {}\n\n", SINCE, None)
    assert read_event(message)["status"] == "a\nevent: gone\r\rdata: {}\n\n"


def test_hello_and_gone() -> None:
    """Both say what they have to, and a hello is about nobody."""
    hello, gone = make_hello(7, missed=True), make_gone(8, "Zoë")
    assert read_frames(hello.frame + gone.frame) == [
        {"type": "hello", "server": "trio-finger", "id": "7", "missed": True},
        {"type": "gone", "id": "8", "name": "Zoë"},
    ]
    assert (hello.key, gone.key) == ("", "zoë")


@given(payload=st.binary(max_size=125), code=st.sampled_from([None, 1000, 1001, 1013]))
def test_small_frames_are_understood(payload: bytes, code: int | None) -> None:
    """Pings, pongs and ends are what wsproto takes for them."""
    client = Connection(ConnectionType.CLIENT)
    reason = "too slow" if code else ""
    client.receive_data(PING + format_pong(payload) + format_close(code, reason))
    ping, pong, close = client.events()
    assert isinstance(ping, Ping)
    assert isinstance(pong, Pong)
    assert pong.payload == payload
    assert isinstance(close, CloseConnection)
    assert (close.code, close.reason) == (code or 1005, reason)


@given(messages=MESSAGES)
def test_batches_hold_everything_in_order_and_not_much_at_once(messages: list[Message]) -> None:
    """Nothing is lost by splitting, and no batch is too large but by its last message."""
    batches = list(split(messages))
    assert [message for batch in batches for message in batch.messages] == messages
    for batch in batches:
        assert len(batch.events) - len(batch.messages[-1].event) < MAX_BATCH
        assert batch.frames == b"".join(message.frame for message in batch.messages)


@given(
    numbers=st.lists(st.integers(0, 20), min_size=1, unique=True).map(sorted),
    after=st.integers(-1, 20),
    keys=st.none() | st.frozensets(st.sampled_from("ab")),
)
def test_only_what_is_news(numbers: list[int], after: int, keys: frozenset[str] | None) -> None:
    """What is old, or about others, is left out."""
    messages = [make_gone(number, "Ab"[number % 2]) for number in numbers]
    news = Batch(messages).only(after, keys)
    expected = [
        message
        for message in messages
        if message.number > after and (keys is None or message.key in keys)
    ]
    assert (news.messages if news else []) == expected
