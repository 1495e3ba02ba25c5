"""Crowds, floods and dawdlers at the finger door of a running daemon: the next is served."""

import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from os import sysconf
from pathlib import Path

import pytest
import trio

from tests.daemon.certificates import GOOD, TLS, install_leaf
from tests.net.tls import TlsClient, client_side, connect_tls
from tests.protocol.test_proxy import version_2, version_2_of
from tests.running import CONFIG, PATIENCE, Running, run_daemon

MOSHEZ = b"Happy and well\r\n"
TOO_MANY = b"Too many queries from your address; try again later\r\n"
NOT_SERVED = b"Your address is not served here\r\n"
PROXY = "127.0.0.2"
V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\r\n"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many connections of our own as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("too few descriptors for a crowd")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def running(
    folder: Path, finger: str, *, log: str = "", wrapper: Sequence[str] = ()
) -> AsyncIterator[Running]:
    """Run a daemon with *finger* in its section, and with TLS, at the level info."""
    install_leaf(folder, GOOD)
    config = CONFIG.replace(
        '[finger]\nlisten = ["127.0.0.1:0"]\nrate = "off"',
        f'[finger]\nlisten = ["127.0.0.1:0"]\ntls_listen = ["0.0.0.0:0"]\n{finger}',
    )
    config = config.replace('level = "debug"', f'level = "info"\n{log}') + TLS
    with trio.fail_after(2 * PATIENCE):
        async with run_daemon(folder, config=config, wrapper=wrapper) as daemon:
            yield daemon


async def connect(port: int, host: str = "127.0.0.1") -> trio.SocketStream:
    """Connect from *host*, which on Linux may be any of 127.0.0.0/8."""
    client = trio.socket.socket()
    try:
        await client.bind((host, 0))
        await client.connect(("127.0.0.1", port))
    except BaseException:
        client.close()
        raise
    return trio.SocketStream(client)


async def everything(client: trio.abc.ReceiveStream) -> bytes:
    return b"".join([chunk async for chunk in client])


async def ask(daemon: Running, *chunks: bytes, host: str = "127.0.0.1") -> bytes:
    """Ask from *host*, in as many pieces, and return the answer; it may be cut."""
    async with await connect(daemon.port("finger"), host) as client:
        got = b""
        with suppress(trio.BrokenResourceError):
            for chunk in chunks:
                await client.send_all(chunk)
            while chunk := await client.receive_some():
                got += chunk
        return got


async def ask_tls(daemon: Running, *chunks: bytes, host: str, header: bytes = b"") -> bytes:
    """The same over TLS, with a PROXY header before it."""
    async with TlsClient(await connect(daemon.port("finger_tls"), host), client_side()) as client:
        if header:
            await client.stream.send_all(header)
        await client.handshake()
        for chunk in chunks:
            await client.send_all(chunk)
        return await everything(client)


def logged(daemon: Running, event: str) -> int:
    """Return how many records of *event* there are."""
    return [record["event"] for record in daemon.log].count(event)


def cpu_seconds(daemon: Running) -> float:
    """Return the time that the daemon has computed."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(sysconf("SC_CLK_TCK"))


# T23: those who take their time


async def test_t23_a_thousand_dawdlers(tmp_path: Path, descriptors: None) -> None:
    """T23: a thousand who send a byte now and then, and who never shake hands, delay nobody."""
    async with running(tmp_path, 'rate = "off"') as daemon, AsyncExitStack() as stack:
        dawdlers = []
        for number in range(1000):
            port = daemon.port("finger" if number % 2 else "finger_tls")
            dawdlers.append(await stack.enter_async_context(await connect(port)))
            if number % 4 < 3:  # the others say nothing at all
                await dawdlers[-1].send_all(b"m" if number % 2 else b"\x16\x03\x01\x02\x00\x01")
        async with trio.open_nursery() as nursery:

            async def dawdle() -> None:
                while True:
                    for client in dawdlers[1::4]:
                        await client.send_all(b"o")
                        await trio.sleep(0.001)

            nursery.start_soon(dawdle)
            with trio.fail_after(2):
                for _ in range(20):
                    assert await ask(daemon, b"moshez\r\n") == MOSHEZ
                assert await ask(daemon, b"mos", b"hez\r\n") == MOSHEZ
                assert await ask_tls(daemon, b"moshez\r\n", host="127.0.0.1") == MOSHEZ
            nursery.cancel_scope.cancel()
        await stack.aclose()
        assert await ask(daemon, b"moshez\r\n") == MOSHEZ


async def trickle(client: trio.abc.Stream) -> float:
    """Send a byte now and then until the other side has enough; return how long that took."""
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await client.send_all(b"x")
                    await trio.sleep(0.02)

        nursery.start_soon(send)
        with suppress(trio.BrokenResourceError):
            assert await client.receive_some() == b""
        nursery.cancel_scope.cancel()
    return trio.current_time() - began


async def test_t23_deadline_from_accept_on(tmp_path: Path) -> None:
    """T23: whoever trickles is cut when the time is over, whatever they send, and wherever.

    There is one time for all: for a proxy's header, for TLS, and for the query.
    """
    finger = 'rate = "off"\ntimeout = "400ms"\ntrusted_proxies = ["127.0.0.2"]'
    took: list[float] = []

    async def measure(client: trio.abc.Stream) -> None:
        took.append(await trickle(client))
        await client.aclose()

    async with running(tmp_path, finger) as daemon:
        proxied = await connect(daemon.port("finger"), PROXY)
        await proxied.send_all(V1)
        before_header = await connect(daemon.port("finger"), PROXY)
        await before_header.send_all(b"PROXY UNKNOWN ")
        before_handshake = await connect(daemon.port("finger_tls"))
        await before_handshake.send_all(b"\x16\x03\x01\x02\x00\x01")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(measure, proxied)
            nursery.start_soon(measure, before_header)
            nursery.start_soon(measure, before_handshake)
            nursery.start_soon(measure, await connect(daemon.port("finger")))
            nursery.start_soon(measure, await connect_tls(daemon.port("finger_tls")))
            with trio.fail_after(PATIENCE):
                # Meanwhile, as ever:
                assert await ask(daemon, b"moshez\r\n") == MOSHEZ
        await daemon.logged("client too slow")
        await daemon.logged("no TLS")
        assert await ask(daemon, b"moshez\r\n") == MOSHEZ
        assert await ask_tls(daemon, b"moshez\r\n", host="127.0.0.1") == MOSHEZ
    assert len(took) == 5
    assert all(0.2 < seconds < 5 for seconds in took)


# T25: those who are many


async def test_t25_more_than_there_is_room_for(tmp_path: Path, descriptors: None) -> None:
    """T25: a flood beyond the limit is refused, which is said now and then; and then it is over."""
    async with running(tmp_path, 'rate = "off"\nmax_connections = 50') as daemon:
        async with AsyncExitStack() as stack:
            held = []
            for number in range(50):
                client = await stack.enter_async_context(await connect(daemon.port("finger")))
                await client.send_all(b"mos" if number % 2 else b"moshez")
                held.append(client)
            for number in range(450):
                assert await ask(daemon, b"mos") == b"", number
            # What is answered on the spot takes up no room.
            assert await ask(daemon, b"moshez\r\n") == MOSHEZ
            with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
                await ask_tls(daemon, b"moshez\r\n", host="127.0.0.1")
            # Those inside are still served.
            await held[0].send_all(b"\r\n")
            assert await everything(held[0]) == MOSHEZ
        with trio.fail_after(PATIENCE):
            while await ask(daemon, b"mos", b"hez\r\n") != MOSHEZ:
                pass
        assert await ask_tls(daemon, b"moshez\r\n", host="127.0.0.1") == MOSHEZ
        assert logged(daemon, "too many connections") <= 2
    said = [record for record in daemon.log if record["event"] == "too many connections"]
    assert len(said) <= 3
    assert sum(record.get("times", 1) for record in said) >= 451
    assert said[0]["limit"] == 50


async def test_t25_no_descriptor_left(tmp_path: Path) -> None:
    """T25: without descriptors it neither spins nor fills the log, and recovers by itself."""
    few = ("sh", "-c", 'ulimit -n 64 && exec "$@"', "sh")
    async with running(tmp_path, 'rate = "off"', wrapper=few) as daemon:
        async with AsyncExitStack() as stack:
            for _ in range(100):
                client = await stack.enter_async_context(await connect(daemon.port("finger")))
                await client.send_all(b"mos")
            await daemon.logged("cannot accept")
            before = cpu_seconds(daemon)
            await trio.sleep(1)  # a loop would use all of it
            assert cpu_seconds(daemon) - before < 0.3
            assert logged(daemon, "cannot accept") == 1
            assert len(daemon.log) < 10
        assert await ask(daemon, b"moshez\r\n") == MOSHEZ
        assert await ask(daemon, b"mos", b"hez\r\n") == MOSHEZ
    (first, *sums) = [record for record in daemon.log if record["event"] == "cannot accept"]
    assert (first["level"], first["reason"]) == ("error", "Too many open files")
    assert len(sums) == 1  # at the stop
    assert 5 <= sums[0]["times"] <= 100


# T26 and T27: whose connections these are


async def test_t26_rates_and_networks(tmp_path: Path) -> None:
    """T26, T27: each source is limited and refused by itself, and told so; also behind a proxy."""
    finger = (
        'rate = "5/h"\ndeny = ["127.0.0.9", "192.0.2.9"]\ntrusted_proxies = ["127.0.0.2"]\n'
        'allow = ["127.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"]'
    )
    async with running(tmp_path, finger, log="access = true") as daemon:
        answers = [await ask(daemon, b"moshez\r\n") for _ in range(7)]
        assert answers == [MOSHEZ] * 5 + [TOO_MANY] * 2
        # The ordinary way is one of the same limit, and so is TLS, where nothing can be said.
        assert await ask(daemon, b"mos", b"hez\r\n") == TOO_MANY
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            await ask_tls(daemon, b"moshez\r\n", host="127.0.0.1")
        # Others are not concerned.
        assert await ask(daemon, b"moshez\r\n", host="127.0.0.3") == MOSHEZ
        assert await ask_tls(daemon, b"moshez\r\n", host="127.0.0.4") == MOSHEZ
        assert await ask(daemon, b"moshez\r\n", host="127.0.0.9") == NOT_SERVED

        # Through the proxy each client is itself, whichever version says so, and where.
        for header in (V1, version_2(), V1, version_2("::ffff:192.0.2.7", "::1")):
            assert await ask(daemon, header, b"moshez\r\n", host=PROXY) == MOSHEZ
        assert await ask_tls(daemon, b"moshez\r\n", host=PROXY, header=V1) == MOSHEZ
        for header in (V1, version_2()):
            assert await ask(daemon, header + b"moshez\r\n", host=PROXY) == TOO_MANY
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            await ask_tls(daemon, b"moshez\r\n", host=PROXY, header=V1)
        for number in range(1, 8):  # one network of IPv6 is one source
            header = version_2(f"2001:db8::{number:x}:1", "::1")
            answer = await ask(daemon, header + b"moshez\r\n", host=PROXY)
            assert answer == (MOSHEZ if number <= 5 else TOO_MANY)
        other = version_2("2001:db8:0:1::1", "::1")
        assert await ask(daemon, other + b"moshez\r\n", host=PROXY) == MOSHEZ
        denied = version_2("192.0.2.9") + b"moshez\r\n"
        assert await ask(daemon, denied, host=PROXY) == NOT_SERVED
        assert await ask(daemon, version_2("203.0.113.1"), b"x\r\n", host=PROXY) == NOT_SERVED
        # For itself it is itself.
        local = version_2_of(b"", command=0x20, family=0)
        assert await ask(daemon, local + b"moshez\r\n", host=PROXY) == MOSHEZ
    peers = Counter(record["peer"] for record in daemon.log if record["event"] == "query")
    assert peers == {
        "127.0.0.1": 5,
        "127.0.0.3": 1,
        "127.0.0.4": 1,
        "192.0.2.7": 5,
        **{f"2001:db8::{number:x}:1": 1 for number in range(1, 6)},
        "2001:db8:0:1::1": 1,
        PROXY: 1,
    }


async def test_t27_who_is_believed(tmp_path: Path) -> None:
    """T27: a proxy without a right header, and anybody else with one, is closed unanswered."""
    finger = 'rate = "off"\ntrusted_proxies = ["127.0.0.2"]'
    async with running(tmp_path, finger, log="access = true") as daemon:
        query = b"moshez\r\n"
        for data in (
            query,
            V1.replace(b"TCP4", b"TCP5") + query,
            V1.replace(b"192.0.2.7", b"::1") + query,
            V1.replace(b"\r\n", b"\n") + query,
            b"PROXY TCP4 " + b"1" * 200 + query,
            version_2(command=0x31) + query,
            version_2(more=bytes(3000)) + query,
            b"\r\n\r\n\x00\r\nQUIT\n" + b"\xff" * 100,
        ):
            assert await ask(daemon, data, host=PROXY) == b""
        for header in (V1, version_2(), V1.replace(b"TCP4", b"TCP6"), b"PROXY UNKNOWN\r\n"):
            assert await ask(daemon, header + query) == b""
        assert logged(daemon, "query") == 0
        # Byte by byte, each in a packet of its own if it gets that far.
        for header in (V1, version_2("2001:db8::7", "::1")):
            async with await connect(daemon.port("finger"), PROXY) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in header + query:
                    await client.send_all(b"%c" % byte)
                assert await everything(client) == MOSHEZ
        assert await ask(daemon, query) == MOSHEZ
    said = [record for record in daemon.log if record["event"] == "not as a proxy"]
    assert sum(record.get("times", 1) for record in said) == 12
    assert [r["peer"] for r in daemon.log if r["event"] == "query"] == [
        "192.0.2.7",
        "2001:db8::7",
        "127.0.0.1",
    ]


async def test_t27_header_of_a_stranger_in_pieces(tmp_path: Path) -> None:
    """T27: a header of version 2 from anybody else, which begins with the end of a line, is not
    believed when it comes in pieces either: it is a query of the one who sends it."""
    header = version_2()
    finger = 'rate = "off"\ntrusted_proxies = ["127.0.0.2"]'
    async with running(tmp_path, finger, log="access = true") as daemon:
        async with await connect(daemon.port("finger")) as client:
            await client.send_all(header[:1])
            answer = await client.receive_some()
            assert b"moshez" in answer
            with suppress(trio.BrokenResourceError):
                await client.send_all(header[1:] + b"shawn\r\n")
                answer += await everything(client)
            assert b"Alive" in answer  # in the list, and no second answer
            assert answer.count(b"Login") == 1
        assert await ask(daemon, b"moshez\r\n") == MOSHEZ
    queries = [(r["peer"], r["result"]) for r in daemon.log if r["event"] == "query"]
    assert queries == [("127.0.0.1", "list"), ("127.0.0.1", "status")]
    assert logged(daemon, "not as a proxy") == 0


# T34: those who say too much


def talk(port: int, size: int, delay: float) -> bytes:
    """Ask, say *size* bytes more after *delay*, and return what is received of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        with suppress(ConnectionError):
            if delay < 0:
                client.sendall(b"moshez\r\n" + bytes(size))
            else:
                client.sendall(b"moshez\r\n")
                until = time.perf_counter() + delay
                while time.perf_counter() < until:
                    pass
                client.sendall(bytes(size))
        got = b""
        with suppress(ConnectionError):
            while chunk := client.recv(65536):
                got += chunk
        return got


async def test_t34_whoever_says_more_gets_the_answer(tmp_path: Path) -> None:
    """T34: what follows a query takes no answer away, whenever it comes, 50 runs of 50."""
    lost: dict[tuple[int, float], int] = {}

    def talk_often(port: int) -> None:
        for size in (10, 1000, 1_000_000):
            for delay in (-1, 0, 20e-6, 40e-6, 80e-6, 200e-6):
                missed = sum(talk(port, size, delay) != MOSHEZ for _ in range(50))
                lost[size, delay] = missed

    async with running(tmp_path, 'rate = "off"') as daemon:
        await trio.to_thread.run_sync(talk_often, daemon.port("finger"))
    assert not any(lost.values()), lost
