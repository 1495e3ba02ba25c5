"""The access log of a running daemon: one query is one record, and says no more than it should."""

import json
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.daemon.certificates import GOOD, TLS, install_leaf
from tests.net.tls import connect_tls
from tests.protocol.test_proxy import version_2
from tests.running import CONFIG, DAEMON, PATIENCE, Running, run_daemon

# Two who are nowhere but here: one hidden, one unknown.
USERS = """
[moshez]
status = "Happy and well"

[ghost]
status = "Haunting"
hidden = true
"""
V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 79\r\n"


def configure(log: str, finger: str = 'rate = "off"') -> str:
    """Return a configuration with these settings of two sections, and TLS."""
    config = CONFIG.replace('file = "users"', 'file = "users.toml"')
    config = config.replace('rate = "off"', finger).replace(
        "[finger]\n",
        '[finger]\ntrusted_proxies = ["127.0.0.2"]\ntls_listen = ["0.0.0.0:0"]\n',
    )
    return config.replace('level = "debug"\nformat = "json"', log) + TLS


async def ask(port: int, data: bytes, host: str = "127.0.0.1") -> bytes:
    """Ask from *host*, and return what comes before the end or the cut."""
    client = trio.socket.socket()
    await client.bind((host, 0))
    await client.connect(("127.0.0.1", port))
    async with trio.SocketStream(client) as stream:
        await stream.send_all(data)
        with suppress(trio.BrokenResourceError):
            return b"".join([chunk async for chunk in stream])
    return b""


# What a stranger may try to write into the log, at both ways of answering.
FORGERIES = [
    b"x\n2026-11-20T00:00:00Z info    query door=finger peer=h result=status users=root\r\n",
    b"x event=forged level=error users=root\r\n",
    b'x" users="root\r\n',
    b'{"event": "forged", "level": "error"}\r\n',
    b'","event":"forged","x":"\r\n',
    b"\x1b[2J\x1b[31mforged\x07\r\n",
    b"a\x85b\xe2\x80\xa8c\xe2\x80\xaed\r\n",
    b"a\0b\rforged\r\n",
    b"%s%n{0}{user.__class__}{{7*7}}\r\n",
    b"\\n\\x0aforged\r\n",
    b"\xff\xfe\xed\xa0\x80\r\n",
    b"x" * 1024 + b"\r\n",
    b"x" * 100_000,
    b"moshez " * 11 + b"\r\n",
    b"moshez@forged\r\n",
    b"",
]


async def test_t11_one_query_one_record(tmp_path: Path) -> None:
    """T11: whatever is asked, however, is one record at info, with what was found and who asked."""
    (tmp_path / "users.toml").write_text(USERS)
    install_leaf(tmp_path, GOOD)
    config = configure('level = "info"\naccess = true\nformat = "json"')
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        for data in FORGERIES:
            await daemon.finger(data)
        queries = [record for record in daemon.log if record["event"] == "query"]
        assert len(queries) == len(FORGERIES)
        for record in queries:
            assert record.keys() == {
                *("timestamp", "level", "event", "door", "peer", "result", "users")
            }
            assert (record["level"], record["door"]) == ("info", "finger")
            assert record["peer"] == "127.0.0.1"
            assert record["users"] == []
        before = len(queries)

        # The same from both ways of answering, over TLS, and through a proxy.
        await daemon.finger(b"MOSHEZ shawn\r\n")
        await daemon.finger(b"moshez shawn")
        async with await connect_tls(daemon.port("finger_tls")) as client:
            await client.send_all(b"moshez\r\n")
            assert b"".join([chunk async for chunk in client]) == b"Happy and well\r\n"
        for header in (V1, version_2(), version_2("::ffff:192.0.2.7", "::1")):
            assert await ask(daemon.port("finger"), header + b"/W moshez\r\n", "127.0.0.2")
        await daemon.finger(b"\r\n")
        queries = [record for record in daemon.log if record["event"] == "query"][before:]
    said = [(record["peer"], record["result"], record["users"]) for record in queries]
    assert said == [
        *[("127.0.0.1", "status", ["moshez"])] * 3,
        *[("192.0.2.7", "long", ["moshez"])] * 3,
        ("127.0.0.1", "list", []),
    ]
    assert {record["event"] for record in daemon.log} <= {
        *("starting", "users file read", "ready", "query", "stopping", "stopped")
    }


_VALUE = re.compile(r' (\w+)=("(?:[^"\\]|\\.)*"|[^ "=]*)(?= |$)')


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_t11_for_people(tmp_path: Path, level: str) -> None:
    """T11: on the console a query is one line, with the values that belong there and no others."""
    (tmp_path / "users.toml").write_text(USERS)
    install_leaf(tmp_path, GOOD)
    config = configure(f'level = "{level}"\naccess = true\nformat = "console"')
    (tmp_path / "config.toml").write_text(config)
    process = await trio.lowlevel.open_process(DAEMON, cwd=tmp_path, stderr=subprocess.PIPE)
    assert process.stderr is not None
    log = b""
    try:
        with trio.fail_after(PATIENCE):
            while b" ready " not in log:
                log += await process.stderr.receive_some()
            port = re.search(rb" finger=127.0.0.1:(\d+)", log)
            assert port is not None, log
            for data in (*FORGERIES, b"a b=c\r\n"):
                await ask(int(port[1]), data if data.endswith(b"\n") else data + b"\r\n")
            process.send_signal(signal.SIGTERM)
            async for chunk in process.stderr:
                log += chunk
            assert await process.wait() == 0
    finally:
        if process.poll() is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
    lines = log.decode().split("\n")
    assert lines.pop() == ""
    assert all(line.isprintable() for line in lines)
    queries = [line for line in lines if re.match(r"\S+Z info    query door=finger ", line)]
    assert len(queries) == len(FORGERIES) + 1
    assert sum("forged" in line for line in lines) == sum("forged" in line for line in queries)
    names = ["door", "peer", "result", "users"] + ["query"] * (level == "debug")
    for line in queries:
        assert [match[1] for match in _VALUE.finditer(line)] == names
        assert ' users="" ' in f"{line} "
        assert ("forged" not in line) or level == "debug"


async def test_t8_who_is_not_shown_is_not_logged(tmp_path: Path) -> None:
    """T8: hidden and unknown make the same record, with no name, but at the level debug."""
    (tmp_path / "users.toml").write_text(USERS)
    install_leaf(tmp_path, GOOD)
    config = configure('level = "info"\naccess = true\nformat = "json"')
    forms = ("{}\r\n", "{}", "/W {}\r\n", "{}@h\r\n", "moshez {}\r\n", "{0}" * 300, "PROXY {}\r\n")
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        records: dict[str, list[dict[str, object]]] = {}
        for name in ("ghost", "absnt"):
            before = len(daemon.log)
            for form in forms:
                await daemon.finger(form.format(name).encode())
            assert len(daemon.log) == before + len(forms)
            for record in daemon.log[before:]:
                record.pop("timestamp")
            records[name] = daemon.log[before:]
        assert records["ghost"] == records["absnt"]
        text = json.dumps(daemon.log)
        assert "ghost" not in text
        assert "absnt" not in text
        assert "Haunting" not in text


async def provoke(daemon: Running) -> None:
    """Have all that makes records about somebody happen at every door."""
    await daemon.finger(b"moshez\r\n")
    await daemon.finger(b"moshez")
    await daemon.finger(V1 + b"moshez\r\n")  # from somebody who is no proxy
    for port in (daemon.port("finger"), daemon.port("finger_tls")):
        await ask(port, b"nothing like it\r\n", "127.0.0.2")
        await ask(port, b"moshez\r\n", "127.0.0.66")  # denied
        for _ in range(3):
            await ask(port, b"moshez\r\n", "127.0.0.77")  # too many
    await ask(daemon.port("finger"), V1 + b"moshez\r\n", "127.0.0.2")
    await ask(daemon.port("finger"), version_2("2001:db8::7", "::1") + b"moshez\r\n", "127.0.0.2")
    await ask(daemon.port("finger_tls"), b"no TLS at all\r\n", "127.0.0.55")
    await daemon.set("moshez", "Here")
    await daemon.set("", "")
    await daemon.set_locally(b"moshez\nThere\n")
    token = "Authorization: Bearer wrong\r\n"
    for extra in ("", token):
        head = (
            f"PUT /~moshez/status HTTP/1.0\r\nHost: localhost\r\n{extra}Content-Length: 1\r\n\r\nx"
        )
        await daemon.exchange("web", head.encode())
    with suppress(trio.TooSlowError):
        await daemon.logged("client too slow")


@pytest.mark.parametrize("addresses", [True, False])
async def test_addresses(tmp_path: Path, addresses: bool) -> None:
    """With ``addresses = false`` no record at any door says where anybody comes from."""
    (tmp_path / "users.toml").write_text(USERS)
    install_leaf(tmp_path, GOOD)
    wanted = "true" if addresses else "false"
    config = configure(
        f'level = "debug"\naccess = true\naddresses = {wanted}\nformat = "json"',
        'rate = "2/h"\ndeny = ["127.0.0.66"]\ntimeout = "300ms"',
    ).replace(
        '[setter]\nlisten = ["127.0.0.1:0"',
        '[setter]\nlisten = ["127.0.0.1:0", "unix:run/setter.sock"',
    )
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        async with await trio.open_tcp_stream("127.0.0.1", daemon.port("finger")) as slow:
            await slow.send_all(b"mos")
            await provoke(daemon)
        for door in ("finger", "setter", "web"):
            async with await trio.open_tcp_stream("127.0.0.1", daemon.port(door)) as lost:
                await lost.send_all(b"mos")
                linger = b"\1\0\0\0\0\0\0\0"
                lost.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
    records = [record for record in daemon.log if record["event"] not in ("ready", "starting")]
    seen = {record["event"] for record in records}
    assert seen >= {
        *("query", "set", "refused", "denied", "too many from one source", "network not allowed"),
        *("not as a proxy", "no TLS", "client too slow"),
    }, json.dumps(records)
    text = json.dumps(records)
    sources = re.findall(r"127\.0\.0\.\d+|192\.0\.2\.\d+|2001:db8|::1|uid=", text)
    if addresses:
        assert set(sources) >= {"127.0.0.1", "127.0.0.66", "127.0.0.77", "192.0.2.7", "2001:db8"}
        assert "uid=" in sources
    else:
        assert sources == []


async def test_access_is_off_unless_it_is_wanted(tmp_path: Path) -> None:
    """By default queries are no records; a reload turns them on and off."""
    (tmp_path / "users.toml").write_text(USERS)
    install_leaf(tmp_path, GOOD)
    silent = configure('level = "info"\nformat = "json"')
    talking = configure('level = "info"\naccess = true\nformat = "json"')
    async with run_daemon(tmp_path, config=silent, users=None) as daemon:
        await daemon.finger(b"moshez\r\n")
        await daemon.finger(b"moshez")
        (tmp_path / "config.toml").write_text(talking)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again")
        assert "query" not in [record["event"] for record in daemon.log]
        # The server of before may still take the connections that come first.
        with trio.fail_after(PATIENCE):
            while "query" not in [record["event"] for record in daemon.log]:
                await daemon.finger(b"moshez\r\n")
        (tmp_path / "config.toml").write_text(silent)
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.logged("configuration read again", 2)
        before = [record["event"] for record in daemon.log].count("query")
        for _ in range(20):
            await daemon.finger(b"moshez\r\n")
            await daemon.finger(b"moshez")
    assert [record["event"] for record in daemon.log].count("query") < before + 20
