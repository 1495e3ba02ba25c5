"""``trio-finger query --tls``: asks the right server, or nobody."""

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.client.servers import query, serving_plainly, serving_tls
from tests.net.tls import authority, certificate, server_side
from trio_finger.client._finger import MAX_ANSWER


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The certificate of the authority that signs for our servers."""
    path = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(path)
    return path


def of_its_own() -> ssl.SSLContext:
    """Return a server's context whose certificate signs itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with (
        authority().cert_pem.tempfile() as own,
        authority().private_key_pem.tempfile() as key,
    ):
        context.load_cert_chain(own, key)
    return context


def with_its_authority() -> ssl.SSLContext:
    """Return a server's context that shows its authority, too, as if that proved something."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    leaf = certificate("127.0.0.1")
    with (
        leaf.cert_chain_pems[0].tempfile() as chain,
        leaf.private_key_pem.tempfile() as key,
    ):
        authority().cert_pem.write_to_path(chain, append=True)
        context.load_cert_chain(chain, key)
    return context


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls(trusted: Path, host: str) -> None:
    """--tls asks over TLS, by name or by address, if the server can show that it is that."""
    async with serving_tls(server_side("127.0.0.1", "localhost")) as server:
        result = await query("--tls", f"moshez@{host}:{server.port}", trusting=trusted)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Happy and well\n", "")
    assert server.queries == [b"moshez\r\n"]


OWN_AUTHORITY = (
    "to trust an authority of your own, name the file of its certificate in SSL_CERT_FILE"
)
NOBODY = f"nobody whom this machine trusts has signed the server's certificate; {OWN_AUTHORITY}"


@pytest.mark.parametrize(
    ("context", "trust", "why"),
    [
        (partial(server_side, "127.0.0.1"), False, NOBODY),
        (with_its_authority, False, NOBODY),
        (
            of_its_own,
            False,
            f"the server's certificate is signed by nobody but itself; {OWN_AUTHORITY}",
        ),
        (
            partial(server_side, "127.0.0.1", days=-1),
            True,
            "the server's certificate has expired",
        ),
        (
            partial(server_side, "127.0.0.2"),
            True,
            "the server's certificate is for another address than 127.0.0.1",
        ),
    ],
    ids=["unknown", "unknown-shown", "self-signed", "expired", "wrong-address"],
)
async def test_tls_with_somebody_else(
    trusted: Path, context: Callable[[], ssl.SSLContext], trust: bool, why: str
) -> None:
    """T22: a server that is not surely the right one is refused, in plain words, and is told
    nothing."""
    async with serving_tls(context()) as server:
        result = await query("--tls", server.target("moshez"), trusting=trusted if trust else None)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: {why}\n"
    assert server.queries == []


@pytest.mark.parametrize("name", ["finger.example", "*.example", "localhost.example"])
async def test_tls_with_another_name(trusted: Path, name: str) -> None:
    """T22: a certificate that is good, but for another host, is refused."""
    async with serving_tls(server_side(name)) as server:
        result = await query("--tls", f"moshez@localhost:{server.port}", trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"localhost port {server.port}: "
        "the server's certificate is for another name than localhost\n"
    )
    assert server.queries == []


async def test_tls_asks_those_that_it_can(trusted: Path) -> None:
    """A server that is refused does not keep the others from being asked."""
    async with (
        serving_tls(server_side("127.0.0.1")) as good,
        serving_tls(server_side("127.0.0.1", days=-1)) as bad,
    ):
        result = await query("--tls", bad.target("a"), good.target("b"), trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, f"[127.0.0.1:{good.port}]\nHappy and well\n")
    assert "has expired" in result.stderr


async def test_tls_cut(trusted: Path) -> None:
    """An answer whose end the server did not say is not taken for one: anybody can cut."""
    async with serving_tls(server_side("127.0.0.1"), end=False) as server:
        result = await query("--tls", server.target("moshez"), trusting=trusted)
    assert (result.exit_code, result.stdout) == (1, "Happy and well\n")
    assert result.stderr == (
        f"127.0.0.1 port {server.port}: the connection broke; what came is not the whole answer\n"
    )


@pytest.mark.parametrize("answer", [b"No such user\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_tls_with_a_plain_server(answer: bytes) -> None:
    """A server that answers in plain text is said not to speak TLS."""

    async def answer_plainly(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await stream.send_eof()
        await stream.receive_some()

    async with serving_plainly(answer_plainly) as server:
        result = await query("--tls", server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"127.0.0.1 port {server.port}: the server does not speak TLS\n"


async def test_tls_with_a_server_that_hangs_up() -> None:
    """A server that just closes may not speak TLS, which is said."""

    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with serving_plainly(hang_up) as server:
        result = await query("--tls", server.target("moshez"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"127.0.0.1 port {server.port}: the connection broke before TLS was set up; "
        "perhaps the server does not speak TLS\n"
    )


async def test_tls_with_a_server_that_waits() -> None:
    """T10: a server that waits for the end of a line is not waited for, and that is said."""

    async def wait(_: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving_plainly(wait) as server:
        result = await query("--tls", "--timeout", "200ms", server.target("moshez"))
    assert result.exit_code == 1
    assert result.stderr == (
        f"127.0.0.1 port {server.port}: TLS was not set up in time; "
        "perhaps the server does not speak TLS\n"
    )


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\x00\x02\x02\x28", bytes(5000), b"\x16" * 5000])
async def test_tls_with_a_hostile_server(answer: bytes) -> None:
    """T10: whatever comes instead of a handshake is one line on standard error."""

    async def say(stream: trio.SocketStream) -> None:
        await stream.send_all(answer)

    async with serving_plainly(say) as server:
        result = await query("--tls", server.target("moshez"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"127.0.0.1 port {server.port}: ")
    assert result.stderr.count("\n") == 1
    assert result.stderr.removesuffix("\n").isprintable()


def not_there(_: Path) -> None: ...


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(ssl.PEM_cert_to_DER_cert(authority().cert_pem.bytes().decode()))


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (not_there, "No such file or directory"),
        (a_folder, "Is a directory"),
        (empty, "holds no certificate (it should be PEM text)"),
        (binary, "holds no certificate (it should be PEM text)"),
    ],
)
async def test_no_certificate_to_trust(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    """T22: it is said what is wrong with SSL_CERT_FILE, of which OpenSSL says nothing."""
    make(path := tmp_path / "authority.pem")
    async with serving_tls(server_side("127.0.0.1")) as server:
        result = await query("--tls", server.target("moshez"), trusting=path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"SSL_CERT_FILE: {path}: {why}\n"
        assert server.queries == []
    # It is of no interest where no TLS is spoken.
    async with serving_plainly(lambda stream: stream.send_all(b"Happy\r\n")) as server:
        assert (await query(server.target("moshez"), trusting=path)).stdout == "Happy\n"


async def test_no_file_of_certificates() -> None:
    """An empty SSL_CERT_FILE is as good as none."""
    async with serving_tls(server_side("127.0.0.1")) as server:
        result = await query("--tls", server.target("moshez"), SSL_CERT_FILE="")
    assert result.stderr == f"{server}: {NOBODY}\n"


async def test_t10_endless_tls(trusted: Path) -> None:
    """T10: the cap holds over TLS, and what came till then is shown."""
    answer = b"x" * (MAX_ANSWER + 1)
    async with serving_tls(server_side("127.0.0.1"), answer) as server:
        result = await query("--tls", server.target("moshez"), trusting=trusted)
    assert result.exit_code == 1
    assert len(result.stdout) == MAX_ANSWER + 1  # and the end of the line
    assert "longer than 16 MiB; what came is not the whole answer\n" in result.stderr
