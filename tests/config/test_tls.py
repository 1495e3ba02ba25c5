"""A certificate and its key: used, or refused in words that say which is wrong, and how."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.net.tls import authority, certificate
from tests.peers import require_peer
from trio_finger.config._tls import TlsError, read_certificate


@pytest.fixture
def cert(tmp_path: Path) -> Path:
    path = tmp_path / "cert.pem"
    certificate().cert_chain_pems[0].write_to_path(path)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    certificate().private_key_pem.write_to_path(path)
    return path


def refused(cert: Path, key: Path) -> tuple[str, str]:
    """Return which of the two is refused, and the words."""
    with pytest.raises(TlsError) as caught:
        read_certificate(cert, key)
    return caught.value.key, str(caught.value)


def test_good(cert: Path, key: Path) -> None:
    """What is good makes a server of today's TLS, and of nothing older."""
    context = read_certificate(cert, key).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_shown_to_clients(cert: Path, key: Path) -> None:
    """A client that trusts the authority is satisfied, and told what is spoken."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority().configure_trust(context)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname="finger.example")
    server = read_certificate(cert, key).context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.version() == "TLSv1.3"
    assert client.selected_alpn_protocol() == "http/1.1"


def test_one_file(cert: Path, key: Path) -> None:
    """Both may be in one file, in either order, with remarks of any characters around them."""
    both = cert.with_name("both.pem")
    for parts in ([cert, key], [key, cert]):
        both.write_text("Jürgen's\n" + "für uns\n".join(part.read_text() for part in parts))
        read_certificate(both, both)


def test_chain(cert: Path, key: Path) -> None:
    """Certificates that lead to an authority may follow."""
    authority().cert_pem.write_to_path(cert, append=True)
    read_certificate(cert, key)


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_missing(cert: Path, key: Path, what: str) -> None:
    """A file that is missing is named, and so is the key that names it."""
    path = {"certificate": cert, "key": key}[what]
    path.unlink()
    assert refused(cert, key) == (what, f"cannot read {path}: No such file or directory")


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_folder(cert: Path, key: Path, what: str) -> None:
    """So is a folder."""
    path = {"certificate": cert, "key": key}[what]
    path.unlink()
    path.mkdir()
    assert refused(cert, key) == (what, f"cannot read {path}: Is a directory")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_unreadable(cert: Path, key: Path) -> None:
    """So is a file that the daemon may not read."""
    key.chmod(0)
    assert refused(cert, key) == ("key", f"cannot read {key}: Permission denied")


NO_PEM = [b"", b"\n", b"hello\n", bytes(1000), b"\xff\xfe", "größer\n".encode()]
NO_PEM += [b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n"]
NO_PEM += [b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
NO_PEM += [b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]


@pytest.mark.parametrize("data", NO_PEM)
def test_no_pem(cert: Path, key: Path, data: bytes) -> None:
    """What is no certificate, and what is no key, is said to be none."""
    good = key.read_bytes()
    key.write_bytes(data)
    assert refused(cert, key) == ("key", f"{key} holds no private key in PEM")
    key.write_bytes(good)
    cert.write_bytes(data)
    assert refused(cert, key) == ("certificate", f"{cert} holds no certificate in PEM")


def test_swapped(cert: Path, key: Path) -> None:
    """A key in place of a certificate is no certificate."""
    assert refused(key, cert) == ("certificate", f"{key} holds no certificate in PEM")


def test_certificate_alone(cert: Path) -> None:
    """A certificate is no key."""
    assert refused(cert, cert) == ("key", f"{cert} holds no private key in PEM")


@pytest.mark.parametrize("kind", [trustme.KeyType.ECDSA, trustme.KeyType.RSA])
def test_key_of_another(cert: Path, key: Path, kind: trustme.KeyType) -> None:
    """A good key of another certificate is refused, be it of the same kind or not."""
    other = authority().issue_cert("other.example", key_type=kind)
    other.private_key_pem.write_to_path(key)
    assert refused(cert, key) == ("key", f"{key} is not the key of {cert}")


def test_encrypted_key(cert: Path, key: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A key that wants a passphrase is refused, and nobody is asked for it."""
    openssl = require_peer("openssl")
    encrypted = key.with_name("encrypted.pem")
    subprocess.run(
        [openssl, "pkey", "-aes256", "-passout", "pass:secret", "-in", key, "-out", encrypted],
        check=True,
    )
    which, words = refused(cert, encrypted)
    assert which == "key"
    assert words.startswith(f"{encrypted} is encrypted, ")
    assert f'"openssl pkey -in {encrypted} -out NEW"' in words
    assert capfd.readouterr() == ("", "")


def test_weak_certificate(tmp_path: Path) -> None:
    """A certificate that TLS would not take is refused as one, and not for its key."""
    openssl = require_peer("openssl")
    cert, key = tmp_path / "weak.pem", tmp_path / "weak.key"
    made = [openssl, "req", "-x509", "-newkey", "rsa:512", "-nodes", "-subj", "/CN=weak"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    assert refused(cert, key) == ("certificate", f"{cert} is too weak: ee key too small")
