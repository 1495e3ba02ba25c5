"""The metrics of a running daemon: all doors count, and no stranger's words become labels."""

import signal
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote
from xmlrpc.client import Fault

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port
from tests.protocol.test_proxy import version_2
from tests.running import CONFIG, PATIENCE, Running, run_daemon

METRICS = """
[metrics]
listen = ["127.0.0.1:0"]
"""
WITH_METRICS = (
    CONFIG.replace('level = "debug"', 'level = "info"\naccess = true').replace(
        '[finger]\nlisten = ["127.0.0.1:0"]',
        '[finger]\nlisten = ["127.0.0.1:0"]\ntrusted_proxies = ["127.0.0.2"]',
    )
    + METRICS
)

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(daemon: Running) -> Series:
    """Return every time series of ours, with its number."""
    request = b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"
    head, _, body = (await daemon.exchange("metrics", request)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name.startswith("trio_finger_")
    }


def one(series: Series, name: str, **labels: str) -> float:
    return series.get((f"trio_finger_{name}", tuple(sorted(labels.items()))), 0)


async def proxied(daemon: Running, data: bytes) -> bytes:
    """Ask as the proxy that is trusted."""
    client = trio.socket.socket()
    await client.bind(("127.0.0.2", 0))
    await client.connect(("127.0.0.1", daemon.port("finger")))
    async with trio.SocketStream(client) as stream:
        await stream.send_all(data)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


async def use(daemon: Running, name: Callable[[], str]) -> None:
    """Use every door in every way once, always with other texts."""
    text = name()
    await daemon.finger(f"{text}\r\n".encode())
    await daemon.finger(f"/W {text}".encode())
    await daemon.finger(f"{text}@{name()}\r\n".encode())
    await daemon.finger(b"\r\n")
    await daemon.finger(b"moshez\r\n")
    await daemon.finger(b"/W moshez\r\n")
    await daemon.finger(f"{name()} ".encode() * 11 + b"\r\n")
    await daemon.finger(b"x" * 2000)
    await daemon.finger(b"PROXY TCP4 " + text.encode())
    await proxied(daemon, version_2() + f"{text}\r\n".encode())
    await proxied(daemon, f"PROXY {name()}\r\n".encode())
    await daemon.set("moshez", name())
    await daemon.set(name() * 99, name())
    for method in ("GET", "POST", name()):
        for path in (f"/{quote(text)}", f"/~{quote(text)}/online", "/", f"/{text * 99}"):
            head = f"{method} {path} HTTP/1.0\r\nHost: {name()}\r\nUser-Agent: {name()}\r\n\r\n"
            await daemon.exchange("web", head.encode())
            await daemon.exchange("metrics", head.encode())
    assert await daemon.call("getUser", text) == "No such user"
    with pytest.raises(Fault):
        await daemon.call(name())


async def test_every_door_counts(tmp_path: Path) -> None:
    """What is done at each door is counted there, and all that is told is valid."""
    async with run_daemon(tmp_path, config=WITH_METRICS) as daemon:
        before = await scrape(daemon)
        assert one(before, "users") == 2
        for door in ("finger", "setter", "web", "irc"):
            assert one(before, "connections_total", door=door) == 0

        for query in (
            b"moshez\r\n",
            b"moshez",
            b"/W moshez\r\n",
            b"nobody\r\n",
            b"\r\n",
            b"@h\r\n",
        ):
            await daemon.finger(query)
        await daemon.finger(b"PROXY UNKNOWN\r\nmoshez\r\n")
        assert await daemon.set("new", "Here") == b"ok\r\n"
        assert (await daemon.set("", "")).startswith(b"error")
        for path in ("/moshez", "/nobody"):
            await daemon.exchange("web", f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        await daemon.exchange("metrics", b"GET / HTTP/1.0\r\n\r\n")

        after = await scrape(daemon)
        kinds = {"status": 2, "long": 1, "unknown": 1, "list": 1, "forwarding denied": 1}
        for kind, count in kinds.items():
            assert one(after, "answers_total", door="finger", kind=kind) == count
        assert one(after, "connections_total", door="finger") == 7
        assert one(after, "refused_total", door="finger", reason="proxy") == 1
        assert one(after, "answers_total", door="setter", kind="ok") == 1
        assert one(after, "answers_total", door="setter", kind="error") == 1
        assert one(after, "connections_total", door="setter") == 2
        assert one(after, "answers_total", door="web", kind="2xx") == 1
        assert one(after, "answers_total", door="web", kind="4xx") == 1
        assert one(after, "connections_total", door="web") == 2
        assert one(after, "answers_total", door="metrics", kind="2xx") == 1
        assert one(after, "answers_total", door="metrics", kind="4xx") == 1
        assert one(after, "users") == 3
        assert not any(
            one(after, "faults_total", door=door) for door in ("finger", "setter", "web")
        )
        with trio.fail_after(PATIENCE):  # a connection may end a little later than its answer
            while any(one(after, "connections_open", door=d) for d in ("finger", "setter", "web")):
                after = await scrape(daemon)

        # They are told at their own door, and at no other.
        page = await daemon.exchange("web", b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert page.startswith(b"HTTP/1.1 404 ")
        assert b"trio_finger_connections" not in page


async def test_t35_no_label_is_a_strangers(tmp_path: Path) -> None:
    """T35: a thousand random names, paths, methods and proxy data add no time series."""
    random, number = Random(35), 0

    def name() -> str:
        nonlocal number
        number += 1
        return f"n{random.randbytes(4).hex()}{number}"

    async with run_daemon(tmp_path, config=WITH_METRICS) as daemon:
        for _ in range(2):
            await use(daemon, name)
            await scrape(daemon)  # which counts, too, once it is done
        before = await scrape(daemon)
        # There are few, and their labels are words of ours.
        assert len(before) < 60
        labels = {value for _, labels in before for key, value in labels if key != "version"}
        assert all(len(value) < 20 for value in labels)
        for _ in range(20):
            await use(daemon, name)
        for _ in range(300):
            await daemon.finger(f"{name()}\r\n".encode())
        assert number > 700
        after = await scrape(daemon)
        assert after.keys() - before.keys() == set()


async def test_counts_outlive_a_reload(tmp_path: Path) -> None:
    """Metrics are turned on and off by a reload, and what was counted before it stays counted."""
    plain = WITH_METRICS.replace(METRICS, "")
    async with run_daemon(tmp_path, config=plain) as daemon:
        for _ in range(3):
            await daemon.finger(b"moshez\r\n")
        with_metrics = WITH_METRICS.replace("[finger]", "[finger]\nplan = false")
        with_metrics = with_metrics.replace('[metrics]\nlisten = ["127.0.0.1:0"]', "[metrics]")
        with pytest.raises(KeyError):
            daemon.port("metrics")
        port = free_port()
        with_metrics = with_metrics.replace(
            "[metrics]", f'[metrics]\nlisten = ["127.0.0.1:{port}"]'
        )
        (tmp_path / "config.toml").write_text(with_metrics)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again")
        ready = next(record for record in daemon.log if record["event"] == "ready")
        ready["metrics"] = [f"127.0.0.1:{port}"]
        await daemon.finger(b"moshez\r\n")
        series = await scrape(daemon)
        assert one(series, "answers_total", door="finger", kind="status") == 4
        assert one(series, "connections_total", door="finger") == 4
        (tmp_path / "config.toml").write_text(plain)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again", 2)
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                except OSError:
                    break
