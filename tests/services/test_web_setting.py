"""Setting over the web, by PUT, DELETE and XML-RPC: what is granted, and that what is not
changes nothing."""

import json
import xmlrpc.client
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from string import punctuation
from typing import Any
from urllib.parse import quote
from xmlrpc.client import Fault, MultiCall, ProtocolError, ServerProxy

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.services.web_app import BEFORE, NOW, Door
from trio_finger.counts import Counts
from trio_finger.protocol.text import MAX_PLAN, MAX_STATUS, TextError, parse_name
from trio_finger.services.web import Site, serve_web
from trio_finger.sources import Directory
from trio_finger.usermap import Status, describe_ending

IN_HALF_AN_HOUR = NOW + timedelta(minutes=30)
SITE = Site("finger.example")
NO_TOKEN = "setting a status takes a token"
WRONG_TOKEN = "this token is not, or no longer, valid"
CHALLENGE = 'Bearer realm="trio-finger", Basic realm="trio-finger"'


class Caller(Door):
    """Asks the web door as moshez does."""

    def __init__(self) -> None:
        super().__init__(SITE)

    async def ask(
        self, method: str, path: str, data: bytes | str | None = None, **headers: str
    ) -> tuple[int, str, Any]:
        """Ask as moshez does, unless *headers* say otherwise."""
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        client: Any = self.app.test_client(use_cookies=False)  # its type wants every argument
        with trio.fail_after(20):
            response = await client.open(
                path, method=method, data=data, headers={k: v for k, v in sent.items() if v}
            )
            body = await response.get_data(as_text=True)
        assert not [name for name in response.headers if name[0].startswith("Access-Control-")]
        return response.status_code, body, response.headers

    async def put(self, data: bytes | str, name: str = "moshez", **headers: str) -> tuple[int, str]:
        """Set a status; return the code and the answer."""
        path = f"/~{quote(name, safe='')}/status"
        code, body, answered = await self.ask("PUT", path, data, **headers)
        assert answered.get("WWW-Authenticate") == (CHALLENGE if code == 401 else None)
        return code, body

    async def put_json(self, name: str = "moshez", **values: object) -> tuple[int, str]:
        """Set what *values* say, with ``lasts`` for ``for``; return the code and the answer."""
        if "lasts" in values:
            values["for"] = values.pop("lasts")
        return await self.put(json.dumps(values), name, Content_Type="application/json")

    async def call(self, method: str, *params: Any, **headers: str) -> Any:
        """Call *method*; return what it comes to, or its fault, with the code if not 200."""
        body = xmlrpc.client.dumps(params, method)
        code, answer, answered = await self.ask("POST", "/RPC2", body, **headers)
        assert answered.get("WWW-Authenticate") == (CHALLENGE if code == 401 else None)
        assert answered["Content-Type"] == "text/xml; charset=utf-8"
        try:
            (result,), _ = xmlrpc.client.loads(answer)
        except Fault as fault:
            return code, fault.faultCode, fault.faultString
        assert code == 200
        return result

    @property
    def texts(self) -> dict[str, str]:
        """What everybody is up to."""
        return {status.name: status.text for status in self.users}


@pytest.fixture
async def door() -> Caller:
    door = Caller()
    await door.fill()
    return door


def basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


# What is granted


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Away", "Away"),
        (b" \tAway \r\n", "Away"),
        (b"Away\n\n", "Away"),
        ("à la mode ☞".encode(), "à la mode ☞"),
        (b"\x1b[31mred\xe2\x80\xae\x07", "[31mred"),
        (b"%s {0} {{7*7}} <b> a=b&c=d+e%20f", "%s {0} {{7*7}} <b> a=b&c=d+e%20f"),
        (b'{"status": "not JSON if nobody says so"}', '{"status": "not JSON if nobody says so"}'),
        (b"s" * MAX_STATUS, "s" * MAX_STATUS),
    ],
)
async def test_put(door: Caller, data: bytes, text: str) -> None:
    """A text is set, clean and without the blanks around it."""
    assert await door.put(data) == (200, "ok\r\n")
    assert door.texts == BEFORE | {"moshez": text}
    assert text in [told.text for told in await door.store.load()]


@pytest.mark.parametrize(
    "kind",
    [
        *("", "text/plain", "text/plain; charset=utf-8", "application/octet-stream", "nonsense"),
        # What curl says of --data, and what it says of --form
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
        *("multipart/form-data", "text/xml", "application/jsonp"),
    ],
)
async def test_put_whatever_it_is_said_to_be(door: Caller, kind: str) -> None:
    """Only JSON is something else than text: a body that is said to be a form counts, too."""
    assert await door.put("a=Away&b", Content_Type=kind) == (200, "ok\r\n")
    assert door.texts == BEFORE | {"moshez": "a=Away&b"}


async def test_put_answers_in_text(door: Caller) -> None:
    """Every answer is a line of plain text."""
    for data, authorization in (("Away", None), ("", None), ("Away", "Bearer x")):
        headers = {} if authorization is None else {"Authorization": authorization}
        _, body, answered = await door.ask("PUT", "/~moshez/status", data, **headers)
        assert answered["Content-Type"] == "text/plain; charset=utf-8"
        assert answered["Cache-Control"] == "no-cache"
        assert body.count("\n") == 1


@pytest.mark.parametrize(
    "values", [{"lasts": "30m"}, {"until": IN_HALF_AN_HOUR.isoformat()}, {"lasts": " 0.5h"}]
)
async def test_put_with_an_end(door: Caller, values: dict[str, str]) -> None:
    """A status with an end is set, and the answer says until when; then it is over."""
    ok = f"ok, until {describe_ending(IN_HALF_AN_HOUR)}\r\n"
    assert await door.put_json(status="Away", **values) == (200, ok)
    assert door.users.get("moshez") == Status("moshez", "Away", NOW, IN_HALF_AN_HOUR)
    # That is said of the status that was set, and of no other answer.
    assert await door.put_json(plan="Rest.") == (200, "ok\r\n")
    door.now = IN_HALF_AN_HOUR
    assert door.texts == BEFORE


async def test_put_json(door: Caller) -> None:
    """JSON sets a status, a plan or both, and leaves what it does not name."""
    assert await door.put_json(status="Away", plan="Rest.\nWrite.") == (200, "ok\r\n")
    assert await door.put_json(plan="Sleep.", name="MosheZ") == (200, "ok\r\n")
    assert door.texts == BEFORE | {"moshez": "Away"}
    assert door.users.profile("moshez").plan == "Sleep."
    assert await door.put_json(status="Back") == (200, "ok\r\n")
    assert door.texts == BEFORE | {"moshez": "Back"}
    assert door.users.profile("moshez").plan == "Sleep."


@pytest.mark.parametrize("nothing", ["", None])
async def test_put_json_clears(door: Caller, nothing: str | None) -> None:
    """JSON that says that a status or a plan is nothing clears it, and only that."""
    await door.put_json(status="Away", plan="Rest.")
    with capture_logs() as records:
        assert await door.put_json(status=nothing) == (200, "ok\r\n")
    assert [record["event"] for record in records] == ["cleared"]
    assert door.texts == BEFORE
    assert door.users.profile("moshez").plan == "Rest."
    assert await door.put_json(plan=nothing) == (200, "ok\r\n")
    assert door.users.profile("moshez").plan == ""


async def test_delete(door: Caller) -> None:
    """DELETE goes back to what the file says, whatever its body holds, and as often as asked."""
    await door.put_json(status="Away", plan="Rest.")
    for data in (None, "Elsewhere", b"\xff"):
        code, body, _ = await door.ask("DELETE", "/~moshez/status", data)
        assert (code, body) == (200, "ok\r\n")
        assert door.texts == BEFORE
    assert door.users.profile("moshez").plan == "Rest."


async def test_delete_whom_the_file_has_not(door: Caller) -> None:
    """Where the file says nothing there is, after a DELETE, nobody: another is a 404."""
    bearer = f"Bearer {await door.hand_out('new')}"
    assert await door.put("Here", "new", Authorization=bearer) == (200, "ok\r\n")
    assert door.texts == BEFORE | {"new": "Here"}
    code, body, _ = await door.ask("DELETE", "/~new/status", Authorization=bearer)
    assert (code, body) == (200, "ok\r\n")
    assert door.texts == BEFORE
    code, body, _ = await door.ask("DELETE", "/~new/status", Authorization=bearer)
    assert (code, body) == (404, "error: no such user\r\n")
    how = {"Authorization": bearer, "Content_Type": "application/json"}
    for data in ('{"status": null}', '{"plan": ""}', '{"status": "", "plan": null}'):
        assert await door.put(data, "new", **how) == (404, "error: no such user\r\n")
    assert await door.put("", "new", Authorization=bearer) == (
        400,
        "error: the status is empty; DELETE clears it\r\n",
    )


async def test_credentials(door: Caller) -> None:
    """A token is good as a Bearer and as a password, however the scheme and the name are spelt."""
    for count, given in enumerate(
        [
            *(f"{scheme} {door.token}" for scheme in ("Bearer", "bearer", "BEARER", "Bearer  ")),
            *(basic(name, door.token) for name in ("moshez", "MosheZ")),
            basic("moshez", door.token).replace("Basic", "basic"),
        ]
    ):
        assert await door.put(f"Away {count}", Authorization=given) == (200, "ok\r\n"), given
        assert door.texts == BEFORE | {"moshez": f"Away {count}"}


def is_name(name: str) -> bool:
    try:
        return parse_name(name) == name
    except TextError:
        return False


ODD_NAMES = [f"a{mark}b" for mark in punctuation] + [f"{mark}" for mark in punctuation]
ODD_NAMES += ["RPC2", "static", "..a", "...", "~~", "%2e", "%252F", "Zoë", "é語", "<script>", "😀"]


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if is_name(name)])
async def test_odd_names(door: Caller, name: str) -> None:
    """Whatever the name, percent-encoded it is reached, with either kind of credentials."""
    token = await door.hand_out(name)
    assert await door.put("One", name, Authorization=f"Bearer {token}") == (200, "ok\r\n")
    assert door.texts == BEFORE | {name: "One"}
    if ":" not in name:
        assert await door.put("Two", name, Authorization=basic(name, token)) == (200, "ok\r\n")
        assert door.texts == BEFORE | {name: "Two"}
    given = {"Authorization": f"Bearer {token}"}
    assert await door.call("setUser", name, "Three", **given) == "ok"
    assert door.texts == BEFORE | {name: "Three"}


async def test_tokens_come_and_go(door: Caller) -> None:
    """A token works from when it is handed out until it is revoked, and not a moment longer."""
    token = await door.hand_out("shawn")
    given = {"Authorization": f"Bearer {token}"}
    for text in ("One", "Two"):
        assert await door.put(text, "shawn", **given) == (200, "ok\r\n")
    assert await door.store.revoke_token(token.partition(".")[0])
    with anything_real():
        assert (await door.put("Three", "shawn", **given))[0] == 401
        assert (await door.call("setUser", "shawn", "Three", **given))[0] == 401
    assert door.texts == BEFORE | {"shawn": "Two"}
    assert await door.put("Away") == (200, "ok\r\n")  # with another's, which goes on


async def test_tokens_expire(door: Caller) -> None:
    """A token works until the moment in which it expires."""
    given = {"Authorization": f"Bearer {await door.hand_out('shawn', NOW + timedelta(seconds=1))}"}
    assert await door.put("One", "shawn", **given) == (200, "ok\r\n")
    door.now += timedelta(seconds=1)
    with anything_real():
        assert await door.put("Two", "shawn", **given) == (401, f"error: {WRONG_TOKEN}\r\n")
    assert door.texts == BEFORE | {"shawn": "One"}


@contextmanager
def anything_real() -> Iterator[None]:
    """Let refusals, of which there are few, take no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio_finger.services.web._access._FIRST_DELAY", 0)
        yield


async def test_what_is_logged(door: Caller) -> None:
    """What was set and cleared is in the log, with the name and without a text or a token."""
    with capture_logs() as records:
        await door.put("Away")
        await door.ask("DELETE", "/~moshez/status")
        await door.call("setUser", "moshez", "Away")
        await door.call("setUser", "moshez", "")
    assert [(record["event"], record["user"]) for record in records] == [
        ("set", "moshez"),
        ("cleared", "moshez"),
    ] * 2
    assert "Away" not in str(records)
    assert door.token not in str(records)
    assert door.token.partition(".")[2] not in str(records)


async def test_the_hidden_set_theirs(door: Caller) -> None:
    """T8: a hidden user sets their own, and still nobody hears of it, nor does the log."""
    given = {"Authorization": f"Bearer {await door.hand_out('hidden')}"}
    with capture_logs() as records:
        assert await door.put("Away", "hidden", **given) == (200, "ok\r\n")
        assert await door.call("setUser", "hidden", "Away", **given) == "ok"
    assert records == []
    assert [told.text for told in await door.store.load()] == ["Away"]
    for path in ("/hidden", "/~hidden/online"):
        assert (await door.ask("GET", path))[0] == 404
    assert door.texts == BEFORE


# What is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfeA", "not UTF-8 text"),
        (b"Away\nplan", "a status is one line"),
        (b"Away\r\nplan", "a status is one line"),
        (b"Away\rplan", "a status is one line"),
        ("Away\u2028plan".encode(), "a status is one line"),
        (b"", "the status is empty; DELETE clears it"),
        (b" \t\r\n\n", "the status is empty; DELETE clears it"),
        (b"\0", "the status is empty"),
        ("\u202e".encode(), "the status is empty"),
        (b"s" * (MAX_STATUS + 1), f"the status is longer than {MAX_STATUS} bytes"),
        (b"s" * 100_000, f"the status is longer than {MAX_STATUS} bytes"),
    ],
)
async def test_nonsense(door: Caller, data: bytes, words: str) -> None:
    """A text that is no status is refused in words, and nothing is set."""
    await door.put("Away")
    assert await door.put(data) == (400, f"error: {words}\r\n")
    assert door.texts == BEFORE | {"moshez": "Away"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"Away", "not JSON"),
        (b'{"status": "Away"', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"status": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"\xff", "not UTF-8 text"),
        (b'"Away"', "expected a JSON object"),
        (b'{"status": 1}', "'status' is no text"),
        (b'{"status": "Away", "for": 30}', "'for' is no text"),
        (b"{}", "there is neither a status nor a plan to set"),
        (b'{"name": "moshez"}', "there is neither a status nor a plan to set"),
        (b'{"name": "shawn", "status": "x"}', "the name is another than that of the address"),
        (b'{"token": "x"}', "unknown key 'token'; known are name, status, plan, for, until"),
        (b'{"status": "x", "for": "1h", "until": "17:30"}', "say either for how long or until"),
        (b'{"plan": "x", "for": "1h"}', "an end needs a status that ends"),
        (b'{"status": "x", "for": "soon"}', "expected a duration such as"),
        (b'{"status": "x", "until": "soon\\r\\n\\u202e"}', "expected a time such as"),
        (b'{"status": "x", "until": "2020-01-01 12:00"}', "2020-01-01 12:00 "),
        (b'{"status": "x", "for": "9999d"}', "the end is more than ten years ahead"),
        (b'{"status": "' + b"s" * (MAX_STATUS + 1) + b'"}', "the status is longer than"),
        (b'{"plan": "' + b"s" * (MAX_PLAN + 1) + b'"}', "the plan is longer than"),
    ],
)
async def test_json_nonsense(door: Caller, data: bytes, words: str) -> None:
    """JSON that makes no sense is refused in words, on one line, and nothing is set."""
    await door.put_json(status="Away", plan="Rest.")
    code, body = await door.put(data, Content_Type="application/json; charset=utf-8")
    assert code == 400
    assert body.startswith(f"error: {words}")
    assert body.removesuffix("\r\n").isprintable()
    assert door.texts == BEFORE | {"moshez": "Away"}
    assert door.users.profile("moshez").plan == "Rest."


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "a@b",
        "a:b",
        "a!b",
        "a,b",
        "#a",
        "a\n",
        "\0",
        "\u202emoshez",
        "a" * 65,
        "a\ud7b0" * 99,
    ],
)
async def test_names_that_cannot_be(door: Caller, name: str) -> None:
    """What cannot be a name is told so, and nobody's status is set."""
    code, body = await door.put("Away", name)
    assert code == 400
    assert body.startswith(("error: a name cannot ", "error: the name is "))
    assert body.removesuffix("\r\n").isprintable()
    assert door.texts == BEFORE


@pytest.mark.parametrize("path", ["/~/status", "/~a%2fb/status", "/moshez/status", "/~moshez/plan"])
async def test_no_other_paths(door: Caller, path: str) -> None:
    """There is nothing to set at any other path."""
    assert (await door.ask("PUT", path, "Away"))[0] in {404, 405}
    assert door.texts == BEFORE


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH"])
async def test_no_other_methods(door: Caller, method: str) -> None:
    """A status is set by PUT and DELETE alone, and the refusal says so."""
    code, _, headers = await door.ask(method, "/~moshez/status", "Away")
    assert code == 405
    assert set(headers["Allow"].split(", ")) == {"DELETE", "OPTIONS", "PUT"}
    assert door.texts == BEFORE


async def test_too_large(door: Caller) -> None:
    """A body of more than 128 KiB is refused as such (T16), and nothing is set."""
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        code, _, _ = await door.ask(
            "PUT", "/~moshez/status", bytes(128 * 1024 + 1), Content_Type=kind
        )
        assert code == 413
    assert door.texts == BEFORE


TOKEN = "0123456789ab.T3Bl0c2VjcmV0"
GARBAGE = {
    "nothing": "",
    "only a scheme": "Bearer",
    "an empty token": "Bearer ",
    "no such token": f"Bearer {TOKEN}",
    "an endless token": "Bearer " + "a" * 5000,
    "dots": "Bearer ...",
    "a token with blanks": "Bearer a b c",
    "a token as a parameter": f'Bearer token="{TOKEN}"',
    "not ASCII": "Bearer é\xff",
    "malformed base64": "Basic moshez:x",
    "base64 cut short": "Basic bW9zaGV6O",
    "base64 of no UTF-8": "Basic /////w==",
    "base64 of no colon": "Basic bW9zaGV6",
    "only a user name": basic("moshez", ""),
    "only a password": basic("", TOKEN),
    "a password": basic("moshez", "swordfish"),
    "a long password": basic("moshez", "s" * 3000),
    "a password with colons": basic("moshez", ":::"),
    "a password that is not ASCII": basic("moshez", "é語"),
    "Digest": 'Digest username="moshez", password="x"',
    "Negotiate": "Negotiate YII=",
    "another scheme": "swordfish",
    "an empty scheme": " ",
    "format strings": "%s {0} {{7*7}}",
}


@pytest.mark.parametrize("given", GARBAGE.values(), ids=GARBAGE)
async def test_garbage_for_credentials(door: Caller, given: str, autojump_clock: MockClock) -> None:
    """Whatever is sent instead of a token is a 401 that says what would be right, at each door."""
    code, body = await door.put("Away", Authorization=given)
    assert code == 401
    assert body in {f"error: {NO_TOKEN}\r\n", f"error: {WRONG_TOKEN}\r\n"}
    assert (await door.ask("DELETE", "/~moshez/status", Authorization=given))[0] == 401
    code, fault, words = await door.call("setUser", "moshez", "Away", Authorization=given)
    assert (code, fault) == (401, 401)
    assert words in {NO_TOKEN, WRONG_TOKEN}
    assert door.texts == BEFORE
    assert await door.store.load() == []


async def test_nearly_right(door: Caller, autojump_clock: MockClock) -> None:
    """A token is right as a whole, in its own scheme, and with no other's name."""
    token_id, _, secret = door.token.partition(".")
    other = await door.hand_out("shawn")
    wrong = [token_id, secret, f".{secret}", f"{token_id}.", f"{token_id}{secret}", secret * 4]
    wrong += [door.token[:-1], door.token + "a", door.token.swapcase(), f"{token_id}.{secret}."]
    wrong += [f"{token_id}.{other.partition('.')[2]}", f"{other.partition('.')[0]}.{secret}"]
    given = [f"Bearer {token}" for token in wrong]
    given += [basic("moshez", token) for token in wrong]
    given += [basic(name, door.token) for name in ("", "shawn", "hidden", "nobody", "moshez ")]
    given += [basic("moshez", other), f"Bearer moshez:{door.token}", f"Basic {door.token}"]
    given += [f"Token {door.token}", door.token, f'Digest password="{door.token}"']
    given += [f'Digest username="moshez", password="{door.token}"', f"Negotiate {door.token}"]
    for credentials in given:
        assert (await door.put("Away", Authorization=credentials))[0] == 401, credentials
        call = await door.call("setUser", "moshez", "Away", Authorization=credentials)
        assert call[:2] == (401, 401), credentials
    assert door.texts == BEFORE
    assert await door.store.load() == []


async def test_credentials_come_before_the_rest(door: Caller, autojump_clock: MockClock) -> None:
    """Nothing is made of what a stranger sends: without a token, nonsense is a 401 as well."""
    for data in (b"\xff", b"", b"[" * 100_000):
        code, _ = await door.put(data, Authorization="", Content_Type="application/json")
        assert code == 401
    assert (await door.put("Away", "a b", Authorization=""))[0] == 401


async def test_somebody_elses(door: Caller, autojump_clock: MockClock) -> None:
    """T28: with one's own token nobody else's status is set or cleared, whoever that is."""
    words = "you may not set the status of shawn"
    assert await door.put("Away", "shawn") == (403, f"error: {words}\r\n")
    assert await door.put_json("shawn", plan="x") == (403, f"error: {words}\r\n")
    code, body, _ = await door.ask("DELETE", "/~shawn/status")
    assert (code, body) == (403, f"error: {words}\r\n")
    assert await door.call("setUser", "shawn", "Away") == (403, 403, words)
    assert await door.call("setUser", "shawn", "") == (403, 403, words)
    assert door.texts == BEFORE
    assert await door.store.load() == []


@pytest.mark.parametrize("credentials", ["bearer", "basic"])
async def test_the_hidden_are_like_everybody(
    door: Caller, credentials: str, autojump_clock: MockClock
) -> None:
    """T8: with somebody else's token, hidden, unknown and known users are refused the same."""
    given = {} if credentials == "bearer" else {"Authorization": basic("moshez", door.token)}
    answers: list[Any] = []
    for name in ("hidden", "nobody", "shawn"):
        with capture_logs() as records:
            code, body, headers = await door.ask("PUT", f"/~{name}/status", "Away", **given)
            deleted = await door.ask("DELETE", f"/~{name}/status", **given)
            called = await door.call("setUser", name, "Away", **given)
            parts = await door.call(
                "system.multicall", [{"methodName": "setUser", "params": [name, ""]}], **given
            )
        headers.remove("Content-Length")
        deleted[2].remove("Content-Length")
        everything = (code, body, list(headers), *deleted[:2], list(deleted[2]), called, parts)
        logged = [{**record, "failures": 0} for record in records]
        answers.append(str((everything, logged)).replace(name, "NAME"))
    assert answers[0] == answers[1] == answers[2]
    assert "403" in answers[0]


async def test_only_whom_the_file_names(door: Caller, autojump_clock: MockClock) -> None:
    """Where no user may be created, a token for one who is not there sets nothing."""
    door.users.create = False
    given = {"Authorization": f"Bearer {await door.hand_out('new')}"}
    words = "only users whom the users file names can be set"
    assert await door.put("Away", "new", **given) == (403, f"error: {words}\r\n")
    assert await door.call("setUser", "new", "Away", **given) == (403, 403, words)
    assert door.texts == BEFORE


# When the store fails


async def test_not_kept(door: Caller) -> None:
    """What could not be kept is a 503 that says so, is an error in the log, and is not set."""
    await door.put("Away")
    door.store.is_full = True
    with capture_logs() as records:
        assert await door.put("Back") == (503, "error: the disk is full\r\n")
        assert (await door.ask("DELETE", "/~moshez/status"))[:2] == (
            503,
            "error: the disk is full\r\n",
        )
        # A fault is all that XML-RPC has; HTTP itself went well.
        assert await door.call("setUser", "moshez", "Back") == (200, 503, "the disk is full")
    assert [(record["log_level"], record["reason"]) for record in records] == [
        ("error", "the disk is full")
    ] * 3
    assert door.texts == BEFORE | {"moshez": "Away"}
    door.store.is_full = False
    assert await door.put("Back") == (200, "ok\r\n")


async def test_tokens_cannot_be_read(door: Caller) -> None:
    """Where the store cannot tell whose a token is, that is a 503, and nobody's fault."""
    door.store.is_gone = True
    with capture_logs() as records:
        assert await door.put("Away") == (503, "error: the disk is gone\r\n")
        assert await door.call("setUser", "moshez", "Away") == (200, 503, "the disk is gone")
    assert "denied" not in {record["event"] for record in records}
    assert door.texts == BEFORE


# XML-RPC


async def test_set_user(door: Caller) -> None:
    """setUser sets, by Bearer and by Basic, and an empty status clears."""
    assert await door.call("setUser", "MosheZ", " Away ") == "ok"
    assert door.texts == BEFORE | {"moshez": "Away"}
    given = {"Authorization": basic("moshez", door.token)}
    assert await door.call("setUser", "moshez", "Back", **given) == "ok"
    assert door.texts == BEFORE | {"moshez": "Back"}
    for empty in ("", " \t\n"):
        assert await door.call("setUser", "moshez", empty) == "ok"
        assert door.texts == BEFORE


async def test_set_user_to_nonsense(door: Caller) -> None:
    """What is no status and what is no name are faults 400, and HTTP itself went well."""
    long = (200, 400, f"the status is longer than {MAX_STATUS} bytes")
    assert await door.call("setUser", "moshez", "s" * (MAX_STATUS + 1)) == long
    assert await door.call("setUser", "a b", "Away") == (200, 400, "a name cannot hold white space")
    assert door.texts == BEFORE


def part(name: str, status: str) -> dict[str, Any]:
    """Return one call of a multicall."""
    return {"methodName": "setUser", "params": [name, status]}


async def test_multicall_without_a_token(door: Caller, autojump_clock: MockClock) -> None:
    """In a multicall every refusal is a fault in its place, and together they count as one."""
    calls = [part("moshez", "Away"), {"methodName": "getUser", "params": ["moshez"]}]
    start = trio.current_time()
    with capture_logs() as records:
        results = await door.call("system.multicall", calls * 50, Authorization="")
    fault = {"faultCode": 401, "faultString": NO_TOKEN}
    assert results == [fault, ["from the file"]] * 50
    assert [record["failures"] for record in records] == [1]
    assert trio.current_time() - start == pytest.approx(0.1)
    assert door.texts == BEFORE


async def test_multicall_for_others(door: Caller, autojump_clock: MockClock) -> None:
    """One that may not be done keeps no other from being done, and they count as one."""
    calls = [part("shawn", "Gone"), part("moshez", "Away"), part("nobody", "x"), part("a b", "x")]
    start = trio.current_time()
    with capture_logs() as records:
        results = await door.call("system.multicall", calls * 20)
    assert (
        results
        == [
            {"faultCode": 403, "faultString": "you may not set the status of shawn"},
            ["ok"],
            {"faultCode": 403, "faultString": "you may not set the status of nobody"},
            {"faultCode": 400, "faultString": "a name cannot hold white space"},
        ]
        * 20
    )
    assert [record["failures"] for record in records if record["event"] == "denied"] == [1]
    assert trio.current_time() - start == pytest.approx(0.1)
    assert door.texts == BEFORE | {"moshez": "Away"}
    # Nor was that failure forgiven for what went well beside it.
    with capture_logs() as records:
        await door.call("setUser", "shawn", "Gone")
    assert [record["failures"] for record in records] == [2]


async def test_the_standard_client(door: Caller) -> None:
    """The standard library's client sets over a real connection, with its token in the address."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    place = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    other = await door.hand_out("Zoë")
    stop = trio.Event()

    def talk() -> None:
        with ServerProxy(f"http://moshez:{door.token}@{place}/RPC2") as server:
            assert server.setUser("moshez", "Away") == "ok"
            assert server.getUser("moshez") == "Away"
            history: Any = server.getHistory("moshez")
            assert history[0]["status"] == "Away"
            assert server.system.methodSignature("setUser") == [["string"] * 3]
            calls = MultiCall(server)
            calls.setUser("moshez", "")
            calls.setUser("shawn", "")
            calls.getUser("moshez")
            results = calls()
            assert (results[0], results[2]) == ("ok", "from the file")
            with pytest.raises(Fault, match="403"):
                results[1]
            with pytest.raises(ProtocolError) as caught:
                server.setUser("shawn", "Gone")
            assert caught.value.errcode == 403
        with ServerProxy(f"http://{quote('Zoë')}:{other}@{place}/RPC2") as server:
            assert server.setUser("Zoë", "à la mode") == "ok"
        for credentials in ("", "moshez:swordfish@", f"shawn:{door.token}@"):
            with ServerProxy(f"http://{credentials}{place}/RPC2") as server:
                assert server.getUser("shawn") == "from the file"
                with pytest.raises(ProtocolError) as caught:
                    server.setUser("moshez", "Gone")
                assert caught.value.errcode == 401
                assert caught.value.headers["www-authenticate"] == CHALLENGE

    with anything_real(), trio.fail_after(20):
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                await serve_web(SITE, Directory(door.users), listeners, stop=stop, counts=Counts())

            nursery.start_soon(serve)
            await trio.to_thread.run_sync(talk)
            stop.set()
    assert door.texts == BEFORE | {"Zoë": "à la mode"}
