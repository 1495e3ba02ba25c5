"""The finger door: what is asked in whatever bytes gets the answer of the RFC, byte for byte."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from unicodedata import category

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock, memory_stream_pair

from trio_finger.config import Finger
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.finger import MAX_QUERY
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import clean
from trio_finger.services.finger import answer_query, handle_finger, serve_finger
from trio_finger.store import MemoryStore
from trio_finger.usermap import ANYBODY, OPERATOR, RefusedError, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
NOW = SINCE + timedelta(hours=3, minutes=5)

NO_SUCH_USER = b"No such user\r\n"
FORWARDING_DENIED = b"Finger forwarding service denied\r\n"  # RFC 1288, 3.2.1
LIST_DENIED = b"Finger online user list denied\r\n"  # RFC 1288, 3.2.2
TOO_MANY = b"Too many users in one query (at most 10)\r\n"
TOO_LONG = b"Query too long (at most 1024 bytes)\r\n"

MOSHEZ = b"Happy and well\r\n"
SHAWN = b"Alive\r\n"
MOSHEZ_LONG = (
    b"Login: moshez\r\nStatus: Happy and well\r\nSince: 2026-11-20 23:15 UTC\r\nNo Plan.\r\n"
)
SHAWN_LONG = b"Login: shawn\r\nStatus: Alive\r\nSince: 2026-11-20 23:15 UTC\r\nNo Plan.\r\n"
LIST = (
    b"Login                Status                                                 Age\r\n"
    b"moshez               Happy and well                                          3h\r\n"
    b"shawn                Alive                                                   3h\r\n"
)


async def make_users(texts: Mapping[str, str]) -> UserMap:
    """Return a map that holds *texts* by name."""
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    for name, text in texts.items():
        await users.set(SetRequest(name, text), by=ANYBODY)
    return users


@pytest.fixture
async def users() -> UserMap:
    return await make_users({"moshez": "Happy and well", "shawn": "Alive"})


def ask(users: UserMap, line: bytes, config: Finger | None = None) -> bytes:
    return answer_query(line, users, config or Finger(), now=NOW)


# Answers, byte for byte; the ids of the comments are those of the RFC's checklist


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"", LIST),  # C1
        (b"  \t ", LIST),
        (b"moshez", MOSHEZ),  # C2
        (b"MosheZ", MOSHEZ),
        (b" \tmoshez  ", MOSHEZ),
        (b"/W", MOSHEZ_LONG + b"\r\n" + SHAWN_LONG),  # C3
        (b"/W moshez", MOSHEZ_LONG),  # C4
        (b"/W    moshez", MOSHEZ_LONG),
        (b"/Wmoshez", NO_SUCH_USER),  # C5
        (b"/Wrong", NO_SUCH_USER),
        (b"@h", FORWARDING_DENIED),  # C6
        (b"moshez@h", FORWARDING_DENIED),
        (b"/W moshez@h", FORWARDING_DENIED),
        (b"/W @h", FORWARDING_DENIED),
        (b"moshez@localhost", FORWARDING_DENIED),
        (b"moshez" + b"@h" * 500, FORWARDING_DENIED),  # C7
        (b"moshez@", FORWARDING_DENIED),  # C8
        (b"@", FORWARDING_DENIED),
        (b"moshez@@h", FORWARDING_DENIED),
        (b"@@", FORWARDING_DENIED),
        (b"moshez /W", MOSHEZ_LONG),  # C10
        (b"/w moshez", MOSHEZ_LONG),
        (b"moshez shawn", MOSHEZ + SHAWN),  # C11
        (b"shawn,moshez", SHAWN + MOSHEZ),
        (b"moshez nobody shawn", MOSHEZ + NO_SUCH_USER + SHAWN),
        (b"/W nobody shawn", NO_SUCH_USER + b"\r\n" + SHAWN_LONG),
        (b"/W moshez shawn", MOSHEZ_LONG + b"\r\n" + SHAWN_LONG),
        (b"moshez moshez", MOSHEZ * 2),
        (b" ".join([b"moshez"] * 10), MOSHEZ * 10),
        (b" ".join([b"moshez"] * 11), TOO_MANY),
        (b",".join([b"moshez"] * 100), TOO_MANY),
        (b"\xff\xfd\x06moshez", MOSHEZ),  # C12
        (b"\xff\xf4\xff\xfd\x06moshez", MOSHEZ),
        (b"nobody", NO_SUCH_USER),
        (b"\xff", NO_SUCH_USER),
        (b"mosh\xe9z", NO_SUCH_USER),
        (b"moshez\0", NO_SUCH_USER),
    ],
)
async def test_answers(users: UserMap, line: bytes, answer: bytes) -> None:
    """Every case of the grammar has just this answer (RFC 1288, 2.3)."""
    assert ask(users, line) == answer


@pytest.mark.parametrize(
    "line",
    [
        *(b"0", b".", b"..", b"*", b"**", b"?", b"[a-z]*", b"%", b"_", b"all", b"root"),
        *(b"../../etc/passwd", b"/etc/passwd", b"%2e%2e", b"..\\..", b"|id", b";id", b"$(id)"),
        *(b"--", b"{moshez}", b"{0}", b"%s", b"{user.__class__}", b"{{7*7}}"),
    ],
)
async def test_nothing_is_a_wildcard_a_path_or_a_command(users: UserMap, line: bytes) -> None:
    """Tricks with names reveal nothing and open nothing (RFC 1288, 3.2.6; T4, T6, T12)."""
    assert ask(users, line) == NO_SUCH_USER


@pytest.mark.parametrize("line", [b"", b" ", b"/W", b"\t/w "])
async def test_list_refused(users: UserMap, line: bytes) -> None:
    """With the list turned off, it is refused in the RFC's words, and users are still answered."""
    closed = Finger(list=False)
    assert ask(users, line, closed) == LIST_DENIED
    assert ask(users, b"moshez", closed) == MOSHEZ
    assert ask(users, b"/W moshez", closed) == MOSHEZ_LONG
    assert ask(users, b"@h", closed) == FORWARDING_DENIED


async def test_list_of_nobody() -> None:
    """The list of nobody says so, and is never silence (RFC 1288, 2.5.1)."""
    users = await make_users({})
    assert ask(users, b"") == b"No users\r\n"


async def test_long_list_of_nobody() -> None:
    """The long list of nobody says so, too (RFC 1288, 2.5.1)."""
    users = await make_users({})
    assert ask(users, b"/W") == b"No users\r\n"


async def test_list_is_cut_to_the_line() -> None:
    """No line of the list is wider than a terminal; what is cut shows that it is."""
    users = await make_users({"moshez": "s" * 1000, "n" * 20: "x" * 52, "m" * 20: "y" * 53})
    lines = ask(users, b"").decode().split("\r\n")
    assert all(len(line) < 80 for line in lines)
    assert lines[2].endswith("sss...    3h")


async def test_long_names_keep_list_lines_whole() -> None:
    """A name as long as names may be is shown whole; a reader must be able to ask for it."""
    users = await make_users({"n" * 64: "Here"})
    assert "n" * 64 in ask(users, b"").decode()


async def test_templates_stay_text() -> None:
    """What looks like a format or a template in a status is answered as it is (T12)."""
    for text in ("%s %d", "{user.__class__}", "{{7*7}}", "{0}"):
        users = await make_users({"moshez": text})
        assert ask(users, b"moshez") == text.encode() + b"\r\n"
        assert text.encode() in ask(users, b"")
        assert text.encode() in ask(users, b"/W moshez")


def is_whole(answer: bytes) -> bool:
    """Whether *answer* has lines, each ends in CRLF, and none holds a bare CR or LF."""
    rest = answer.replace(b"\r\n", b"")
    return answer.endswith(b"\r\n") and b"\r" not in rest and b"\n" not in rest


@given(line=st.binary(max_size=MAX_QUERY), lists=st.booleans(), plan=st.booleans())
async def test_any_line_has_an_answer(line: bytes, lists: bool, plan: bool) -> None:
    """Whatever bytes a line holds, the answer is whole lines that end in CRLF (RFC 1288, 2.2)."""
    users = await make_users({"moshez": "Happy and well", "Zoë": "☞ 😀", "x": "a\tb"})
    assert is_whole(ask(users, line, Finger(list=lists, plan=plan)))


@given(text=st.text(min_size=1))
async def test_no_control_leaves_this_door(text: str) -> None:
    """T9: whatever text was set, no control or format character but TAB and CRLF is sent."""
    users = await make_users({"shawn": "Alive"})
    with suppress(RefusedError):
        await users.set(SetRequest("moshez", text), by=ANYBODY)
    with suppress(RefusedError):
        await users.set(SetRequest("shawn", plan=text), by=ANYBODY)
    for line in (b"", b"/W", b"moshez", b"/W moshez"):
        answer = ask(users, line)
        assert is_whole(answer)
        for character in answer.replace(b"\r\n", b"").replace(b"\t", b"").decode():
            assert category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


# People with more to say than a status


async def make_people(
    profiles: Mapping[str, Profile], texts: Mapping[str, str] | None = None
) -> UserMap:
    """Return a map of those whom a users file describes with *profiles*.

    Args:
      texts: the statuses of some of them; the others have none.
    """
    users = UserMap(MemoryStore(), clock=lambda: SINCE)
    await users.replace_file(
        {name: Status(name, (texts or {}).get(name, ""), SINCE) for name in profiles}, profiles
    )
    return users


FULL = Profile(
    full_name="Moshe Zadka",
    plan="1. Write it\n\n   2. Mend it",
    project="finger",
    links=("https://example.org/moshez", "http://example.org/"),
)
SINCE_LINE = "Since: 2026-11-20 23:15 UTC"


async def test_everything() -> None:
    """The long answer tells all there is to say, as it is laid out for everybody to rely on."""
    users = await make_people({"moshez": FULL})
    request = SetRequest("moshez", "Giving a tutorial now, sorry!", lasts="1h")
    await users.set(request, by=ANYBODY)
    assert ask(users, b"/W moshez").decode().split("\r\n") == [
        "Login: moshez                           Name: Moshe Zadka",
        "Status: Giving a tutorial now, sorry!",
        "Since: 2026-11-20 23:15 UTC             Until: 2026-11-21 00:15 UTC",
        "Web: https://example.org/moshez",
        "Web: http://example.org/",
        "Project: finger",
        "Plan:",
        "1. Write it",
        "",
        "   2. Mend it",
        "",
    ]
    assert ask(users, b"moshez") == b"Giving a tutorial now, sorry!\r\n"


@pytest.mark.parametrize(
    ("profile", "text", "lines"),
    [
        (Profile(), "", ["Login: moshez", SINCE_LINE, "No Plan."]),
        (Profile(), "Here", ["Login: moshez", "Status: Here", SINCE_LINE, "No Plan."]),
        (
            Profile(full_name="M. Z."),
            "",
            ["Login: moshez                           Name: M. Z.", SINCE_LINE, "No Plan."],
        ),
        (
            Profile(links=("https://example.org/",)),
            "",
            ["Login: moshez", SINCE_LINE, "Web: https://example.org/", "No Plan."],
        ),
        (
            Profile(project="finger"),
            "",
            ["Login: moshez", SINCE_LINE, "Project: finger", "No Plan."],
        ),
        (Profile(plan="Rest"), "", ["Login: moshez", SINCE_LINE, "Plan:", "Rest"]),
    ],
)
async def test_what_there_is_not_is_left_out(profile: Profile, text: str, lines: list[str]) -> None:
    """A line without content is not there, but that there is no plan is said (as by finger)."""
    users = await make_people({"moshez": profile}, {"moshez": text})
    assert ask(users, b"/W moshez").decode().split("\r\n") == [*lines, ""]


@pytest.mark.parametrize("profile", [FULL, Profile()])
async def test_plans_turned_off(profile: Profile) -> None:
    """Where the operator turned plans off, nothing is said of them, nor that there is none."""
    users = await make_people({"moshez": profile}, {"moshez": "Here"})
    for line in (b"/W moshez", b"/W"):
        with_plan, without = ask(users, line), ask(users, line, Finger(plan=False))
        assert b"plan" in with_plan.lower()
        assert with_plan.startswith(without)
        assert b"plan" not in without.lower()


async def test_plan_that_was_set() -> None:
    """A plan that a person set takes the place of the file's, in any answer that has plans."""
    users = await make_people({"moshez": FULL})
    await users.set(SetRequest("moshez", plan="Rest\n  well"), by=ANYBODY)
    assert ask(users, b"/W moshez").endswith(b"Plan:\r\nRest\r\n  well\r\n")
    await users.set(SetRequest("new", plan="Rest"), by=ANYBODY)
    assert ask(users, b"/W new").startswith(b"Login: new\r\nSince: 2026-11-20 23:15 UTC\r\nPlan:")


async def test_no_status() -> None:
    """A user who has no status is a user all the same."""
    users = await make_people({"moshez": FULL, "shawn": Profile()}, {"shawn": "Alive"})
    assert ask(users, b"moshez") == b"No status\r\n"
    assert ask(users, b"moshez shawn nobody") == b"No status\r\n" + SHAWN + NO_SUCH_USER
    assert b"Status" not in ask(users, b"/W moshez")
    assert ask(users, b"").split(b"\r\n")[1].split() == [b"moshez", b"Moshe", b"Zadka", b"3h"]


async def test_long_login() -> None:
    """A name that reaches the middle of the line pushes the full name aside, and no further."""
    for length, column in ((32, 40), (33, 41), (64, 72)):
        users = await make_people({"n" * length: FULL})
        first = ask(users, b"/W " + b"n" * length).decode().split("\r\n")[0]
        assert first.index("Name: ") == column
        assert first[column - 1] == " "


async def test_table_with_names() -> None:
    """Where anybody has a full name the list has a column for it, and cuts what is too long."""
    users = await make_people(
        {
            "moshez": FULL,
            "shawn": Profile(),
            "zed": Profile(full_name="x" * 19),
            "zoë": Profile(full_name="Zoë Zacharias Zimmermann"),
        },
        {"moshez": "Happy and well", "shawn": "s" * 32, "zed": "s" * 33},
    )
    assert ask(users, b"").decode().split("\r\n") == [
        "Login                Name                Status                             Age",
        "moshez               Moshe Zadka         Happy and well                      3h",
        f"shawn                                    {'s' * 32}    3h",
        f"zed                  {'x' * 19} {'s' * 29}...    3h",
        "zoë                  Zoë Zacharias Zi...                                     3h",
        "",
    ]


names = st.from_regex(r"[a-z]{1,20}", fullmatch=True)
profiles = st.builds(Profile, full_name=st.text(max_size=60).map(clean))
texts = st.text(max_size=100).map(clean)


@given(people=st.dictionaries(names, st.tuples(profiles, texts), min_size=1, max_size=4))
async def test_table_fits(people: dict[str, tuple[Profile, str]]) -> None:
    """No line of the list has more than 79 characters, and they stand in columns."""
    users = await make_people(
        {name: profile for name, (profile, _) in people.items()},
        {name: text for name, (_, text) in people.items()},
    )
    head, *rows, end = ask(users, b"").decode().split("\r\n")
    assert end == ""
    assert [row.split(" ")[0] for row in rows] == sorted(people)
    assert {len(row) for row in (head, *rows)} == {79}
    has_names = any(profile.full_name for profile, _ in people.values())
    assert ("Name" in head) == has_names
    for column in (21, 41) if has_names else (21,):
        assert all(row[column - 1] == " " for row in (head, *rows))


# Hidden users

GHOST = Profile(full_name="G. Host", plan="Boo", project="p", links=("http://h/",), hidden=True)


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"ghost",
            b"GHOST",
            b" ghost ",
            b"/W ghost",
            b"ghost /W",
            b"ghost,moshez",
            b"ghost ghost",
        ),
        *(
            b"moshez ghost",
            b"/W moshez ghost",
            b"/W ghost nobody",
            b"ghost@h",
            b"@ghost",
            b"/Wghost",
        ),
        *(b"", b"/W", b"G.", b"Host"),
    ],
)
@pytest.mark.parametrize("others", [{"moshez": Profile()}, {"moshez": FULL}, {}])
@pytest.mark.parametrize("config", [Finger(), Finger(list=False), Finger(plan=False)])
async def test_hidden_is_nobody(line: bytes, others: dict[str, Profile], config: Finger) -> None:
    """Every query has the same answer as if a hidden user were not there at all (T8)."""
    without = await make_people(others)
    there = await make_people(others | {"ghost": GHOST}, {"ghost": "Boo"})
    told = await make_people(others | {"ghost": GHOST})
    await told.set(SetRequest("Ghost", "Boo", "Boo", until="2027-01-01"), by=OPERATOR)
    expected = ask(without, line, config)
    assert ask(there, line, config) == expected
    assert ask(told, line, config) == expected


# Over a stream


Client = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


async def talk(client: Client, users: UserMap, config: Finger) -> bytes:
    """Serve *client* over a stream in memory, and return all that it was sent."""
    server_end, client_end = memory_stream_pair()
    got = bytearray()

    async def serve() -> None:
        await handle_finger(server_end, config, users)
        await server_end.aclose()

    async def listen() -> None:
        with suppress(trio.ClosedResourceError):
            async for data in client_end:
                got.extend(data)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            nursery.start_soon(listen)
            with suppress(trio.BrokenResourceError):
                await client(client_end)
    return bytes(got)


def send(*chunks: bytes, eof: bool = False, pause: float = 0) -> Client:
    """Return a client that sends *chunks*, one by one."""

    async def client(stream: trio.abc.HalfCloseableStream) -> None:
        for chunk in chunks:
            await stream.send_all(chunk)
            await trio.sleep(pause)
        if eof:
            await stream.send_eof()

    return client


@pytest.mark.parametrize(
    ("client", "answer"),
    [
        (send(b"moshez\r\n"), MOSHEZ),
        (send(b"moshez\n"), MOSHEZ),  # C9
        (send(b"moshez\r"), MOSHEZ),
        (send(b"moshez", eof=True), MOSHEZ),
        (send(eof=True), LIST_DENIED),
        (send(b"\r\n"), LIST_DENIED),
        (send(b"moshez\r\n", eof=True), MOSHEZ),
        (send(b"mos", b"hez", b"\r", b"\n"), MOSHEZ),
        (send(*[b"%c" % byte for byte in b"/W moshez\r\n"]), MOSHEZ_LONG),
        (send(b"moshez\r\nshawn\r\n"), MOSHEZ),
        (send(b"moshez\r\n", bytes(100_000)), MOSHEZ),
        (send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), NO_SUCH_USER * 3),
        (send(b"a" * MAX_QUERY + b"\r\n"), NO_SUCH_USER),
        (send(b"a" * (MAX_QUERY + 1) + b"\r\n"), TOO_LONG),
        (send(b"a" * MAX_QUERY, eof=True), NO_SUCH_USER),
        (send(b"a" * (MAX_QUERY + 1)), TOO_LONG),
        (send(b"a" * 1_000_000), TOO_LONG),
        (send(b"\0" * 536, eof=True), NO_SUCH_USER),
        (send(b"moshez@h\r\n"), FORWARDING_DENIED),
    ],
)
async def test_one_query_one_answer(
    users: UserMap, client: Client, answer: bytes, autojump_clock: MockClock
) -> None:
    """One line, however it comes and whatever follows it, gets one answer, and then the end."""
    assert await talk(client, users, Finger(list=False)) == answer


@given(data=st.data(), end=st.sampled_from([b"\r\n", b"\n", b"\r", b""]))
def test_any_bytes_in_any_chunks(data: st.DataObject, end: bytes) -> None:
    """Any bytes in any chunking get the same one answer of whole lines (T1, RFC 1288, 3.1)."""
    sent = data.draw(st.binary(max_size=3000) | st.just(b"moshez shawn")) + end
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    chunks = [sent[a:b] for a, b in pairwise([0, *cuts, len(sent)])]

    async def check() -> None:
        users = await make_users({"moshez": "Happy and well", "shawn": "Alive"})
        in_chunks = await talk(send(*filter(None, chunks), eof=True), users, Finger(list=False))
        at_once = await talk(send(sent, eof=True), users, Finger(list=False))
        assert in_chunks == at_once
        assert is_whole(in_chunks)

    trio.run(check, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize(
    "client",
    [
        send(),
        send(b"moshez"),
        send(*[b"x"] * 1000, pause=0.5),
    ],
    ids=["nothing", "half a line", "a byte now and then"],
)
async def test_deadline_of_a_query(
    users: UserMap, client: Client, autojump_clock: MockClock
) -> None:
    """T23: a query must be there within the configured time in all, not since the last byte."""
    server, other = memory_stream_pair()
    config = Finger(timeout=Duration(7))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client, other)
        with pytest.raises(trio.TooSlowError):
            await handle_finger(server, config, users)
        assert trio.current_time() - began == pytest.approx(7)
        nursery.cancel_scope.cancel()


async def test_end_is_the_servers(users: UserMap, autojump_clock: MockClock) -> None:
    """The server ends the answer at once, without waiting for the client to (F3)."""
    server, client = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handle_finger, server, Finger(), users)
        await client.send_all(b"moshez\r\n")
        began = trio.current_time()
        assert b"".join([data async for data in client]) == MOSHEZ
        assert trio.current_time() == began


async def test_a_query_changes_nothing(users: UserMap, autojump_clock: MockClock) -> None:
    """A query has no side effect on what is served (R19)."""
    before = list(users)
    with users.subscribe() as changes:
        for line in (b"\r\n", b"/W\r\n", b"nobody\r\n", b"moshez\r\n", b"a@b\r\n"):
            await talk(send(line), users, Finger())
        assert changes.statistics().current_buffer_used == 0
    assert list(users) == before


async def test_one_query_is_one_record(users: UserMap, autojump_clock: MockClock) -> None:
    """T11: whatever a query holds, it is logged as one value of one record."""
    with capture_logs() as log:
        await talk(send(b"a\0\x1b[31m\xff event=forged\r\n2026 error forged\r\n"), users, Finger())
    assert [record["event"] for record in log] == ["query"]
    assert log[0]["query"] == "a\0\x1b[31m\\xff event=forged"


# Over real connections


@asynccontextmanager
async def serving(users: UserMap, config: Finger) -> AsyncIterator[tuple[int, trio.Event]]:
    """Serve finger for the length of an ``async with``; its port, and what stops it."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stop = trio.Event()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve_finger, config, users, listeners, stop=stop))
            yield listeners[0].socket.getsockname()[1], stop
            stop.set()


async def finger(port: int, data: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(data)
        return b"".join([part async for part in stream])


async def test_served(users: UserMap) -> None:
    """Clients are answered over TCP, and a client that sends more gets all of it (F3, T34)."""
    async with serving(users, Finger()) as (port, _):
        for _ in range(50):
            assert await finger(port, b"moshez\r\n" + b"shawn\r\n" * 5000) == MOSHEZ
        assert await finger(port, b"x" * 1024 * 1024) == TOO_LONG


async def test_resets(users: UserMap) -> None:
    """Clients that reset the connection at any point are nobody's fault and harm nobody."""
    with capture_logs() as log:
        async with serving(users, Finger()) as (port, _):
            for data in (b"", b"mos", b"moshez\r\n", b"x" * 100_000):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await stream.send_all(data)
                await stream.aclose()
                assert await finger(port, b"moshez\r\n") == MOSHEZ
    assert {record["log_level"] for record in log} <= {"debug"}


async def test_fault_of_our_own() -> None:
    """A fault in the server is answered as such, with nothing of the inside (T18)."""

    class BrokenMap(UserMap):
        def get(self, name: str) -> Status | None:
            raise RuntimeError("the password is swordfish")

    with capture_logs():
        async with serving(BrokenMap(MemoryStore()), Finger()) as (port, _):
            assert await finger(port, b"moshez\r\n") == b"Internal error in server\r\n"
            assert await finger(port, b"@h\r\n") == FORWARDING_DENIED


async def test_cap_of_the_configuration(users: UserMap) -> None:
    """No more connections are served at once than the configuration allows (T25)."""
    with capture_logs():
        async with (
            serving(users, Finger(max_connections=1)) as (port, _),
            await trio.open_tcp_stream("127.0.0.1", port) as first,
        ):
            assert await finger(port, b"") == b""
            await first.send_all(b"moshez\r\n")
            assert b"".join([part async for part in first]) == MOSHEZ


async def test_stop_answers_who_is_there(users: UserMap) -> None:
    """After a stop a query that is under way is still answered."""
    async with (
        serving(users, Finger()) as (port, stop),
        await trio.open_tcp_stream("127.0.0.1", port) as stream,
    ):
        await stream.send_all(b"mos")
        assert await finger(port, b"shawn\r\n") == SHAWN
        stop.set()
        await stream.send_all(b"hez\r\n")
        assert b"".join([part async for part in stream]) == MOSHEZ
