"""Certificates in files, as the daemon and its clients read them."""

import ssl
from pathlib import Path

import trustme

from tests.net.tls import NAME, authority, certificate
from tests.running import CONFIG

# Each of these is good for every name of ours; the second is what the first is replaced by.
GOOD = certificate(NAME, "localhost", "127.0.0.1")
NEXT = certificate(NAME, "localhost", "127.0.0.1", "next.example")

TLS = """
[tls]
certificate = "cert.pem"
key = "key.pem"
"""

# Every door over TLS, and only so.
CONFIG_TLS = CONFIG.replace("listen =", "listen = []\ntls_listen =") + TLS


def install(folder: Path, chain: bytes, key: bytes) -> None:
    """Have the configuration in *folder* find *chain* and *key* from now on."""
    for name, content in (("cert.pem", chain), ("key.pem", key)):
        (folder / f"{name}.new").write_bytes(content)
        (folder / f"{name}.new").rename(folder / name)


def install_leaf(folder: Path, leaf: trustme.LeafCert) -> None:
    """Do the same with what trustme has issued; clients find the authority in ``ca.pem``."""
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    install(folder, chain, leaf.private_key_pem.bytes())
    authority().cert_pem.write_to_path(folder / "ca.pem")


def der(leaf: trustme.LeafCert) -> bytes:
    """Return the certificate itself, as it is on the wire."""
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
