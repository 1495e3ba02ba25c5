"""The configuration: any file is one, or all that is wrong with it is named, line by line."""

import tomllib
from pathlib import Path

from fuzz.properties import is_clean
from fuzz.target import Target
from trio_finger.config import Config, ConfigError, load_config
from trio_finger.protocol.address import parse_listen

_FOLDER = Path(".fuzz/config")
_FOLDER.mkdir(parents=True, exist_ok=True)


def check(data: bytes) -> None:
    """Only `ConfigError` says no, with a line for the operator for each of its faults."""
    path = _FOLDER / "config.toml"
    path.write_bytes(data)
    try:
        config = load_config(path)
    except ConfigError as error:
        assert error.faults
        lines = str(error).split("\n")
        assert lines == list(map(str, error.faults))
        assert all(is_clean(line) and "\t" not in line for line in lines)
        for fault in error.faults:
            assert fault.line is None or 1 <= fault.line <= data.count(b"\n") + 1
        _check_sound(error.rest)
    else:
        _check_sound(config)
        for section in tomllib.loads(data.decode("utf-8-sig")):
            assert getattr(config, section) is not None


def _check_sound(config: Config) -> None:
    """Values are within bounds, and addresses are the same written out."""
    assert config.daemon.grace > 0
    assert config.daemon.name.isprintable()
    assert str(config.store.url).startswith(("memory:", "sqlite:"))
    for door in (config.finger, config.setter, config.web, config.metrics):
        for place in (*door.listen, *door.tls_listen) if door is not None else ():
            assert parse_listen(str(place)) == place
    if config.finger is not None:
        assert config.finger.timeout > 0
        assert config.finger.max_connections > 0
    if config.users is not None:
        assert config.users.refresh > 0
    if config.irc is not None:
        assert parse_listen(str(config.irc.server)) == config.irc.server


TARGET = Target(
    check,
    seeds=(
        b'[daemon]\nname = "h"\ngrace = "5s"\n[users]\nfile = "u"\n[store]\nurl = "memory:"\n',
        b'[finger]\nlisten = ["127.0.0.1:7079", "unix:x"]\ntimeout = "10s"\nrate = "off"\n',
        b'[setter]\nlisten = ["0.0.0.0:1"]\nallow = ["::1/128"]\nopen = true\n[metrics]\n',
        b'[web]\ntls_listen = ["[::1]:8443"]\n[tls]\ncertificate = "c"\nkey = "k"\n',
        b'[irc]\nserver = "irc.example.org:6667"\nnick = "b"\n[log]\nlevel = "debug"\n',
        b"web = 1\n[[finger]]\n[zzz]\na.b = '''\n\n'''\n",
    ),
    tokens=(
        *(b"[daemon]", b"[users]", b"[store]", b"[finger]", b"[setter]", b"[web]", b"[tls]"),
        *(b"[irc]", b"[log]", b"[metrics]", b"\nlisten = [", b"\ntls_listen = [", b"\nallow = ["),
        *(b"\ndeny = [", b"\ntrusted_proxies = [", b"\nrate = ", b"\nformat = ", b"\nmatch = "),
        *(b"\ncharset = ", b"\nhistory = ", b"\nname = ", b"\nfile = ", b"\nrefresh = ", b"true"),
        *(b'"127.0.0.1:0"', b'"unix:', b'"sqlite:', b'"memory:"', b'"20/s"', b'"10.0.0.0/8"'),
        *(b"'''", b'"""', b"\\u0000", b"\\u202e", b"1e999", b"nan", b"1979-05-27", b"{a = 1}"),
    ),
    max_len=512,
)
