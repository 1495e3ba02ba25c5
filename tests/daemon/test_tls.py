"""The doors of a running daemon over TLS: answers, peers, new certificates, and hostile ones."""

import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import trio
import trustme

from tests.daemon.certificates import (
    CONFIG_TLS,
    GOOD,
    NEXT,
    TLS,
    der,
    install,
    install_leaf,
)
from tests.net.tls import NAME, TlsClient, certificate, client_side, connect_tls
from tests.peers import require_peer
from tests.running import CONFIG, DAEMON, PATIENCE, TRIO_FINGER, USERS, Running, run_daemon
from trio_finger.config import read_certificate

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]

# As the shipped certificate and key stand in CONFIG_TLS.
KEY_LINE = CONFIG_TLS.splitlines().index('key = "key.pem"') + 1
CERTIFICATE_LINE = KEY_LINE - 1


@asynccontextmanager
async def run_tls(
    folder: Path, leaf: trustme.LeafCert = GOOD, config: str = CONFIG_TLS, users: str = USERS
) -> AsyncIterator[Running]:
    """Run a daemon that shows *leaf*, for a while at most."""
    install_leaf(folder, leaf)
    with trio.fail_after(2 * PATIENCE):
        async with run_daemon(folder, config=config, users=users) as daemon:
            yield daemon


async def connect(
    daemon: Running, door: str, stack: AsyncExitStack, version: ssl.TLSVersion = VERSIONS[-1]
) -> TlsClient:
    """Return a client of a door, with the handshake done."""
    return await stack.enter_async_context(await connect_tls(daemon.port(f"{door}_tls"), version))


async def everything(client: trio.abc.ReceiveStream) -> bytes:
    """Read to the end, which has to be said over TLS."""
    return b"".join([chunk async for chunk in client])


async def exchange(
    daemon: Running, door: str, data: bytes, version: ssl.TLSVersion = VERSIONS[-1]
) -> bytes:
    """Send *data* to a door, and over TLS the end; return all that comes back before its end."""
    async with await connect_tls(daemon.port(f"{door}_tls"), version) as client:
        await client.send_all(data)
        await client.send_eof()
        return await everything(client)


async def receive_until(client: trio.abc.ReceiveStream, end: bytes) -> None:
    """Read to *end*."""
    got = b""
    while not got.endswith(end):
        more = await client.receive_some()
        assert more, got
        got += more


async def begin_call(client: TlsClient) -> bytes:
    """Send one half of an HTTP request, and return the other."""
    body = b"<methodCall><methodName>getUsers</methodName></methodCall>"
    head = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    await client.send_all(head + body[:10])
    return body[10:]


async def is_answered(client: TlsClient) -> None:
    """Check that there is a whole answer to such a request, and then the end."""
    await receive_until(client, b"</methodResponse>\n")
    with suppress(trio.BrokenResourceError):  # HTTP says itself what is whole
        assert await everything(client) == b""


async def shown(daemon: Running, door: str) -> bytes:
    """Return the certificate that a door shows to a new client."""
    stream = await trio.open_tcp_stream("127.0.0.1", daemon.port(f"{door}_tls"))
    async with trio.SSLStream(stream, client_side(), server_hostname=NAME) as client:
        await client.do_handshake()
        found = client.getpeercert(binary_form=True)
        assert isinstance(found, bytes)
        return found


async def hang_up(daemon: Running) -> None:
    """Send SIGHUP and wait until it has been gone by, one way or the other."""

    def count() -> int:
        return sum(record["event"] == "users file read" for record in daemon.log)

    before = count()
    daemon.process.send_signal(signal.SIGHUP)
    # The file is read again in any case, and after the configuration.
    await daemon.logged("users file read", before + 1)


async def run(
    *command: str, typed: bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
) -> CompletedProcess[bytes]:
    """Run a command to its end."""
    with trio.fail_after(PATIENCE):
        return await trio.run_process(
            list(command),
            stdin=typed,
            env=env,
            cwd=cwd,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )


def events(daemon: Running) -> set[str]:
    return {record["event"] for record in daemon.log}


# What is right


@pytest.mark.parametrize("version", VERSIONS)
async def test_finger(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Answers arrive whole, short or long, and their end is said over TLS."""
    users = "".join(f"user{number}: Busy with {number}\n" for number in range(20_000))
    async with run_tls(tmp_path, users=f"moshez: Happy and well\n{users}") as daemon:
        answer = b"Happy and well\r\n"
        async with AsyncExitStack() as stack:
            client = await connect(daemon, "finger", stack, version)
            await client.send_all(b"moshez\r\n")
            assert await everything(client) == answer
        assert await exchange(daemon, "finger", b"moshez\r\n", version) == answer
        table = await exchange(daemon, "finger", b"\r\n", version)
        assert table.count(b"\r\n") == 20_002
        assert table.endswith(b"\r\n")


@pytest.mark.parametrize("version", VERSIONS)
async def test_setter(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A line of JSON is a whole request; lines are when the client says over TLS that they are."""
    async with run_tls(tmp_path) as daemon, AsyncExitStack() as stack:
        assert await exchange(daemon, "setter", b"moshez\nBy lines\n", version) == b"ok\r\n"
        assert await exchange(daemon, "finger", b"moshez\r\n") == b"By lines\r\n"
        client = await connect(daemon, "setter", stack, version)
        await client.send_all(b'{"name": "moshez", "status": "By JSON"}\n')
        assert await everything(client) == b"ok\r\n"
        assert await exchange(daemon, "finger", b"moshez\r\n") == b"By JSON\r\n"


@pytest.mark.parametrize("version", VERSIONS)
async def test_setter_obeys_no_request_that_was_cut(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """Lines whose connection ends below TLS set nothing: anybody in between can do that."""
    async with run_tls(tmp_path) as daemon, AsyncExitStack() as stack:
        client = await connect(daemon, "setter", stack, version)
        await client.send_all(b"moshez\nHappy and")
        await client.stream.send_eof()
        with pytest.raises(trio.BrokenResourceError):
            await everything(client)
        assert await exchange(daemon, "finger", b"moshez\r\n") == b"Happy and well\r\n"


async def test_openssl(tmp_path: Path) -> None:
    """OpenSSL's own client is content with the certificates, the answers and their ends."""
    openssl = require_peer("openssl")
    async with run_tls(tmp_path) as daemon:
        for door, typed, answer in (
            ("setter", b'{"name": "moshez", "status": "By hand"}\n', b"ok\r\n"),
            ("finger", b"moshez\r\n", b"By hand\r\n"),
        ):
            done = await run(
                *(openssl, "s_client", "-quiet", "-verify_return_error"),
                *("-CAfile", str(tmp_path / "ca.pem"), "-verify_hostname", NAME),
                *("-connect", f"127.0.0.1:{daemon.port(f'{door}_tls')}"),
                typed=typed,
            )
            assert (done.returncode, done.stdout) == (0, answer), done.stderr


async def test_curl(tmp_path: Path) -> None:
    """A page over HTTPS, and a status set there with a token."""
    curl = require_peer("curl")
    async with run_tls(tmp_path) as daemon:
        url = f"https://localhost:{daemon.port('web_tls')}"
        ask = (curl, "-sS", "--cacert", str(tmp_path / "ca.pem"))
        page = await run(*ask, "-H", "Accept: text/html", f"{url}/moshez")
        assert b"<h1>moshez</h1><p>Happy and well</p>" in page.stdout, page.stderr

        token = await run(*DAEMON, "token", "create", "moshez", cwd=tmp_path)
        bearer = f"Authorization: Bearer {token.stdout.decode().strip()}"
        put = (*ask, "-X", "PUT", "--data-binary", "From curl", "-H", "Content-Type: text/plain")
        refused = await run(*put, f"{url}/~moshez/status")
        assert refused.stdout.startswith(b"error: "), refused.stderr
        done = await run(*put, "-H", bearer, f"{url}/~moshez/status")
        assert done.stdout == b"ok\r\n", done.stderr
        assert (await run(*ask, f"{url}/~moshez/online")).stdout == b"From curl\n"


async def test_nothing_older_than_tls_1_2(tmp_path: Path) -> None:
    """TLS 1.1 is refused, by a client that would take it; 1.2 and 1.3 are not."""
    openssl = require_peer("openssl")
    async with run_tls(tmp_path) as daemon:
        for door in ("finger", "web"):
            command = (
                *(openssl, "s_client", "-ign_eof", "-cipher", "ALL:@SECLEVEL=0"),
                *("-connect", f"127.0.0.1:{daemon.port(f'{door}_tls')}"),
            )
            typed = b"GET /~moshez/online HTTP/1.0\r\n\r\n" if door == "web" else b"moshez\r\n"
            for version in ("-tls1_2", "-tls1_3"):
                done = await run(*command, version, typed=typed)
                assert b"Happy and well" in done.stdout, done.stderr
            done = await run(*command, "-tls1_1", typed=typed)
            assert done.returncode == 1
            assert b"Happy and well" not in done.stdout
        for count in (1, 2):
            assert (await daemon.logged("no TLS", count))["reason"] == "unsupported protocol"


# Our own client (T22)


async def query(daemon: Running, host: str = "localhost") -> CompletedProcess[bytes]:
    """Ask with ``trio-finger query --tls``, trusting the authority of `GOOD`."""
    return await run(
        *(*TRIO_FINGER, "query", "--tls", f"moshez@{host}:{daemon.port('finger_tls')}"),
        env=os.environ | {"SSL_CERT_FILE": str(daemon.folder / "ca.pem")},
    )


async def test_query(tmp_path: Path) -> None:
    """With the certificate of the authority in SSL_CERT_FILE it is a client like another."""
    async with run_tls(tmp_path) as daemon:
        for host in ("localhost", "127.0.0.1"):
            done = await query(daemon, host)
            assert (done.returncode, done.stdout) == (0, b"Happy and well\n"), done.stderr


def self_signed(folder: Path) -> None:
    nobody = trustme.CA()
    install(folder, nobody.cert_pem.bytes(), nobody.private_key_pem.bytes())


def of_a_stranger(folder: Path) -> None:
    leaf = trustme.CA().issue_cert("localhost")
    install(folder, leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes())


def expired(folder: Path) -> None:
    install_leaf(folder, certificate("localhost", days=-1))


def for_another(folder: Path) -> None:
    install_leaf(folder, certificate("other.example"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (self_signed, "signed by nobody but itself"),
        (of_a_stranger, "nobody whom this machine trusts has signed"),
        (expired, "has expired"),
        (for_another, "is for another name than localhost"),
    ],
)
async def test_query_refuses(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    """T22: a server that is not known to be the right one is told nothing, and it is said why."""
    install_leaf(tmp_path, GOOD)  # for the authority's
    make(tmp_path)
    async with run_daemon(tmp_path, config=CONFIG_TLS) as daemon:
        done = await query(daemon)
        assert (done.returncode, done.stdout) == (1, b"")
        [line] = done.stderr.decode().splitlines()
        assert words in line
        await daemon.logged("connection lost")
    assert "query" not in events(daemon)  # every one that comes is a record


# New certificates


async def test_new_certificate(tmp_path: Path) -> None:
    """Upon SIGHUP new clients see it, and those of before get their answers."""
    async with run_tls(tmp_path) as daemon, AsyncExitStack() as stack:
        finger = await connect(daemon, "finger", stack)
        await finger.send_all(b"mosh")
        setter = await connect(daemon, "setter", stack)
        await setter.send_all(b"shawn\nBu")
        browser = await connect(daemon, "web", stack)
        request = b"GET /~moshez/online HTTP/1.1\r\nHost: x\r\n\r\n"
        await browser.send_all(request)
        await receive_until(browser, b"Happy and well\n")
        rest = await begin_call(browser)
        for door in ("finger", "setter", "web"):
            assert await shown(daemon, door) == der(GOOD)

        install_leaf(tmp_path, NEXT)
        assert await shown(daemon, "finger") == der(GOOD)  # nobody has been told yet
        await hang_up(daemon)
        for door in ("finger", "setter", "web"):
            assert await shown(daemon, door) == der(NEXT)

        await finger.send_all(b"ez\r\n")
        assert await everything(finger) == b"Happy and well\r\n"
        await browser.send_all(rest)
        await is_answered(browser)
        await setter.send_all(b"sy\n")
        await setter.send_eof()
        assert await everything(setter) == b"ok\r\n"
        assert await exchange(daemon, "finger", b"shawn\r\n") == b"Busy\r\n"


def other_key(folder: Path) -> None:
    (folder / "key.pem").write_bytes(NEXT.private_key_pem.bytes())


def broken_key(folder: Path) -> None:
    (folder / "key.pem").write_bytes(GOOD.private_key_pem.bytes()[:100])


def no_key(folder: Path) -> None:
    (folder / "key.pem").unlink()


def no_certificate(folder: Path) -> None:
    (folder / "cert.pem").write_bytes(b"")


BROKEN = pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_key, f"config.toml:{KEY_LINE}: tls.key: key.pem is not the key of cert.pem"),
        (broken_key, f"config.toml:{KEY_LINE}: tls.key: key.pem holds no private key"),
        (no_key, f"config.toml:{KEY_LINE}: tls.key: cannot read key.pem: No such file"),
        (no_certificate, f"config.toml:{CERTIFICATE_LINE}: tls.certificate: cert.pem holds no"),
    ],
)


@BROKEN
async def test_wrong_certificate_at_reload(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    """It is an error in the log; the one of before is shown until there is a right one."""
    async with run_tls(tmp_path) as daemon:
        spoil(tmp_path)
        await hang_up(daemon)
        record = await daemon.logged("configuration not taken over")
        assert record["level"] == "error"
        assert words in record["reason"]
        for door in ("finger", "setter", "web"):
            assert await shown(daemon, door) == der(GOOD)
        assert await exchange(daemon, "finger", b"moshez\r\n") == b"Happy and well\r\n"

        install_leaf(tmp_path, NEXT)
        await hang_up(daemon)
        assert await shown(daemon, "finger") == der(NEXT)


@BROKEN
async def test_wrong_certificate_at_start(
    tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    """It is a fault of the configuration like another, for the daemon and for ``check``."""
    install_leaf(tmp_path, GOOD)
    (tmp_path / "config.toml").write_text(CONFIG_TLS)
    (tmp_path / "users").write_text("moshez: Happy and well\n")
    assert (await run(*DAEMON, "check", cwd=tmp_path)).returncode == 0
    spoil(tmp_path)
    for command in (DAEMON, (*DAEMON, "check")):
        done = await run(*command, cwd=tmp_path)
        assert done.returncode == 1
        [line] = done.stderr.decode().splitlines()
        assert words in line


def test_change_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is replaced at that very moment is found to be new the next time."""

    def replace(purpose: ssl.Purpose) -> ssl.SSLContext:
        install_leaf(tmp_path, NEXT)
        return make_context(purpose)

    make_context = ssl.create_default_context
    install_leaf(tmp_path, GOOD)
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    monkeypatch.setattr(ssl, "create_default_context", replace)
    served = read_certificate(*files)
    assert served != read_certificate(*files)


async def test_only_doors_with_the_certificate_are_replaced(tmp_path: Path) -> None:
    """An idle connection is closed where there is a new server; where nothing changed it goes on.

    That shows which servers a new certificate replaces: those that show it. Without one it
    is none.
    """
    secret = 'listen = ["127.0.0.1:0"]', 'listen = []\ntls_listen = ["127.0.0.1:0"]'
    config = CONFIG.replace(*secret, 1) + TLS  # finger is the first
    request = b"GET /~moshez/online HTTP/1.1\r\nHost: x\r\n\r\n"
    async with run_tls(tmp_path, config=config) as daemon, AsyncExitStack() as stack:
        plain = await trio.open_tcp_stream("127.0.0.1", daemon.port("web"))
        await stack.enter_async_context(plain)
        for leaf in (GOOD, NEXT, NEXT):
            install_leaf(tmp_path, leaf)
            await hang_up(daemon)
            assert await shown(daemon, "finger") == der(leaf)
            await plain.send_all(request)
            await receive_until(plain, b"\r\n\r\nHappy and well\n")

    async with run_tls(tmp_path) as daemon, AsyncExitStack() as stack:
        browser = await connect(daemon, "web", stack)
        await browser.send_all(request)
        await receive_until(browser, b"\r\n\r\nHappy and well\n")
        await hang_up(daemon)
        await browser.send_all(request)
        await receive_until(browser, b"\r\n\r\nHappy and well\n")
        install_leaf(tmp_path, NEXT)
        await hang_up(daemon)
        with suppress(trio.BrokenResourceError):
            assert await everything(browser) == b""


# Strangers


async def test_clients_that_never_shake_hands(tmp_path: Path) -> None:
    """T23: hundreds of them delay nobody, and are gone when the daemon stops."""
    config = CONFIG_TLS.replace('"5s"', '"2s"')
    async with AsyncExitStack() as stack, run_tls(tmp_path, config=config) as daemon:
        silent = []
        for number in range(200):
            for door in ("finger", "setter", "web"):
                port = daemon.port(f"{door}_tls")
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                silent.append(await stack.enter_async_context(stream))
                if number % 2:
                    await stream.send_all(b"\x16\x03\x01\x02\x00\x01")
        with trio.fail_after(3):
            assert await exchange(daemon, "finger", b"moshez\r\n") == b"Happy and well\r\n"
            assert await exchange(daemon, "setter", b"moshez\nBusy\n") == b"ok\r\n"
            page = await exchange(daemon, "web", b"GET /~moshez/online HTTP/1.0\r\n\r\n")
            assert page.endswith(b"\r\n\r\nBusy\n")
        started = trio.current_time()
        assert await daemon.stop() == 0
        assert trio.current_time() - started < 2
        for stream in silent:
            with suppress(trio.BrokenResourceError):  # a reset, for what was not read
                assert await everything(stream) == b""


async def test_plain_text(tmp_path: Path) -> None:
    """What should have gone to a plain door is not obeyed, and harms nobody."""
    requests = {
        "finger": b"moshez\r\n",
        "setter": b"moshez\nIn the open\n",
        "web": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    }
    async with run_tls(tmp_path) as daemon:
        for door in requests:
            for data in requests.values():
                answer = b""
                with suppress(trio.BrokenResourceError):
                    answer = await daemon.exchange(f"{door}_tls", data)
                assert b"moshez" not in answer
                assert b"Happy" not in answer
                assert b"ok" not in answer
        assert await exchange(daemon, "finger", b"moshez\r\n") == b"Happy and well\r\n"
        refused = await daemon.logged("no TLS", len(requests))
    assert refused["level"] == "info"
    assert not events(daemon) & {"stray", "fault in a connection"}


# Stopping


async def test_query_under_way_is_answered(tmp_path: Path) -> None:
    """What was half said before SIGTERM is answered whole, with the end that TLS wants."""
    async with run_tls(tmp_path) as daemon, AsyncExitStack() as stack:
        finger = await connect(daemon, "finger", stack)
        await finger.send_all(b"mosh")
        setter = await connect(daemon, "setter", stack)
        await setter.send_all(b"shawn\nBu")
        browser = await connect(daemon, "web", stack)
        rest = await begin_call(browser)
        # Each door has taken those when it has served one that came later.
        await exchange(daemon, "finger", b"\r\n")
        await exchange(daemon, "setter", b"moshez\nWaiting\n")
        await exchange(daemon, "web", b"GET / HTTP/1.0\r\n\r\n")

        daemon.process.terminate()
        await daemon.logged("stopping")
        await finger.send_all(b"ez\r\n")
        await setter.send_all(b"sy\n")
        await setter.send_eof()
        await browser.send_all(rest)
        assert await everything(finger) == b"Waiting\r\n"
        assert await everything(setter) == b"ok\r\n"
        await is_answered(browser)
        assert await daemon.process.wait() == 0


async def test_stubborn_clients_do_not_outlast_the_grace(tmp_path: Path) -> None:
    """In the middle of a handshake, of a request or of an answer, or idle: it stops in time."""
    grace = 3
    config = CONFIG_TLS.replace('"5s"', f'"{grace}s"')
    async with run_tls(tmp_path, config=config) as daemon, AsyncExitStack() as stack:
        for door, request in (
            ("finger", b"\r\n" * 8),
            ("setter", b"moshez\n"),
            ("web", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ):
            port = daemon.port(f"{door}_tls")
            begun = await trio.open_tcp_stream("127.0.0.1", port)
            await stack.enter_async_context(begun)
            await begun.send_all(b"\x16\x03\x01\x02\x00\x01")
            await connect(daemon, door, stack)
            asking = await connect(daemon, door, stack)
            await asking.send_all(request[:5])
            deaf = await connect(daemon, door, stack)
            with trio.move_on_after(0.5):  # by then it is stuck in sending to us
                await deaf.send_all(request * 10_000)
        idle = await connect(daemon, "web", stack)
        await idle.send_all(b"GET /~moshez/online HTTP/1.1\r\nHost: x\r\n\r\n")
        await receive_until(idle, b"Happy and well\n")

        started = trio.current_time()
        assert await daemon.stop() == 0
        assert trio.current_time() - started < grace
