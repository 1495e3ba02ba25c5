"""The XML-RPC door: a client gets what the methods promise, and never anything else
than a response."""

import xmlrpc.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from trio_finger.protocol.profile import Profile
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.xmlrpc import Code
from trio_finger.services.web._access import Visitor
from trio_finger.services.web.xmlrpc import answer_call
from trio_finger.sources import Asker, Directory
from trio_finger.store import MemoryStore, Past, StoreError
from trio_finger.usermap import ANYBODY, Caller, Status, UserMap

SINCE = datetime(2026, 11, 20, 23, 15, tzinfo=UTC)
HIDDEN = Profile("Nobody's business", plan="Hide.", hidden=True)
METHODS = [
    "getHistory",
    "getStatus",
    "getUser",
    "getUsers",
    "setUser",
    "system.getCapabilities",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.multicall",
]


@pytest.fixture
async def users() -> UserMap:
    users = UserMap(MemoryStore(100), clock=lambda: SINCE)
    await tell(users, "moshez", "Happy and well")
    await tell(users, "Zoë", "<b>]]>&amp; é")
    return users


async def tell(users: UserMap, name: str, text: str, until: str | None = None) -> None:
    """Set a status, as whoever reaches the setter may."""
    await users.set(SetRequest(name, text, until=until), by=ANYBODY)


class BrokenMap(UserMap):
    """A map that fails in a way nobody has thought of, with a secret in its words."""

    def get(self, name: str) -> Status | None:
        raise RuntimeError(f"the password of {name} is swordfish")

    def __iter__(self) -> Iterator[Status]:
        yield Status("moshez", "a", datetime.max)
        raise OSError("/etc/secret")


class Stranger(Visitor):
    """Whoever has no business with tokens."""

    def __init__(self) -> None:
        """Be asked nothing."""

    async def identify(self) -> Caller:
        raise AssertionError("nobody has to say who they are to read")


async def answer(users: UserMap, body: bytes) -> bytes:
    """Return the answer to a call that needs no token, which is always a 200."""
    response, code = await answer_call(body, Directory(users), Stranger(), Asker())
    assert code == 200
    return response


async def ask(users: UserMap, method: str, *params: Any) -> Any:
    """Return what a client gets for a call; raise what it raises for a fault."""
    body = xmlrpc.client.dumps(params, method, allow_none=True).encode()
    (result,), _ = xmlrpc.client.loads(await answer(users, body), use_builtin_types=True)
    return result


async def code_of(users: UserMap, method: str, *params: Any) -> int:
    """Return the code of the fault that a client gets for a call."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        await ask(users, method, *params)
    return caught.value.faultCode


def part(method: str, *params: Any) -> dict[str, Any]:
    """Return one call of a multicall."""
    return {"methodName": method, "params": list(params)}


# Users


async def test_get_user(users: UserMap) -> None:
    """getUser answers as the tutorial's did, whatever the spelling of the name."""
    assert await ask(users, "getUser", "moshez") == "Happy and well"
    assert await ask(users, "getUser", "MosheZ") == "Happy and well"
    assert await ask(users, "getUser", "zoe\u0308") == "<b>]]>&amp; é"
    for nobody in ("", "shlomo", "moshez ", "{7*7}", "%s"):
        assert await ask(users, "getUser", nobody) == "No such user"


async def test_get_users(users: UserMap) -> None:
    """getUsers answers every name, in the spelling to show."""
    assert await ask(users, "getUsers") == ["moshez", "Zoë"]
    assert await ask(UserMap(MemoryStore()), "getUsers") == []


async def test_get_users_lets_others_run() -> None:
    """A list of many users is put together without keeping the others waiting."""
    users = UserMap(MemoryStore())
    listed = {f"user{n:04}": Status(f"user{n:04}", "a", SINCE) for n in range(2000)}
    await users.replace_file(listed)
    body = xmlrpc.client.dumps((), "getUsers").encode()
    done = turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        (names,), _ = xmlrpc.client.loads(await answer(users, body))
        done = 1
    assert names == list(listed)
    assert turns >= 3


async def test_get_status(users: UserMap) -> None:
    """getStatus answers a struct, whose times are in UTC."""
    wanted = {"name": "moshez", "status": "Happy and well", "since": SINCE.replace(tzinfo=None)}
    assert await ask(users, "getStatus", "MOSHEZ") == wanted
    abroad = SINCE.astimezone(timezone(timedelta(hours=-5)))
    users = UserMap(MemoryStore(), clock=lambda: abroad)
    await tell(users, "moshez", "Happy and well")
    assert await ask(users, "getStatus", "moshez") == wanted
    await tell(users, "moshez", "Away", "2026-11-21T03:30:00+02:00")
    until = datetime(2026, 11, 21, 1, 30)
    assert await ask(users, "getStatus", "moshez") == wanted | {"status": "Away", "until": until}


async def test_get_status_of_nobody(users: UserMap) -> None:
    """getStatus has a fault of its own for a user who is not there."""
    with pytest.raises(xmlrpc.client.Fault, match=r"^<Fault 404: 'No such user'>$"):
        await ask(users, "getStatus", "shlomo")


async def test_get_history(users: UserMap) -> None:
    """getHistory tells what was set as getStatus tells what holds, the newest first."""
    await tell(users, "MOSHEZ", "Away", "2026-11-21T03:30:00+02:00")
    await users.set(SetRequest("moshez", ""), by=ANYBODY)
    assert await code_of(users, "getHistory", "moshez") == 404
    await tell(users, "moshez", "Back")
    since = SINCE.replace(tzinfo=None)
    until = datetime(2026, 11, 21, 1, 30)
    assert await ask(users, "getHistory", "mosheZ") == [
        {"name": "moshez", "status": "Back", "since": since},
        {"name": "moshez", "status": "Away", "since": since, "until": until},
        {"name": "moshez", "status": "Happy and well", "since": since},
    ]


async def test_get_history_of_nobody_and_nothing(users: UserMap) -> None:
    """There is a fault for a user who is not there, and of one without a past no entry."""
    with pytest.raises(xmlrpc.client.Fault, match=r"^<Fault 404: 'No such user'>$"):
        await ask(users, "getHistory", "shlomo")
    await users.replace_file({"shawn": Status("shawn", "Alive", SINCE)})
    assert await ask(users, "getHistory", "shawn") == []


async def test_get_history_of_a_broken_store() -> None:
    """A store that cannot tell is a fault with words, by itself and in a multicall."""

    class BrokenStore(MemoryStore):
        async def history(self, name: str) -> list[Past]:
            raise StoreError("the disk is gone")

    users = UserMap(BrokenStore())
    await tell(users, "moshez", "Happy and well")
    with pytest.raises(xmlrpc.client.Fault, match=r"^<Fault 503: 'the disk is gone'>$"):
        await ask(users, "getHistory", "moshez")
    fault = {"faultCode": 503, "faultString": "the disk is gone"}
    assert await ask(users, "system.multicall", [part("getHistory", "moshez")]) == [fault]


@pytest.mark.parametrize("told", [False, True], ids=["listed", "set"])
async def test_hidden_is_unknown(told: bool) -> None:
    """T8: to every call, a hidden user is nobody, to the byte."""
    answers = []
    for name in ("shawn", "other"):
        users = UserMap(MemoryStore(100), clock=lambda: SINCE)
        await users.replace_file({name: Status(name, "Hiding", SINCE)}, {name: HIDDEN})
        await tell(users, "moshez", "Happy and well")
        if told:
            await users.set(SetRequest(name, "Still hiding"), by=Caller(name))
        calls: list[tuple[str, tuple[Any, ...]]]
        calls = [(method, ("shawn",)) for method in ("getUser", "getStatus", "getHistory")]
        calls += [("getUsers", ()), ("getUser", ("SHAWN",))]
        calls += [("system.multicall", ([part(method, *params) for method, params in calls],))]
        bodies = [xmlrpc.client.dumps(params, method).encode() for method, params in calls]
        answers.append([await answer(users, body) for body in bodies])
    assert answers[0] == answers[1]
    assert b"shawn" not in b"".join(answers[0])


async def test_names_that_cannot_be(users: UserMap) -> None:
    """A name of a million accents is nobody's, which costs no time to find out."""
    name = "a" + "\u0301\u0316" * 500_000
    assert await ask(users, "getUser", name) == "No such user"
    assert await code_of(users, "getStatus", name) == 404


# Faults


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", Code.NOT_WELL_FORMED),
        ("<methodCall/>".encode("utf-16"), Code.UNSUPPORTED_ENCODING),
        (b"<methodCall>\xff", Code.INVALID_CHARACTER),
        (b"<methodResponse/>", Code.INVALID_REQUEST),
        (b"<!DOCTYPE a><methodCall/>", Code.INVALID_REQUEST),
    ],
)
async def test_faults_of_a_body(users: UserMap, body: bytes, code: int) -> None:
    """A body that is no call is answered with the fault that says so."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        xmlrpc.client.loads(await answer(users, body))
    assert caught.value.faultCode == code


@pytest.mark.parametrize("method", ["getuser", "get", "__class__", "system", "a" * 1000, "a/b"])
async def test_unknown_methods(users: UserMap, method: str) -> None:
    """There are no other methods than those of the table, which are told about."""
    assert await code_of(users, method) == Code.METHOD_NOT_FOUND
    assert await code_of(users, "system.methodHelp", method) == Code.METHOD_NOT_FOUND
    assert await code_of(users, "system.methodSignature", method) == Code.METHOD_NOT_FOUND


@pytest.mark.parametrize(
    ("method", "params", "wanted"),
    [
        ("getUser", (), "getUser(string)"),
        ("getUser", ("a", "b"), "getUser(string)"),
        ("getUser", (1,), "getUser(string)"),
        ("getUser", (None,), "getUser(string)"),
        ("getUser", (["a"],), "getUser(string)"),
        ("getUser", (b"a",), "getUser(string)"),
        ("getUsers", ("a",), "getUsers()"),
        ("getStatus", ({},), "getStatus(string)"),
        ("getHistory", (), "getHistory(string)"),
        ("setUser", ("moshez",), "setUser(string, string)"),
        ("setUser", ("moshez", None), "setUser(string, string)"),
        ("system.multicall", ({},), "system.multicall(array)"),
        ("system.listMethods", (0,), "system.listMethods()"),
    ],
)
async def test_wrong_parameters(
    users: UserMap, method: str, params: tuple[Any, ...], wanted: str
) -> None:
    """Arguments too few, too many or of other types: the fault says what is wanted."""
    with pytest.raises(xmlrpc.client.Fault) as caught:
        await ask(users, method, *params)
    assert caught.value.faultCode == Code.INVALID_PARAMETERS
    assert caught.value.faultString == f"wanted: {wanted}"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getUser", ["moshez"]),
        ("getStatus", ["moshez"]),
        ("getHistory", ["moshez"]),
        ("getUsers", []),
    ],
)
async def test_internal_errors(method: str, params: list[str]) -> None:
    """What went wrong inside is for the log alone, in a multicall too."""
    users = BrokenMap(MemoryStore())
    fault = {"faultCode": Code.INTERNAL_ERROR, "faultString": "Internal error in server"}
    with capture_logs() as records:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            await ask(users, method, *params)
        assert vars(caught.value) == fault
        assert await ask(users, "system.multicall", [part(method, *params)]) == [fault]
    assert [(record["door"], record["log_level"]) for record in records] == [
        ("xmlrpc", "error"),
        ("xmlrpc", "error"),
    ]
    assert all(record["exc_info"] for record in records)


@given(st.binary() | st.text().map(lambda name: xmlrpc.client.dumps((name,), "getUser").encode()))
async def test_any_body(body: bytes) -> None:
    """Any body at all is answered with a response that a client can parse."""
    try:
        result, method = xmlrpc.client.loads(await answer(UserMap(MemoryStore()), body))
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode in set(Code) - {Code.INTERNAL_ERROR}  # noqa: PT017 - not all raise
    else:
        assert (result, method) == (("No such user",), None)


# Methods about methods


async def test_methods_tell_about_themselves(users: UserMap) -> None:
    """Every method is listed, has help that begins with its name, and one signature."""
    assert await ask(users, "system.listMethods") == METHODS
    for method in METHODS:
        assert (await ask(users, "system.methodHelp", method)).startswith(f"{method}(")
        (signature,) = await ask(users, "system.methodSignature", method)
        # It is true: that many strings or arrays are taken, and what it says comes back.
        arguments = [METHODS[0] if kind == "string" else [] for kind in signature[1:]]
        if method in {"getStatus", "getHistory"}:
            arguments = ["moshez"]
        if method == "setUser":
            assert signature == ["string", "string", "string"]  # test_web_setting calls it
            continue
        result = await ask(users, method, *arguments)
        assert type(result) is {"string": str, "array": list, "struct": dict}[signature[0]]


async def test_capabilities(users: UserMap) -> None:
    """Each capability tells its specification and the version of it."""
    capabilities = await ask(users, "system.getCapabilities")
    assert set(capabilities) == {"xmlrpc", "faults_interop", "introspection", "system.multicall"}
    for capability in capabilities.values():
        assert capability["specUrl"].startswith("http://")
        assert type(capability["specVersion"]) is int


# Multicall


async def test_multicall(users: UserMap) -> None:
    """Results are arrays of one element, faults are structs, in the order of the calls."""
    calls = [
        part("getUser", "moshez"),
        part("getStatus", "shlomo"),
        part("getUsers"),
        part("nothing"),
        part("getUser"),
    ]
    good, nobody, everybody, nothing, wrong = await ask(users, "system.multicall", calls)
    assert good == ["Happy and well"]
    assert nobody == {"faultCode": 404, "faultString": "No such user"}
    assert everybody == [["moshez", "Zoë"]]
    assert nothing["faultCode"] == Code.METHOD_NOT_FOUND
    assert wrong["faultCode"] == Code.INVALID_PARAMETERS
    assert await ask(users, "system.multicall", []) == []


async def test_multicall_by_its_client(users: UserMap) -> None:
    """The standard library's client for multicalls understands the results."""
    calls = [part("getUser", "moshez"), part("getStatus", "shlomo")]
    results = xmlrpc.client.MultiCallIterator(await ask(users, "system.multicall", calls))
    assert results[0] == "Happy and well"
    with pytest.raises(xmlrpc.client.Fault, match="404"):
        results[1]


@pytest.mark.parametrize(
    "call",
    [
        "getUser",
        1,
        None,
        [],
        {},
        {"methodName": "getUsers"},
        {"params": []},
        {"methodName": 1, "params": []},
        {"methodName": "getUsers", "params": {}},
    ],
)
async def test_multicall_of_what_is_no_call(users: UserMap, call: object) -> None:
    """What is no call is a fault in its place, and the calls beside it are made."""
    calls = [part("getUsers"), call, part("getUsers")]
    before, fault, after = await ask(users, "system.multicall", calls)
    assert fault["faultCode"] == Code.INVALID_PARAMETERS
    assert before == after == [["moshez", "Zoë"]]


async def test_multicall_in_multicall(users: UserMap) -> None:
    """Multicalls are one deep."""
    calls = [part("system.multicall", [part("getUsers")])]
    (fault,) = await ask(users, "system.multicall", calls)
    assert fault["faultCode"] == Code.INVALID_REQUEST


async def test_multicall_is_capped(users: UserMap) -> None:
    """A hundred calls go together, and not one more."""
    calls = [part("getUser", "moshez")] * 100
    assert await ask(users, "system.multicall", calls) == [["Happy and well"]] * 100
    calls.append(part("getUsers"))
    assert await code_of(users, "system.multicall", calls) == Code.INVALID_PARAMETERS


async def test_multicall_does_not_amplify() -> None:
    """Once its answer is long, the calls that are left are faults; by itself each is made."""
    users = UserMap(MemoryStore())
    await users.replace_file({f"u{n}": Status(f"u{n}", "a", SINCE) for n in range(6000)})
    results = await ask(users, "system.multicall", [part("getUsers")] * 100)
    assert [type(result) for result in results] == [list] * 2 + [dict] * 98
    assert {result["faultCode"] for result in results[2:]} == {Code.APPLICATION_ERROR}
    assert len(await ask(users, "getUsers")) == 6000


async def test_multicall_does_not_amplify_histories() -> None:
    """Of long histories, too, only so much goes together: some 10,000 values and one more."""
    users = UserMap(MemoryStore(100), clock=lambda: SINCE)
    for count in range(100):
        await tell(users, "moshez", f"Status {count}", "2026-11-22 12:00")
    results = await ask(users, "system.multicall", [part("getHistory", "moshez")] * 100)
    assert [type(result) for result in results] == [list] * 25 + [dict] * 75
    assert {result["faultCode"] for result in results[25:]} == {Code.APPLICATION_ERROR}
