"""The metrics door: what Prometheus reads, and what it costs to be nosy."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import h11
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text
from structlog.testing import capture_logs
from trio.testing import MockClock, memory_stream_pair

from tests.net.server import events, everything, until
from tests.net.tls import connect_tls, server_side
from trio_finger import __version__
from trio_finger.config import Metrics
from trio_finger.counts import DOORS, Counts
from trio_finger.net import Secured
from trio_finger.services.metrics import _serve as serving_module
from trio_finger.services.metrics import serve_metrics
from trio_finger.sources import Directory
from trio_finger.store import MemoryStore
from trio_finger.usermap import UserMap

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


class Door:
    """A metrics door that is up.

    Attributes:
      doors: everybody's counts.
      port: where it is.
      tls_port: where it is over TLS.
    """

    def __init__(self) -> None:
        self.doors = {door: Counts() for door in DOORS}
        self.port = self.tls_port = 0

    @property
    def counts(self) -> Counts:
        return self.doors["metrics"]

    async def exchange(self, request: bytes) -> tuple[h11.Response, bytes]:
        """Send *request*, and return the answer, which has to be HTTP."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as client:
            with suppress(trio.BrokenResourceError):
                await client.send_all(request)
            return parse(await everything(client), request.startswith(b"HEAD"))

    async def get(self, path: str = "/metrics", **headers: str) -> tuple[h11.Response, bytes]:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return await self.exchange(f"GET {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n".encode())

    async def scrape(self) -> "dict[str, Metric]":
        """Return what is told, by name."""
        response, body = await self.get()
        assert response.status_code == 200
        return {family.name: family for family in parse_text(body.decode())}


def parse(answer: bytes, is_head: bool = False) -> tuple[h11.Response, bytes]:
    """Return the head and the body of *answer*, which must be one whole answer and no more."""
    connection = h11.Connection(h11.CLIENT)
    method = "HEAD" if is_head else "GET"
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(answer)
    connection.receive_data(b"")
    response = connection.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert isinstance(connection.next_event(), h11.ConnectionClosed)
    return response, body


def header(response: h11.Response, name: str) -> str:
    """Return the one header of that *name*."""
    (value,) = [value for key, value in response.headers if key == name.encode()]
    return value.decode()


@asynccontextmanager
async def serving() -> AsyncIterator[Door]:
    """Serve metrics for the length of an ``async with``."""
    plain, secret = (
        *await trio.open_tcp_listeners(0, host="127.0.0.1"),
        *await trio.open_tcp_listeners(0, host="127.0.0.1"),
    )
    door, stop = Door(), trio.Event()
    door.port, door.tls_port = (each.socket.getsockname()[1] for each in (plain, secret))
    listeners: list[trio.SocketListener | Secured] = [plain, Secured(secret, server_side())]
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            users = UserMap(MemoryStore())
            run = partial(serve_metrics, Metrics(), Directory(users), listeners, stop=stop)
            nursery.start_soon(partial(run, counts=door.counts, doors=door.doors))
            yield door
            stop.set()
    assert door.counts.open == 0


def samples(families: "Iterable[Metric]") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every time series in *families*, with its number."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_numbers() -> None:
    """What the doors have counted is what is told, with the door and the kind as labels."""
    async with serving() as door:
        finger = door.doors["finger"]
        finger.accepted, finger.open, finger.faults = 7, 2, 1
        finger.refused.update({"rate": 5, "slow": 1})
        finger.answered.update({"status": 4, "list": 1})
        told = samples((await door.scrape()).values())
        expected = {
            ("trio_finger_connections_total", (("door", "finger"),)): 7,
            ("trio_finger_connections_open", (("door", "finger"),)): 2,
            ("trio_finger_faults_total", (("door", "finger"),)): 1,
            ("trio_finger_refused_total", (("door", "finger"), ("reason", "rate"))): 5,
            ("trio_finger_refused_total", (("door", "finger"), ("reason", "slow"))): 1,
            ("trio_finger_answers_total", (("door", "finger"), ("kind", "status"))): 4,
            ("trio_finger_answers_total", (("door", "finger"), ("kind", "list"))): 1,
            ("trio_finger_connections_total", (("door", "irc"),)): 0,
            ("trio_finger_connections_open", (("door", "metrics"),)): 1,  # this one
            ("trio_finger_users", ()): 0,
        }
        assert expected.items() <= told.items()
        (info,) = [labels for name, labels in told if name == "trio_finger_info"]
        assert dict(info)["version"] == __version__
        assert any(name == "process_resident_memory_bytes" for name, _ in told)


async def test_every_door_is_there() -> None:
    """All doors have their numbers, also those that are off, and that have done nothing."""
    async with serving() as door:
        families = await door.scrape()
        for name in ("trio_finger_connections", "trio_finger_connections_open"):
            assert {sample.labels["door"] for sample in families[name].samples} == set(DOORS)
        assert {family.type for name, family in families.items() if "open" in name} >= {"gauge"}
        assert families["trio_finger_answers"].type == "counter"


async def test_refusals_begin_with_zero() -> None:
    """Every refusal that there can be is a series from the beginning, at every door that lets
    people in: of one that began with 1 nobody would see an increase."""
    async with serving() as door:
        before = samples([(await door.scrape())["trio_finger_refused"]])
        assert set(before.values()) == {0}
        found = {(dict(labels)["door"], dict(labels)["reason"]) for _, labels in before}
        assert found == {
            (name, reason)
            for name in ("finger", "setter", "web", "metrics")
            for reason in (
                *("connections", "rate", "network", "proxy", "descriptors", "tls", "slow"),
            )
        }
        door.doors["web"].refused["slow"] += 1
        after = samples([(await door.scrape())["trio_finger_refused"]])
        assert after.keys() == before.keys()
        assert {key for key, number in after.items() if number != before[key]} == {
            ("trio_finger_refused_total", (("door", "web"), ("reason", "slow")))
        }


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/plain", "text/html", "x" * 500, ";;,,==", OPENMETRICS, PROMETHEUS]
)
async def test_text(accept: str) -> None:
    """Whatever somebody accepts, they get the text format, which everybody reads."""
    async with serving() as door:
        response, body = await door.get(**({"Accept": accept} if accept else {}))
        assert response.status_code == 200
        assert header(response, "content-type").startswith("text/plain; version=")
        assert header(response, "content-length") == str(len(body))
        assert list(parse_text(body.decode()))


async def test_head() -> None:
    """HEAD says what GET would, and how long that is, without saying it."""
    async with serving() as door:
        response, body = await door.exchange(b"HEAD /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (response.status_code, body) == (200, b"")
        assert int(header(response, "content-length")) > 1000


@pytest.mark.parametrize(
    ("request_line", "code"),
    [
        (b"GET /metrics HTTP/1.1", 200),
        (b"GET /metrics HTTP/1.0", 200),
        (b"GET /metrics?x=1 HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /metrics/ HTTP/1.1", 404),
        (b"GET /metricsx HTTP/1.1", 404),
        (b"GET /../metrics HTTP/1.1", 404),
        (b"GET /%6detrics HTTP/1.1", 404),
        (b"GET * HTTP/1.1", 404),
        (b"POST /metrics HTTP/1.1", 405),
        (b"DELETE / HTTP/1.1", 405),
        (b"get /metrics HTTP/1.1", 405),
        (b"GET /metrics", 400),
        (b"GET /metrics HTTP/1.1 x", 400),
        (b"GET  /metrics HTTP/1.1", 400),
        (b"GET /met\0rics HTTP/1.1", 400),
        (b"moshez", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"\xff" * 100, 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1", 431),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000, 431),
        (b"GET /metrics HTTP/1.1\r\nHost: other", 400),  # twice, then
        (b"GET /metrics HTTP/1.1\r\nX", 400),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: x", 400),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 5", 200),
        (b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked", 200),
    ],
)
async def test_any_request(request_line: bytes, code: int) -> None:
    """What is asked otherwise is answered in words, closed, counted by hundreds, and no fault."""
    with capture_logs() as log:
        async with serving() as door:
            response, body = await door.exchange(request_line + b"\r\nHost: h\r\n\r\n")
            assert response.status_code == code
            assert header(response, "connection") == "close"
            assert header(response, "content-length") == str(len(body))
            assert ("allow" in dict(response.headers).__repr__().lower()) == (code == 405)
            assert door.counts.answered == {f"{code // 100}xx": 1}
            assert (await door.get())[0].status_code == 200
    assert log == []


async def test_end_of_input() -> None:
    """A client that says nothing, or ends in the middle, is let go; one that half-closes is not."""
    with capture_logs() as log:
        async with serving() as door:
            for data, code in (
                (b"", None),
                (b"GET /met", 400),
                (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
            ):
                async with await trio.open_tcp_stream("127.0.0.1", door.port) as client:
                    await client.send_all(data)
                    await client.send_eof()
                    answer = await everything(client)
                    assert (parse(answer)[0].status_code if answer else None) == code
    assert log == []


@given(head=st.binary(max_size=200))
async def test_any_head(head: bytes) -> None:
    """Whatever headers a client sends, the answer is the metrics or that this is no HTTP."""
    counts = {door: Counts() for door in DOORS}
    server, client = memory_stream_pair()
    with capture_logs():
        await client.send_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\nAccept: " + head)
        await client.send_all(b"\r\n\r\n")
        await client.send_eof()
        await serve_one(server, counts)
    response, body = parse(bytes(await client.receive_some()))
    if response.status_code == 200:
        assert list(parse_text(body.decode()))
    else:
        assert response.status_code == 400


async def serve_one(stream: trio.abc.HalfCloseableStream, doors: dict[str, Counts]) -> None:
    """Serve one connection as `serve_metrics` does, but for what contains its faults."""
    handlers: list[Any] = []

    async def take(handler: Any, *_: object, **__: object) -> None:
        handlers.append(handler)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving_module, "serve_connections", take)
        await serve_metrics(
            Metrics(),
            Directory(UserMap(MemoryStore())),
            [],
            stop=trio.Event(),
            counts=doors["metrics"],
            doors=doors,
        )
    await handlers[0](stream)


async def test_t23_slow_client(autojump_clock: MockClock) -> None:
    """T23: a request has ten seconds in all, however it trickles."""
    for data in (b"", b"G" * 1000):
        server, client = memory_stream_pair()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def trickle(client: trio.abc.SendStream = client, data: bytes = data) -> None:
                for byte in data:
                    await client.send_all(b"%c" % byte)
                    await trio.sleep(1)

            nursery.start_soon(trickle)
            with pytest.raises(trio.TooSlowError):
                await serve_one(server, {door: Counts() for door in DOORS})
            assert trio.current_time() - began == pytest.approx(10)
            nursery.cancel_scope.cancel()


async def test_t25_flood() -> None:
    """T25: no more than so many are served at once, and when they are gone the next is."""
    with capture_logs() as log:
        async with serving() as door:
            clients = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(80)]
            await until(lambda: door.counts.refused["connections"] == 16)
            assert door.counts.open == 64
            for client in clients:
                client.close()
            await until(lambda: door.counts.open == 0)
            assert (await door.get())[0].status_code == 200
    assert set(events(log)) == {("warning", "too many connections")}
    assert len(log) == 2


async def test_over_tls() -> None:
    """It is served over TLS as well, with the end of the answer said."""
    async with serving() as door:
        client = await connect_tls(door.tls_port)
        await client.send_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        response, body = parse(await everything(client))
        await client.aclose()
        assert response.status_code == 200
        assert list(parse_text(body.decode()))


async def test_t35_labels_are_words_of_ours() -> None:
    """T35: nothing that a client of this door sends becomes a time series."""
    async with serving() as door:
        for path in ("/metrics", "/x", "\x16"):
            await door.get(path)
        await door.exchange(b"POST /metrics HTTP/1.1\r\nHost: h\r\n\r\n")
        before = set(samples((await door.scrape()).values()))
        for number in range(200):
            await door.get(f"/name{number}", **{"User-Agent": f"agent{number}", "Accept": "x"})
            await door.exchange(b"METHOD%d /metrics HTTP/1.1\r\nHost: h\r\n\r\n" % number)
        assert set(samples((await door.scrape()).values())) == before
