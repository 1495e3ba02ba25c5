"""What is wrong with a configuration although each key by itself is right."""

from pathlib import Path

import pytest

from tests.net.tls import certificate
from trio_finger.config import Config, ConfigError, load_config

NAME_ONE = "name at least one address, or leave the section out to turn it off"
NEEDS_TLS = "needs a section [tls] with a certificate and its key"

TLS = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test may put its configuration; a certificate and its key are there."""
    certificate().cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate().private_key_pem.write_to_path(tmp_path / "key.pem")
    return tmp_path / "config.toml"


def load(path: Path, text: str) -> Config:
    """Return the configuration that *text* is."""
    path.write_text(text)
    return load_config(path)


def faults(path: Path, text: str) -> list[str]:
    """Return what is wrong with *text*, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        load(path, text)
    return [str(fault).removeprefix(str(path)) for fault in caught.value.faults]


# A setter that others reach


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.org", "127.0.0.1.nip"])
def test_open_setter(path: Path, host: str) -> None:
    """A setter that others can reach must be meant, networks named or not (T28)."""
    text = f'[setter]\nlisten = ["127.0.0.1:1", "{host}:2"]\n'
    for closed in (text, text + "open = false", text + 'allow = ["192.0.2.0/24"]'):
        assert faults(path, closed) == [
            f":2: setter.listen: anyone who reaches {host}:2 could set anyone's status; "
            "listen on 127.0.0.1, or say open = true if that is meant"
        ]
    assert load(path, text + "open = true").setter is not None


def test_open_setter_over_tls(path: Path) -> None:
    """TLS says who answers, not who asks: over TLS it must be meant as well (T28)."""
    text = '[setter]\nlisten = []\ntls_listen = ["192.0.2.1:2", "[::1]:2"]\n'
    (fault,) = faults(path, text + TLS)
    assert fault.startswith(":3: setter.tls_listen: anyone who reaches 192.0.2.1:2 could set")
    assert load(path, text + "open = true\n" + TLS).setter is not None


@pytest.mark.parametrize(
    "place", ["127.0.0.1:1", "127.0.0.2:1", "[::1]:1", "localhost:1", "unix:s", "unix:/run/s"]
)
def test_closed_setter(path: Path, place: str) -> None:
    """A setter on loopback or a UNIX socket needs no more words."""
    assert load(path, f'[setter]\nlisten = ["{place}"]').setter is not None


@pytest.mark.parametrize("door", ["finger", "web"])
def test_other_doors_are_open(path: Path, door: str) -> None:
    """Where nothing can be set there is nothing to confirm."""
    load(path, f'[{door}]\nlisten = ["0.0.0.0:1"]')


# Where doors listen


@pytest.mark.parametrize("door", ["finger", "setter", "web"])
def test_nowhere(path: Path, door: str) -> None:
    """A door that listens nowhere is a fault; on TLS alone it may."""
    assert faults(path, f"\n[{door}]\nlisten = []") == [f":3: {door}.listen: {NAME_ONE}"]
    text = f'[{door}]\nlisten = []\ntls_listen = ["127.0.0.1:1"]\n'
    section = getattr(load(path, text + TLS), door)
    assert section.listen == ()
    assert list(map(str, section.tls_listen)) == ["127.0.0.1:1"]


def test_taken_address(path: Path) -> None:
    """Two services, or one twice, on one address are a fault, named where the second is."""
    text = '[web]\nlisten = ["h:1"]\n[finger]\nlisten = ["h:1", "h:2", "h:2"]\n'
    assert faults(path, text) == [
        ":2: web.listen: h:1 is already taken by [finger]",
        ":4: finger.listen: h:2 is already taken by [finger]",
    ]


def test_taken_over_tls(path: Path) -> None:
    """One address is not for both TLS and what is not TLS."""
    text = '[finger]\nlisten = ["h:1"]\ntls_listen = ["h:2", "h:1"]\n'
    text += '[web]\nlisten = ["h:2"]\n'
    assert faults(path, text + TLS) == [
        ":3: finger.tls_listen: h:1 is already taken by [finger]",
        ":5: web.listen: h:2 is already taken by [finger]",
    ]


def test_taken_path(path: Path) -> None:
    """Two spellings of one path are one, and the default counts like what is written."""
    control = path.parent / "run" / "setter.sock"
    text = f'[setter]\n[finger]\nlisten = ["unix:run/a", "unix:run//a", "unix:{control}"]\n'
    folder = path.parent
    assert faults(path, text) == [
        f":1: setter.listen: unix:{control} is already taken by [finger]",
        f":3: finger.listen: unix:{folder}/run/a is already taken by [finger]",
    ]


def test_free_ports(path: Path) -> None:
    """Port 0 is another port each time, so it can be named as often as one likes."""
    text = "".join(
        f'[{door}]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]\ntls_listen = ["127.0.0.2:0"]\n'
        for door in ("finger", "setter", "web")
    )
    load(path, text + TLS)


def test_one_free_port_for_both(path: Path) -> None:
    """One and the same port cannot be plain and TLS, free or not."""
    text = '[web]\nlisten = ["127.0.0.1:0"]\ntls_listen = ["127.0.0.1:0"]\n'
    [fault] = faults(path, text + TLS)
    assert fault.startswith(":3: web.tls_listen: 127.0.0.1:0 is in listen, too;")


# Certificates


@pytest.mark.parametrize("door", ["finger", "setter", "web"])
def test_tls_without_certificate(path: Path, door: str) -> None:
    """To listen over TLS takes a section that says with which certificate."""
    text = f'[{door}]\nlisten = ["127.0.0.1:1"]\n\ntls_listen = ["127.0.0.1:2"]\n'
    assert faults(path, text) == [f":4: {door}.tls_listen: {NEEDS_TLS}"]


def test_section_that_is_wrong_is_there(path: Path) -> None:
    """Where [tls] has a fault of its own, nobody is told to write one."""
    text = '[finger]\ntls_listen = ["127.0.0.1:2"]\n[tls]\nkey = "key.pem"\n'
    assert faults(path, text) == [':3: tls: the key "certificate" is missing']


def test_no_file(path: Path) -> None:
    """What is not there is named, by the key that names it."""
    for key, line in (("cert", 2), ("key", 3)):
        name = {"cert": "certificate", "key": "key"}[key]
        text = TLS.replace(f"{key}.pem", "none.pem")
        assert faults(path, text) == [
            f":{line}: tls.{name}: cannot read {path.parent / 'none.pem'}: "
            "No such file or directory"
        ]


def test_key_of_another(path: Path) -> None:
    """A key that belongs to another certificate is a fault of the key."""
    certificate("other.example").private_key_pem.write_to_path(path.parent / "key.pem")
    folder = path.parent
    assert faults(path, "\n" + TLS) == [
        f":4: tls.key: {folder / 'key.pem'} is not the key of {folder / 'cert.pem'}"
    ]


def test_what_is_no_certificate(path: Path) -> None:
    """Files that hold something else are faults where they are named, one at a time."""
    (path.parent / "cert.pem").write_text("no certificate")
    (path.parent / "key.pem").write_text("no key")
    (fault,) = faults(path, TLS)
    assert fault.startswith(":2: tls.certificate: ")
    certificate().cert_chain_pems[0].write_to_path(path.parent / "cert.pem")
    (fault,) = faults(path, TLS)
    assert fault.startswith(":3: tls.key: ")


# Faults together


def test_every_contradiction_is_named(path: Path) -> None:
    """One reading finds them all, beside the faults of other sections."""
    text = """\
[finger]
listen = []
[setter]
listen = ["192.0.2.1:1"]
tls_listen = ["192.0.2.1:1"]
[web]
listen = 1
[tls]
certificate = "none.pem"
key = "key.pem"
"""
    found = faults(path, text)
    assert [fault.split(" ")[1] for fault in found] == [
        "finger.listen:",
        "setter.listen:",
        *("setter.tls_listen:", "setter.tls_listen:"),
        "web.listen:",
        "tls.certificate:",
    ]


def test_what_is_right_is_kept(path: Path) -> None:
    """Sections that contradict others can still be read by whoever needs one of them."""
    path.write_text('[setter]\nlisten = ["unix:/run/s"]\n[tls]\ncertificate = "a"\nkey = "b"\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.rest.setter is not None
    assert str(caught.value.rest.setter.control) == "unix:/run/s"
