"""A web site as a source: what it says is taken, and whatever else it does harms nobody."""

import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import pytest
import trio
import trustme
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.net.tls import authority, client_side, server_side
from tests.running import PATIENCE
from tests.sources.web_server import Answer, Site, Stream, hang_up, ok, serving, status
from tests.strategies import texts
from trio_finger import __version__
from trio_finger.config import UserUrl, WebSource
from trio_finger.protocol.size import Size
from trio_finger.protocol.text import MAX_STATUS, parse_status
from trio_finger.sources._source import Asker, Circle, Found, SourceError
from trio_finger.sources._web import Web

US = "us.example"
NOBODY = Asker()
SIZE = 1000  # bytes, the longest answer here

GOOD = ok(b"Happy and well\n")
WELL = Found("Happy and well")


def config(url: str) -> WebSource:
    return WebSource(url=UserUrl(url), max_size=Size(SIZE))


@asynccontextmanager
async def asking(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """Have a source for the length of an ``async with``, in which no test stays for long."""
    web = Web(config(url), US, tls=tls)
    with trio.fail_after(PATIENCE):
        yield web
        await web.aclose()


@asynccontextmanager
async def asking_site(
    *answers: Answer, path: str = "/~{user}/online"
) -> AsyncIterator[tuple[Web, Site]]:
    """Have a site that gives *answers*, and a source that asks it."""
    async with serving(*answers) as site:
        async with asking(site.url + path) as web:
            yield web, site
        # No question leaves anything open but what is kept for the next one.
        with trio.fail_after(PATIENCE):
            await site.becomes(lambda: site.open == 0)


async def failure(web: Web, name: str = "moshez") -> str:
    """Ask in vain; return the reason, which names nobody."""
    with pytest.raises(SourceError) as caught:
        await web.ask(name, NOBODY)
    assert name not in str(caught.value)
    return str(caught.value)


async def send_for_ever(stream: Stream, first: bytes, then: bytes) -> None:
    await stream.send_all(first)
    while True:
        await stream.send_all(then)


async def send_and_close(stream: Stream, data: bytes) -> None:
    await stream.send_all(data)
    await hang_up(stream)


async def send_and_wait(stream: Stream, data: bytes) -> None:
    """Send *data*, and do no more until the other side closes."""
    await stream.send_all(data)
    await stream.receive_some()
    await hang_up(stream)


async def reset(stream: Stream, data: bytes = b"") -> None:
    """Send *data*, and have the connection end with a reset."""
    assert isinstance(stream, trio.SocketStream)
    await stream.send_all(data)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await hang_up(stream)


# What is asked


async def test_question() -> None:
    """A question is one request, and says who asks and for what."""
    async with asking_site(GOOD) as (web, site):
        assert await web.ask("moshez", NOBODY) == WELL
    assert site.questions == [
        b"GET /~moshez/online HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\n"
        b"User-Agent: trio-finger/%s\r\n"
        b"Accept: text/plain\r\n"
        b"Accept-Encoding: identity\r\n"
        b"Via: 1.1 us.example\r\n\r\n" % (site.port, __version__.encode())
    ]


def asked_for(question: bytes) -> str:
    """Return what *question* asks for, having checked that it has no other lines than it should."""
    line, *headers = question.decode("ascii").split("\r\n")
    names = [header.partition(":")[0] for header in headers]
    assert names == ["Host", "User-Agent", "Accept", "Accept-Encoding", "Via", "", ""]
    method, target, version = line.split(" ")
    assert (method, version) == ("GET", "HTTP/1.1")
    return target


@pytest.mark.parametrize(
    "name",
    [
        *"?#%&+;\"'<>=\\~\0\t {}|^`",
        "é",
        "語",
        "../",
        "../../etc/passwd",
        "%2e%2e%2f",
        "{user}",
        "a HTTP/1.1\r\nHost: evil\r\n\r\nGET /",
        "x@evil.example",
        "//evil.example",
    ],
)
async def test_t4_odd_names(name: str) -> None:
    """T4, T6: whatever a name is made of, it is one segment of the path and nothing else."""
    async with asking_site(GOOD) as (web, site):
        assert await web.ask(name, NOBODY) == WELL
    (question,) = site.questions
    target = asked_for(question)
    user = target.removeprefix("/~").removesuffix("/online")
    assert target == f"/~{user}/online"
    assert not set("/?#") & set(user)
    assert unquote(user) == name


@given(texts("?#%&+;\"'<>=/\\.:@", max_size=64).filter(bool))
async def test_t4_every_name(name: str) -> None:
    """T4, T6: that holds for every name, in a query, too."""
    name = name.encode(errors="replace").decode()
    async with asking_site(GOOD, path="/status?user={user}&as=text") as (web, site):
        assert await web.ask(name, NOBODY) == WELL
    user = asked_for(site.questions[0]).removeprefix("/status?user=").removesuffix("&as=text")
    assert not set("/?#&=+;") & set(user)
    assert unquote(user) == name


async def test_address_as_people_write_it() -> None:
    """An address may have letters that only people read; it is asked for in ASCII."""
    async with asking_site(GOOD, path="/état/{user}?où=là#fragment") as (web, site):
        assert await web.ask("é", NOBODY) == WELL
    assert asked_for(site.questions[0]) == "/%C3%A9tat/%C3%A9?o%C3%B9=l%C3%A0"


@pytest.mark.parametrize("url", ["http:///{user}", "http://a..b/{user}", "http://a:99999/{user}"])
def test_no_address(url: str) -> None:
    """An address without a host is refused at once, and not when somebody asks."""
    with pytest.raises(ValueError, match=r"host|label|[Pp]ort"):
        Web(config(url), US)


# Questions that go round in circles


async def test_via() -> None:
    """Who has brought the question is said, and that we did; a stranger's word injects nothing."""
    async with asking_site(GOOD) as (web, site):
        await web.ask("moshez", Asker(via=("far.example", "[::1]:79")))
        await web.ask("moshez", Asker(via=("a\r\nEvil: 1", "é, 1.1 b", "")))
    near, strange = (question.split(b"Via: ")[1] for question in site.questions)
    assert near == b"1.1 far.example, 1.1 [::1]:79, 1.1 us.example\r\n\r\n"
    assert strange == b"1.1 a__Evil:_1, 1.1 ___1.1_b, 1.1 _, 1.1 us.example\r\n\r\n"


@pytest.mark.parametrize(
    "via", [(US,), ("a", US), (US, "a"), ("a", "b", "c", "d"), ("x",) * 1000], ids=len
)
async def test_circle(via: tuple[str, ...]) -> None:
    """T2: a question that has been here, or in too many places, is not passed on."""
    async with asking_site(GOOD) as (web, site):
        assert web.circle("moshez", Asker(via=via)) is Circle.YES
        assert await web.ask("moshez", Asker(via=via)) is None
    assert site.accepted == 0


async def test_two_that_ask_each_other() -> None:
    """T2: a site that asks us back whatever we ask it comes to an end."""

    async def ask_back(stream: Stream) -> None:
        _, _, via = site.questions[-1].decode().strip().rpartition("Via: ")
        daemons = tuple(daemon.removeprefix("1.1 ") for daemon in via.split(", "))
        assert await web.ask("moshez", Asker(via=daemons)) is None
        await stream.send_all(status(b"404 Not Found"))

    async with asking_site(ask_back) as (web, site):
        assert await web.ask("moshez", NOBODY) is None
    assert len(site.questions) == 1


# What is answered


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"Happy and well", "Happy and well"),
        (b"Happy\r\nand well\r\n", "Happy"),
        (b"Happy\rand well", "Happy"),
        (b"\n \t\r\n\n  Happy  \nand well", "Happy"),
        (b"\xe2\x80\x8b\n\xef\xbb\xbf\nHappy", "Happy"),
        ("\ufeffJoyeux à l'été".encode(), "Joyeux à l'été"),
        (b"", ""),
        (b"\r\n \n", ""),
        (b"\x1b[31mred\x07\xc2\x9b2J\xe2\x80\xaegnp", "[31mred2Jgnp"),
        (b"%s {user} {{7*7}} <b>&amp;", "%s {user} {{7*7}} <b>&amp;"),
    ],
)
async def test_body(body: bytes, text: str) -> None:
    """T9, T12: the first line in which there is anything is the status, clean and literal."""
    async with asking_site(ok(body)) as (web, _):
        assert await web.ask("moshez", NOBODY) == Found(text)


@pytest.mark.parametrize("character", ["x", "é", "語", "\U0001f600"])
async def test_long_status(character: str) -> None:
    """A status that is too long is cut between two characters."""
    size = len(character.encode())
    body = f"{character * MAX_STATUS}\nand more".encode()
    async with serving(ok(body)) as site:
        web = Web(WebSource(url=UserUrl(site.url + "/{user}")), US)
        with trio.fail_after(PATIENCE):
            found = await web.ask("moshez", NOBODY)
            await web.aclose()
    assert found == Found(character * (MAX_STATUS // size))


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: text/plain",
        b"content-type:TEXT/Plain; charset=utf-8",
        b"Content-Type: text/html",
        b"Content-Encoding: identity",
        b"X-Status: \xff\xfe",
    ],
)
async def test_headers(header: bytes) -> None:
    """Any text will do, however it says that it is one."""
    async with asking_site(ok(b"Happy and well", header)) as (web, _):
        assert await web.ask("moshez", NOBODY) == WELL


@pytest.mark.parametrize("number", [404, 410])
async def test_no_such_user(number: int) -> None:
    """A site that has no such page has no such user, whatever else it tells, and is kept."""
    missing = b"HTTP/1.1 %d Gone\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\n\xff\0\n"
    async with asking_site(missing % number, GOOD) as (web, site):
        assert await web.ask("moshez", NOBODY) is None
        assert await web.ask("shawn", NOBODY) == WELL
        assert site.accepted == 1


@pytest.fixture
def quick_clock() -> MockClock:
    return MockClock(rate=20)


@pytest.mark.parametrize("length", [b"Content-Length: 9", b"Content-Length: 999999", b"X: y"])
async def test_t10_no_such_user_endlessly(length: bytes, quick_clock: MockClock) -> None:
    """T10: a page that says so is not waited for, nor is it read if it is long."""
    missing = b"HTTP/1.1 404 Not Found\r\n" + length + b"\r\n\r\nNo"
    with trio.fail_after(20 * PATIENCE):
        async with serving(partial(send_and_wait, data=missing)) as site:
            web = Web(config(site.url + "/{user}"), US)
            assert await web.ask("moshez", NOBODY) is None
            await site.becomes(lambda: site.open == 0)


@pytest.mark.parametrize("number", [101, 201, 204, 206, 304, 300, 401, 403, 429, 500, 503, 999])
async def test_other_numbers(number: int) -> None:
    """Anything else is no answer, and says nothing about the user."""
    answer = b"HTTP/1.1 %d moshez\r\nContent-Type: text/plain\r\n\r\nmoshez" % number
    async with asking_site(partial(send_and_close, data=answer)) as (web, _):
        reason = await failure(web)
    assert reason in {f"answered {number}", "does not speak HTTP"}
    assert number == 101 or reason == f"answered {number}"


ENCODING = "answered in an encoding that it was not asked for"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ok(b"\x1f\x8b\x08", b"Content-Encoding: gzip"), ENCODING),
        (ok(b"x", b"Content-Encoding: identity", b"Content-Encoding: br"), ENCODING),
        (ok(b"x", b"Content-Type: image/png"), "answered with something else than text"),
        (ok(b"x", b"Content-Type: application/json"), "answered with something else than text"),
        (ok(b"\xff\xfeH\0"), "answered in something else than UTF-8"),
        (ok(b"Happy\n\xe9t\xe9"), "answered in something else than UTF-8"),
        (ok(b"\xed\xa0\x80"), "answered in something else than UTF-8"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", "does not speak HTTP"),
        (b"220 moshez ESMTP\r\n\r\n", "does not speak HTTP"),
        (b"\x15\x03\x01\0\x02\x02\x46", "does not speak HTTP"),
        (bytes(100_000), "does not speak HTTP"),
    ],
)
async def test_t10_no_status(answer: bytes, reason: str | None) -> None:
    """T10, T16: what cannot be a status is refused, nothing is unpacked, and nobody is named."""
    async with asking_site(partial(send_and_close, data=answer), GOOD) as (web, _):
        assert await failure(web) == (reason or "does not speak HTTP")
        assert await web.ask("moshez", NOBODY) == WELL


# Too much


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
TOO_LONG = f"answered with more than {SIZE} bytes"


@pytest.mark.parametrize("size", [SIZE - 1, SIZE])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
async def test_longest_answer(size: int, framing: str) -> None:
    """An answer of the size that was agreed is taken, however its end is told."""
    body = b"Well\n" + b"x" * (size - 5)
    answer = {
        "length": ok(body),
        "chunks": CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, body),
        "end": HEAD + b"\r\n" + body,
    }[framing]
    async with asking_site(partial(send_and_close, data=answer)) as (web, _):
        assert await web.ask("moshez", NOBODY) == Found("Well")


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"x" * (SIZE + 1)),
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\nx",
        CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE + 1, b"x" * (SIZE + 1)),
        CHUNKED + b"1\r\nx\r\n" * (SIZE + 1) + b"0\r\n\r\n",
        HEAD + b"\r\n" + b"x" * (SIZE + 1),
    ],
    ids=["length", "lying", "chunk", "chunks", "end"],
)
async def test_t10_too_long(answer: bytes) -> None:
    """T10: one byte more is too much. Nobody waits for the rest; the connection is closed."""
    async with asking_site(partial(send_and_wait, data=answer), GOOD) as (web, site):
        assert await failure(web) == TOO_LONG
        await site.becomes(lambda: site.open == 0)
        assert await web.ask("moshez", NOBODY) == WELL


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        (HEAD + b"\r\n", b"x" * 65536, TOO_LONG),
        (HEAD + b"\r\n", b"\n" * 65536, TOO_LONG),
        (CHUNKED, b"1\r\nx\r\n" * 1000, TOO_LONG),
        (CHUNKED, b"1;" + b"x" * 65536, "does not speak HTTP"),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000, "does not speak HTTP"),
        (HEAD, b"X: y\r\n" * 1000, "does not speak HTTP"),
        (HEAD + b"X: ", b"y" * 65536, "does not speak HTTP"),
        (b"HTTP/1.1 200 ", b"O" * 65536, "does not speak HTTP"),
        (b"", b"\0" * 65536, "does not speak HTTP"),
    ],
    ids=[
        *("body", "blank-lines", "chunks", "chunk-head", "trailers"),
        *("headers", "header", "first-line", "NULs"),
    ],
)
async def test_t10_endless(first: bytes, then: bytes, reason: str) -> None:
    """T10: what does not end is given up, and the connection with it."""
    async with asking_site(partial(send_for_ever, first=first, then=then), GOOD) as (web, site):
        assert await failure(web) == reason
        await site.becomes(lambda: site.open == 0)
        assert await web.ask("moshez", NOBODY) == WELL


# Too little


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-", "broke off its answer"),
        (HEAD + b"Content-Length: 20\r\n\r\nHappy", "broke off its answer"),
        (CHUNKED + b"14\r\nHappy", "broke off its answer"),
        (CHUNKED + b"5\r\nHappy\r\n", "broke off its answer"),
    ],
)
async def test_t10_half_an_answer(data: bytes, reason: str) -> None:
    """T10: an answer that is not whole is none, whether the connection is closed or reset."""
    answers = partial(send_and_close, data=data), partial(reset, data=data), GOOD
    async with asking_site(*answers) as (web, _):
        assert await failure(web) == reason
        assert await failure(web) == "broke the connection"
        assert await web.ask("moshez", NOBODY) == WELL


async def test_answer_that_ends_with_the_connection() -> None:
    """A site of old says that its answer is whole by closing the connection."""
    answer = partial(send_and_close, data=b"HTTP/1.0 200 OK\r\n\r\nHappy and well")
    async with asking_site(answer) as (web, _):
        assert await web.ask("moshez", NOBODY) == WELL
        assert await web.ask("moshez", NOBODY) == WELL


async def test_nobody_there() -> None:
    """A site that is down is said to be."""
    async with serving(GOOD) as site:
        pass
    async with asking(site.url + "/{user}") as web:
        assert await failure(web) == "cannot be reached: Connection refused"


async def test_no_such_host() -> None:
    """Nor is a host that does not exist more than a reason."""
    async with asking("http://nobody.invalid/{user}") as web:
        assert (await failure(web)).startswith("cannot be reached: ")


# Elsewhere


def redirect(location: bytes, number: int = 302) -> bytes:
    return status(b"%d Found" % number, b"Location: " + location)


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/status/moshez?as=text#here", "/status/moshez?as=text"),
        (b"status", "/~moshez/status"),
        (b"?as=text", "/~moshez/online?as=text"),
        (b"../../..", "/"),
        (b"//127.0.0.1:PORT/there", "/there"),
        (b"http://127.0.0.1:PORT", "/"),
        (b"HTTP://someone@127.0.0.1:PORT/there", "/there"),
        ("/état".encode(), "/%C3%A9tat"),
        (b"/a b", "/a%20b"),
        (b"/{user}", "/{user}"),
    ],
)
async def test_redirect(location: bytes, target: str, number: int) -> None:
    """A site may send us to another of its own addresses, without a new connection."""

    async def answer(stream: Stream) -> None:
        await stream.send_all(redirect(location.replace(b"PORT", b"%d" % site.port), number))

    async with asking_site(answer, GOOD) as (web, site):
        assert await web.ask("moshez", NOBODY) == WELL
        assert site.accepted == 1
    assert asked_for(site.questions[1]) == target


@pytest.mark.parametrize(
    "location",
    [
        b"http://127.0.0.1:OTHER/",
        b"//127.0.0.1:OTHER/",
        b"http://localhost:PORT/",
        b"http://127.1:PORT/",
        b"https://127.0.0.1:PORT/",
        b"http://127.0.0.1/",
        b"http://127.0.0.1:PORT@localhost:OTHER/",
        b"http://[::1]:PORT/",
        b"http://[::1",
        b"http://127.0.0.1:99999/",
        b"http://127.0.0.1:x/",
        b"http://a..b/",
        b"file:///etc/passwd",
        b"gopher://127.0.0.1:PORT/",
        b"javascript:alert(1)",
        b"/\xff",
    ],
)
async def test_t2_redirect_to_elsewhere(location: bytes) -> None:
    """T2: no site sends us to another one: nothing is asked there, nor even connected to."""

    async def answer(stream: Stream) -> None:
        place = location.replace(b"PORT", b"%d" % site.port)
        await stream.send_all(redirect(place.replace(b"OTHER", b"%d" % other.port)))

    async with serving(GOOD) as other, asking_site(answer) as (web, site):
        assert await failure(web) == "redirects to elsewhere"
    assert (len(site.questions), other.accepted) == (1, 0)


async def test_redirect_to_nowhere() -> None:
    """One that does not say where to is as good as one that leads to elsewhere."""
    async with asking_site(status(b"302 Found")) as (web, _):
        assert await failure(web) == "redirects to elsewhere"


async def test_redirects_in_a_row() -> None:
    """T10: three redirects are followed, and no more; one to itself comes to an end, too."""
    again = redirect(b"")
    async with asking_site(again, again, again, GOOD, redirect(b"/~moshez/online")) as (web, site):
        assert await web.ask("moshez", NOBODY) == WELL
        assert await failure(web) == "redirects too often"
    assert len(site.questions) == 8


# Connections


async def test_connection_is_used_again() -> None:
    """One question after the other comes through one connection."""
    async with asking_site(GOOD) as (web, site):
        for name in ("moshez", "shawn", "moshez"):
            assert await web.ask(name, NOBODY) == WELL
        assert (site.accepted, site.open) == (1, 1)
        await web.aclose()
        await site.becomes(lambda: site.open == 0)


async def test_questions_at_once() -> None:
    """Many who ask at once are all answered; some of their connections are kept, and no more."""
    async with asking_site(GOOD) as (web, site):
        found: list[Found | None] = []

        async def ask(number: int) -> None:
            found.append(await web.ask(f"user{number}", NOBODY))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(ask, number)
        assert found == [WELL] * 50
        await site.becomes(lambda: site.open <= 8)


@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize("times", [1, 2])
async def test_connection_that_ends_when_it_is_used_again(end: Answer, times: int) -> None:
    """A site that ends a connection just when it is used again is asked anew through another."""
    answers = [GOOD, *[end, GOOD] * times]
    async with asking_site(*answers) as (web, site):
        for _ in range(1 + times):
            assert await web.ask("moshez", NOBODY) == WELL
        assert site.accepted == 1 + times


async def test_connection_that_has_ended() -> None:
    """One that the site ended meanwhile is not used at all."""
    async with asking_site(partial(send_and_close, data=GOOD)) as (web, site):
        assert await web.ask("moshez", NOBODY) == WELL
        await site.becomes(lambda: site.open == 0)
        assert await web.ask("moshez", NOBODY) == WELL
    assert len(site.questions) == 2


async def test_asked_anew_only_once() -> None:
    """A site that ends every connection is not asked for ever."""
    async with asking_site(GOOD, hang_up) as (web, site):
        assert await web.ask("moshez", NOBODY) == WELL
        assert await failure(web) == "broke off its answer"
    assert len(site.questions) == 3


@pytest.mark.parametrize(
    "excess",
    [
        b"\n",
        b"and more",
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n",
        ok(b"Somebody else"),
        ok(b"Somebody else") * 2,
    ],
)
async def test_answer_longer_than_it_says(excess: bytes) -> None:
    """What comes after an answer is not taken for that to the next question."""
    async with asking_site(ok(b"Somebody") + excess, GOOD) as (web, _):
        assert await web.ask("shawn", NOBODY) == Found("Somebody")
        assert await web.ask("moshez", NOBODY) == WELL


async def test_site_that_had_enough_of_waiting() -> None:
    """A site that says that we took too long is asked anew, if it may not have meant us."""
    async with asking_site(GOOD, status(b"408 Request Timeout"), GOOD) as (web, _):
        assert await web.ask("moshez", NOBODY) == WELL
        assert await web.ask("moshez", NOBODY) == WELL
    async with asking_site(status(b"408 Request Timeout"), GOOD) as (web, _):
        assert await failure(web) == "answered 408"


@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 2", HEAD, HEAD + b"Content-Length: 20\r\n\r\nHappy", CHUNKED + b"5\r\n"],
)
@pytest.mark.parametrize("times", [1, 20])
async def test_cancelled(sent: bytes, times: int) -> None:
    """T3: questions that are given up close their connections, and there is room for more."""
    wait: Answer = partial(send_and_wait, data=sent)
    answers = [*[wait] * times, GOOD]
    async with asking_site(*answers) as (web, site):
        async with trio.open_nursery() as nursery:
            for _ in range(times):
                nursery.start_soon(web.ask, "moshez", NOBODY)
            await site.becomes(lambda: len(site.questions) == times)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await site.becomes(lambda: site.open == 0)
        assert await web.ask("moshez", NOBODY) == WELL
        assert site.accepted == times + 1


async def test_closed_while_it_is_asked() -> None:
    """A source that is closed meanwhile keeps no connection of the question that goes on."""
    go = trio.Event()

    async def answer(stream: Stream) -> None:
        await go.wait()
        await stream.send_all(GOOD)

    async with asking_site(answer) as (web, site):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(web.ask, "moshez", NOBODY)
            await site.becomes(lambda: len(site.questions) == 1)
            await web.aclose()
            go.set()
        await site.becomes(lambda: site.open == 0)


async def test_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxies the environment names, it is the site itself that is asked."""
    async with serving(ok(b"A proxy")) as proxy, asking_site(GOOD) as (web, _):
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await web.ask("moshez", NOBODY) == WELL
    assert proxy.accepted == 0


def test_costs_nothing_without_a_web_source() -> None:
    """httpcore takes its time to be imported, so it is not before there is a web source."""
    code = "import sys, trio_finger.sources._web; sys.exit('httpcore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# TLS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls(host: str) -> None:
    """A site is asked over TLS, through one connection, if it can show that it is the one."""
    async with serving(GOOD, tls=server_side("127.0.0.1", "localhost")) as site:
        async with asking(f"https://{host}:{site.port}/{{user}}", client_side()) as web:
            assert await web.ask("moshez", NOBODY) == WELL
            assert await web.ask("shawn", NOBODY) == WELL
            assert site.accepted == 1
        await site.becomes(lambda: site.open == 0)


async def test_tls_with_whom_this_machine_trusts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is this machine's list of authorities that counts, and no other."""
    authority().cert_pem.write_to_path(path := tmp_path / "authority.pem")
    async with serving(GOOD, tls=server_side("127.0.0.1")) as site:
        async with asking(site.url + "/{user}") as web:
            assert "certificate" in await failure(web)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        async with asking(site.url + "/{user}") as web:
            assert await web.ask("moshez", NOBODY) == WELL


def of_its_own() -> ssl.SSLContext:
    """Return a server's context whose certificate signs itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own = trustme.CA()
    with own.cert_pem.tempfile() as certificate, own.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (of_its_own, "self-signed certificate"),
        (partial(server_side, "127.0.0.1", days=-1), "certificate has expired"),
        (partial(server_side, "127.0.0.2"), "IP address mismatch"),
    ],
    ids=["self-signed", "expired", "wrong-address"],
)
async def test_t22_tls_with_somebody_else(context: "partial[ssl.SSLContext]", why: str) -> None:
    """T22: a site that is not surely the right one is asked nothing."""
    async with serving(GOOD, tls=context()) as site:
        async with asking(site.url + "/{user}", client_side()) as web:
            assert (await failure(web)).startswith(f"has no good certificate: {why}")
        await site.becomes(lambda: site.open == 0)
    assert site.questions == []


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\0\x02\x02\x28", b""]
)
async def test_tls_with_a_site_without(answer: bytes) -> None:
    """T22: a site that speaks no TLS is asked nothing."""

    async def say(socket: trio.SocketStream) -> None:
        async with socket:
            await socket.receive_some()
            await socket.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, say, [listener])
        port = listener.socket.getsockname()[1]
        async with asking(f"https://127.0.0.1:{port}/{{user}}", client_side()) as web:
            assert "TLS" in await failure(web)
        nursery.cancel_scope.cancel()


async def test_tls_cut() -> None:
    """T22: over TLS an end that the site did not say itself is none: anybody can cut."""
    half = partial(send_and_close, data=b"HTTP/1.1 200 OK\r\n\r\nI am not")
    async with (
        serving(half, tls=server_side("127.0.0.1")) as site,
        asking(site.url + "/{user}", client_side()) as web,
    ):
        assert await failure(web) == "broke the connection"


async def test_tls_connection_that_ends_when_it_is_used_again() -> None:
    """Over TLS, too, such a site is asked anew."""
    async with (
        serving(GOOD, hang_up, GOOD, tls=server_side("127.0.0.1")) as site,
        asking(site.url + "/{user}", client_side()) as web,
    ):
        assert await web.ask("moshez", NOBODY) == WELL
        assert await web.ask("moshez", NOBODY) == WELL
    assert site.accepted == 2


async def test_t23_cancelled_while_tls_is_set_up() -> None:
    """T23: a site that never answers the handshake keeps nothing of ours when we give up."""
    greeted, ended = trio.Event(), trio.Event()

    async def wait(socket: trio.SocketStream) -> None:
        async with socket:
            await socket.receive_some()
            greeted.set()
            while await socket.receive_some():
                pass
            ended.set()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, wait, [listener])
        port = listener.socket.getsockname()[1]
        async with asking(f"https://127.0.0.1:{port}/{{user}}", client_side()) as web:
            async with trio.open_nursery() as questions:
                questions.start_soon(web.ask, "moshez", NOBODY)
                await greeted.wait()
                questions.cancel_scope.cancel()
            await ended.wait()
        nursery.cancel_scope.cancel()


# Anything at all


LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 302 Found\r\n",
        b"HTTP/1.1 404 Not Found\r\n",
        b"Location: /\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Content-Length: 0\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Type:\r\n",
        b"Content-Encoding:\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
        b"X: \xff\r\n y\r\n",
        b"\r\n",
        b"5\r\nHappy\r\n",
        b"0\r\n\r\n",
        b"Happy",
        b"\x1b[2J\xe2\x80\xae\n",
    ]
)
RESPONSES = st.binary(max_size=200) | st.lists(LINES | st.binary(max_size=9), max_size=12).map(
    b"".join
)


async def what_is_said(web: Web) -> str:
    """Ask; return the status, or the reason why there is none."""
    try:
        found = await web.ask("moshez", NOBODY)
    except SourceError as error:
        return str(error)
    return found.text if found is not None else ""


@given(RESPONSES, RESPONSES)
async def test_t10_anything(first: bytes, second: bytes) -> None:
    """T10: whatever comes, from the beginning or after a good answer, it is an answer or none."""
    close = partial(send_and_close, data=second)
    async with asking_site(partial(send_and_close, data=first), ok(b"Well") + first, close) as (
        web,
        _,
    ):
        for _ in range(4):
            said = await what_is_said(web)
            assert "moshez" not in said
            assert not said or parse_status(said) == said
