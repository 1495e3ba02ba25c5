"""What is wrong with a configuration although each key by itself is right."""

from collections.abc import Iterator, Mapping

from trio_finger.config._sections import Config
from trio_finger.config._tls import TlsError, read_certificate
from trio_finger.protocol.address import Address, Listen

_DOORS = ("finger", "setter", "web", "metrics")


def find_contradictions(
    config: Config, document: Mapping[str, object]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield faults of *config* as ``(path of the key, words)``.

    Args:
      config: the sections that have no fault of their own.
      document: all sections, as TOML gave them.
    """
    taken: dict[Listen, str] = {}
    for door in _DOORS:
        section = getattr(config, door)
        if section is None:
            continue
        if not section.listen and not section.tls_listen:
            yield (
                (door, "listen"),
                "name at least one address, or leave the section out to turn it off",
            )
        if section.tls_listen and "tls" not in document:
            yield (door, "tls_listen"), "needs a section [tls] with a certificate and its key"
        for address in set(section.listen) & set(section.tls_listen):
            # Port 0, too, is a free port, but one: it cannot be plain and TLS at once.
            if isinstance(address, Address) and address.port == 0:
                yield (door, "tls_listen"), f"{address} is in listen, too; name a port for one"
        for key in ("listen", "tls_listen"):
            for address in getattr(section, key):
                if address in taken and not (isinstance(address, Address) and address.port == 0):
                    yield (door, key), f"{address} is already taken by {taken[address]}"
                taken[address] = f"[{door}]"
    yield from _open_setter(config)
    if config.tls is not None:
        try:
            read_certificate(config.tls.certificate, config.tls.key)
        except TlsError as error:
            yield ("tls", error.key), str(error)


def _open_setter(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    if config.setter is None or config.setter.open:
        return
    for key in ("listen", "tls_listen"):
        for address in getattr(config.setter, key):
            if not address.is_loopback:
                yield (
                    ("setter", key),
                    f"anyone who reaches {address} could set anyone's status; "
                    "listen on 127.0.0.1, or say open = true if that is meant",
                )
