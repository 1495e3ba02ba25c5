"""What people ask the finger client for."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import texts
from trio_finger.protocol.finger import Query, format_query
from trio_finger.protocol.target import Target, TargetError, parse_target, verbose


def target(*names: str, host: str = "h", port: int = 79, hosts: tuple[str, ...] = ()) -> Target:
    """Build a target briefly."""
    return Target(Query(names, hosts=hosts), host, port)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", target(host="localhost")),
        ("moshez", target("moshez", host="localhost")),
        ("josé", target("josé", host="localhost")),
        ("@h", target()),
        ("moshez@h", target("moshez")),
        ("moshez@h:7079", target("moshez", port=7079)),
        ("moshez@127.0.0.1:7079", target("moshez", host="127.0.0.1", port=7079)),
        ("moshez@[::1]", target("moshez", host="::1")),
        ("@[::1]:7079", target(host="::1", port=7079)),
        ("moshez@far@near:7079", target("moshez", host="near", port=7079, hosts=("far",))),
        ("@far@near", target(host="near", hosts=("far",))),
        ("moshez,shawn@h", target("moshez", "shawn")),
        ("/W moshez@h", Target(Query(("moshez",), verbose=True), "h", 79)),
        ("100%@h", target("100%")),
        ("a:b@h", target("a:b")),
        ("://@h", target("://")),
        ("1x://@h", target("1x://")),
    ],
)
def test_words(text: str, expected: Target) -> None:
    """The right-most host is asked; without one it is this machine (RFC 1288, 2.3)."""
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("finger://h", target()),
        ("finger://h/", target()),
        ("finger://h/moshez", target("moshez")),
        ("finger://h:7079/moshez", target("moshez", port=7079)),
        ("finger://[::1]/moshez", target("moshez", host="::1")),
        ("finger://[::1]:7079/moshez", target("moshez", host="::1", port=7079)),
        ("finger://moshez@h", target("moshez")),
        ("finger://moshez@h/", target("moshez")),
        ("finger://moshez@h:7079", target("moshez", port=7079)),
        ("finger://h/moshez@far", target("moshez", hosts=("far",))),
        ("finger://h/jos%C3%A9", target("josé")),
        ("finger://jos%C3%A9@h", target("josé")),
        ("finger://h/josé", target("josé")),
        ("finger://h/moshez%20shawn", target("moshez", "shawn")),
        ("FINGER://h/moshez", target("moshez")),
        ("finger://%68/moshez", target("moshez")),
        ("finger://h/100%25", target("100%")),
        ("finger://h/x://y", target("x://y")),
        ("finger://[fe80::1%25lo]/moshez", target("moshez", host="fe80::1%lo")),
        ("finger://moshez@[fe80::1%lo]", target("moshez", host="fe80::1%lo")),
        ("finger://h//W%20moshez", Target(Query(("moshez",), verbose=True), "h", 79)),
        ("finger://h/%2FW%20moshez", Target(Query(("moshez",), verbose=True), "h", 79)),
    ],
)
def test_addresses(text: str, expected: Target) -> None:
    """An address names host, port and request, or the user before the host."""
    assert parse_target(text) == expected


NO_TARGETS = ["moshez@", "@", "@@", "moshez@@", "moshez@h:", "moshez@h:x", "moshez@h:65536"]
NO_TARGETS += ["moshez@::1", "moshez@[::1", "moshez@::1]", "moshez@h h", "moshez@h/x", "moshez@[h]"]
NO_TARGETS += ["finger://", "finger:///moshez", "finger://moshez@", "finger://h:x/"]
NO_TARGETS += ["finger://[::1/", "finger://[h]/", "finger://moshez@h/shawn"]
NO_TARGETS += ["http://h/", "HTTP://localhost", "gopher+x://moshez@h", "x-1.y://", "x://@h"]
NO_TARGETS += [
    "finger://h/%zz",
    "finger://h/a%",
    "finger://h/%4",
    "finger://a%2@h",
    "finger://h%zz/",
]
NO_TARGETS += ["finger://h/%ff", "finger://%ff@h", "finger://%ff/", "finger://h%2fx/moshez"]


@pytest.mark.parametrize("text", NO_TARGETS)
def test_refused(text: str) -> None:
    """What cannot be asked is refused, and the words show it."""
    with pytest.raises(TargetError, match=" cannot be asked: ") as caught:
        parse_target(text)
    assert str(caught.value).startswith(repr(text))


def test_other_schemes() -> None:
    """Addresses of another kind are named, and what would be right."""
    with pytest.raises(TargetError) as caught:
        parse_target("http://localhost/")
    assert str(caught.value) == (
        "'http://localhost/' cannot be asked: finger:// addresses are understood, not http://"
    )


CONTROLS = ["\r\n", "\n", "\r", "%0d%0a", "%0D", "%0A", "\0", "%00", "%1b", "\x1b", "%7f", "%09"]
CONTROLS += ["\x9b", "%c2%9b", "\u202e", "%E2%80%AE", "\u200b", "%E2%80%8B", "\u2028", "%e2%80%a8"]


@pytest.mark.parametrize("end", CONTROLS)
@pytest.mark.parametrize("place", ["moshez{}shawn", "moshez{}", "{}moshez"])
@pytest.mark.parametrize("form", ["{}@h", "finger://h/{}", "finger://{}@h"])
def test_f2_one_line(form: str, place: str, end: str) -> None:
    """No target makes the client send a second line, or a control character."""
    text = form.format(place.format(end))
    if form == "{}@h" and "%" in end:
        assert parse_target(text).query.names == (place.format(end),)
    else:
        with pytest.raises(TargetError):
            parse_target(text)


NO_HOSTS = ["finger://h\n/moshez", "finger://\rh/moshez", "fin\nger://h/moshez"]
NO_HOSTS += ["finger://h%0d%0a/moshez", "finger://h:7079%0A/moshez", "finger://moshez@%1b[2Jh"]
NO_HOSTS += ["finger://h%00/", "finger://h%C2%9b/", "finger://h%e2%80%ae/", "finger://[::1%25%0a]"]


@pytest.mark.parametrize("text", NO_HOSTS)
def test_no_line_end_in_a_host(text: str) -> None:
    """Controls are refused wherever they stand in an address, percent-encoded or not."""
    with pytest.raises(TargetError):
        parse_target(text)


@given(
    texts("@:/[]%, 017")
    | texts("@:/[]%?#017").map("finger://{}".format)
    | texts("%017").map("finger://h/{}".format)
    | texts("%017").map("finger://{}@h".format)
    | texts().map("moshez@{}".format)
)
@example("moshez@\x1b]h:1:1")
@example("moshez@[\x1b]:1")
@example("\ud800")
@example("finger://h\uff03/")
def test_any_text(text: str) -> None:
    """Any text can be asked safely, or is refused in words that do nothing to a terminal."""
    try:
        parsed = parse_target(text)
    except TargetError as error:
        words = str(error)
        assert words.isprintable()
    else:
        assert format_query(parsed.query).count(b"\n") == 1
        assert str(parsed).isprintable()
        assert parsed.host
        assert 0 < parsed.port <= 65535


def test_verbose() -> None:
    """The long answer is asked for, and nothing else changes."""
    asked = target("moshez", port=7079, hosts=("far",))
    longer = verbose(asked)
    assert longer == Target(Query(("moshez",), True, ("far",)), "h", 7079)
    assert verbose(longer) == longer


@given(st.sampled_from(["localhost", "127.0.0.1", "::1"]), st.integers(1, 65535))
def test_place(host: str, port: int) -> None:
    """A target is called by its host and port, and is one again as it is shown."""
    place = target(host=host, port=port)
    assert str(place) == f"{host} port {port}"
    assert parse_target(f"@{place.place}") == replace(place, query=Query())


@pytest.mark.parametrize(
    ("text", "place"),
    [("@h", "h"), ("@h:79", "h"), ("@h:7079", "h:7079"), ("@[::1]", "[::1]"), ("", "localhost")],
)
def test_f1_usual_port(text: str, place: str) -> None:
    """Port 79 goes without saying."""
    assert parse_target(text).place == place


@pytest.mark.parametrize("text", ["@", "moshez@", "moshez@far@", "finger://", "finger:///moshez"])
def test_host_that_got_lost(text: str) -> None:
    """It is not taken for this machine, whose answer would pass for that host's."""
    with pytest.raises(TargetError, match="the host is missing; this machine is asked without"):
        parse_target(text)
