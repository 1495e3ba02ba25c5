"""A certificate and its key, read for a server, with words for whatever is wrong with them."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn

# What OpenSSL calls a key that is fine, but of another certificate.
_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")
# And a certificate that it reads, and thinks too little of.
_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "EE_MD_TOO_WEAK")


class TlsError(ValueError):
    """A certificate or a key that cannot be used; ``str()`` of it says why, and what would help.

    Attributes:
      key: which of the two is at fault, by its key in the configuration.
    """

    def __init__(self, key: Literal["certificate", "key"], words: str) -> None:
        super().__init__(words)
        self.key = key


class _EncryptedError(Exception):
    """The key wants a passphrase."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What TLS is served with; two are equal if their files have the same content.

    Attributes:
      certificate: the content of its file.
      key: the content of the file of the key.
      context: for servers; they speak TLS 1.2 or newer.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    context: ssl.SSLContext = field(compare=False)


def read_certificate(certificate: Path, key: Path) -> Certificate:
    """Return what a server needs to speak TLS.

    Nothing here asks at the terminal: a key that wants a passphrase is refused.

    Args:
      certificate: a file with the certificate in PEM, and behind it those that lead to an
        authority, if there are any.
      key: a file with its private key in PEM; may be the same file.

    Raises:
      TlsError: one of them cannot be read or used.
    """
    # OpenSSL reads them again, by itself. What is read first can at worst be older than what
    # is served, never newer: a change in between is found the next time.
    contents = _read(certificate, "certificate"), _read(key, "key")
    _check_certificate(contents[0], certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # work that a client could ask for again and again
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedError:
        raise TlsError(
            "key",
            f"{key} is encrypted, and there is nobody to ask for its passphrase; decrypt it, "
            f'such as by "openssl pkey -in {key} -out NEW", and let only the daemon read it',
        ) from None
    except ssl.SSLError as error:
        if error.reason in _MISMATCH:
            raise TlsError("key", f"{key} is not the key of {certificate}") from None
        if error.reason in _WEAK:
            why = error.reason.replace("_", " ").lower()
            raise TlsError("certificate", f"{certificate} is too weak: {why}") from None
        raise TlsError("key", f"{key} holds no private key in PEM") from None
    except OSError as error:
        raise TlsError("key", f"cannot read {key}: {error.strerror}") from None
    return Certificate(*contents, context)


def _check_certificate(content: bytes, path: Path) -> None:
    """Find out whether there is a certificate, apart from whether it fits the key."""
    text = content.decode("ascii", "ignore")  # there may be comments
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        raise TlsError("certificate", f"{path} holds no certificate in PEM") from None


def _read(path: Path, key: Literal["certificate", "key"]) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(key, f"cannot read {path}: {error.strerror}") from None


def _no_password() -> NoReturn:
    raise _EncryptedError
