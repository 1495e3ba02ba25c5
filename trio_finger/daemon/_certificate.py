"""The certificate of the TLS doors, and whether it is still the same."""

import ssl
from dataclasses import dataclass, field

from trio_finger.config import Tls, TlsError, server_context
from trio_finger.net import ListenError


@dataclass(frozen=True, slots=True)
class Certificate:
    """What TLS is served with; two are equal if their files have the same content.

    Attributes:
      certificate: the content of its file.
      key: the content of the file of the key.
      context: for the servers.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    context: ssl.SSLContext = field(compare=False)


def read_certificate(config: Tls) -> Certificate:
    """Read the certificate and the key that *config* names.

    Raises:
      ListenError: they cannot be used.
    """
    try:
        # What is read first can at worst be older than what is served, never newer: a change
        # in between is found the next time.
        certificate, key = config.certificate.read_bytes(), config.key.read_bytes()
        return Certificate(certificate, key, server_context(config.certificate, config.key))
    except (TlsError, OSError) as error:
        raise ListenError(f"cannot use TLS: {error}") from error
