"""The configuration file: what is right is taken, and everything that is wrong is named."""

import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.net.tls import certificate
from trio_finger.config import (
    Config,
    ConfigError,
    Daemon,
    Fault,
    Finger,
    Irc,
    Log,
    Metrics,
    Setter,
    Store,
    Tls,
    Users,
    Web,
    load_config,
)
from trio_finger.config._elsewhere import SiteUrl
from trio_finger.config._types import Natural, Nick, StoreUrl
from trio_finger.protocol.address import Address, UnixAddress
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.rate import Rate

SHIPPED = Path(__file__).parents[2] / "config.toml"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a test may put its configuration."""
    return tmp_path_factory.mktemp("config") / "config.toml"


def faults(path: Path, text: str | bytes) -> list[str]:
    """Return what is wrong with *text*, without the name of the file."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    lines = str(caught.value).split("\n")
    assert lines == list(map(str, caught.value.faults))
    assert all(line.startswith(str(path)) for line in lines)
    return [line.removeprefix(str(path)) for line in lines]


def load(path: Path, text: str) -> Config:
    """Return the configuration that *text* is."""
    path.write_text(text)
    return load_config(path)


def store_in(folder: Path) -> Store:
    """Return the store that a configuration in *folder* names if it names none."""
    return Store(url=StoreUrl(f"sqlite:{folder}/trio-finger.db"))


def setter_in(folder: Path) -> Setter:
    """Return a setter that listens where it does by default in *folder*."""
    control = UnixAddress(f"{folder}/run/setter.sock")
    return Setter(listen=(Address("127.0.0.1", 7179), control))


def test_empty(path: Path) -> None:
    """An empty file is right, and turns every service off; what is set is still kept."""
    config = load(path, "")
    assert config == Config(store=store_in(path.parent))
    assert (config.users, config.finger, config.setter, config.web, config.irc) == (None,) * 5
    assert config.tls is None


def test_no_file() -> None:
    """Without any file nothing is written anywhere: there is no folder that would be right."""
    assert Config().store.url == "memory:"
    assert not any(isinstance(place, UnixAddress) for place in Setter().listen)


@pytest.mark.parametrize("text", ["", "[store]\n", "[store]\nhistory = 100\n"])
def test_default_store(path: Path, text: str) -> None:
    """What people set is kept beside the file, also where it says nothing of it."""
    assert load(path, text).store == store_in(path.parent)


@pytest.mark.parametrize("text", ["[setter]\n", "[setter]\nopen = true\n"])
def test_default_setter(path: Path, text: str) -> None:
    """There is a control socket beside the file, unless `listen` says otherwise."""
    setter = load(path, text).setter
    assert setter is not None
    assert setter.listen == setter_in(path.parent).listen
    assert setter.control == UnixAddress(f"{path.parent}/run/setter.sock")


def test_relative_to_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is relative to a file that is named by a relative path is found from here, too."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    config = load(Path("etc/config.toml"), '[setter]\n[users]\nfile = "users"\n')
    assert config.store == store_in(Path("etc"))
    assert config.setter == setter_in(Path("etc"))
    assert config.users == Users(file=Path("etc/users"))


def test_default_that_cannot_be(tmp_path: Path) -> None:
    """Where a file is too deep down for a socket beside it, that is a fault like any other."""
    folder = tmp_path / ("d" * 110)
    folder.mkdir()
    (fault,) = faults(folder / "config.toml", "\n[setter]\n")
    assert fault.startswith(
        ":2: setter: name listen, for by default the path of a UNIX socket has at most 107 bytes"
    )
    text = f'[setter]\nlisten = ["unix:{tmp_path}/s"]\n'
    assert load(folder / "config.toml", text).setter is not None


@pytest.mark.parametrize(
    ("listen", "control"),
    [
        ('["127.0.0.1:1", "unix:/a", "unix:/b"]', UnixAddress("/a")),
        ('["unix:/b", "unix:/a"]', UnixAddress("/b")),
        ('["127.0.0.1:1"]', None),
    ],
)
def test_control_socket(path: Path, listen: str, control: UnixAddress | None) -> None:
    """The first UNIX socket of the setter is where commands ask, if there is any."""
    setter = load(path, f"[setter]\nlisten = {listen}").setter
    assert setter is not None
    assert setter.control == control


def test_shipped() -> None:
    """The file that we ship shows the default of every key, and serves all but TLS and IRC."""
    config = load_config(SHIPPED)
    folder = SHIPPED.parent
    assert config == Config(
        users=Users(file=folder / "users"),
        store=store_in(folder),
        finger=Finger(),
        setter=setter_in(folder),
        web=Web(),
    )
    document = tomllib.loads(SHIPPED.read_text())
    for name, table in document.items():
        assert list(table) == list(type(getattr(config, name)).__dataclass_fields__), name


def test_shipped_comments() -> None:
    """What is commented out in the file that we ship is right as well."""
    text = SHIPPED.read_text()
    for head in ("[tls]", "certificate", "key", "[irc]", "server", "[metrics]", "listen = "):
        text = text.replace(f"\n# {head}", f"\n{head}")
    document = tomllib.loads(text)
    assert document["tls"] == {"certificate": "cert.pem", "key": "key.pem"}
    assert document["irc"] == {"server": "irc.example.org:6667"}
    assert f'# nick = "{Irc(server=Address("h", 1)).nick}"' in text
    assert document["metrics"]["listen"] == [str(place) for place in Metrics().listen]
    assert "\n# tls_listen = []\n" in text


def test_everything(path: Path) -> None:
    """Every key of every section is taken over, and paths are relative to the file."""
    certificate().private_key_and_cert_chain_pem.write_to_path(path.parent / "both.pem")
    config = load(
        path,
        """
        [daemon]
        name = "example.org"
        user = "finger"
        grace = "1m"
        [users]
        file = "people/users"
        refresh = "1h"
        create = false
        [store]
        url = "sqlite:state/finger.db"
        history = 0
        [finger]
        listen = ["0.0.0.0:79", "[::]:79"]
        tls_listen = ["[::]:1179"]
        list = false
        plan = false
        match = "names"
        charset = "ascii"
        format = "full"
        timeout = "500ms"
        max_connections = 7
        rate = "600/m"
        allow = ["192.0.2.0/24", "2001:db8::/32"]
        deny = ["192.0.2.7"]
        trusted_proxies = ["127.0.0.1", "::1"]
        [setter]
        listen = ["0.0.0.0:7179", "unix:run/s", "unix:/run/s"]
        tls_listen = ["0.0.0.0:7180"]
        open = true
        allow = ["192.0.2.0/24", "::1"]
        [web]
        listen = ["127.0.0.1:0", "127.0.0.1:0"]
        tls_listen = ["127.0.0.1:443"]
        url = "https://Status.example.org/"
        trusted_proxies = ["192.0.2.7"]
        [tls]
        certificate = "both.pem"
        key = "both.pem"
        [irc]
        server = "irc.example.org:6667"
        nick = "bot"
        [log]
        level = "debug"
        format = "json"
        access = true
        addresses = false
        [metrics]
        listen = ["127.0.0.1:9", "[::1]:9"]
        tls_listen = ["0.0.0.0:10"]
        """,
    )
    free = Address("127.0.0.1", 0)
    assert config == Config(
        daemon=Daemon(name="example.org", user="finger", grace=Duration(60)),
        users=Users(file=path.parent / "people/users", refresh=Duration(3600), create=False),
        store=Store(
            url=StoreUrl(f"sqlite:{path.parent}/state/finger.db"),
            history=Natural(0),
        ),
        finger=Finger(
            listen=(Address("0.0.0.0", 79), Address("::", 79)),
            tls_listen=(Address("::", 1179),),
            list=False,
            plan=False,
            match="names",
            charset="ascii",
            format="full",
            timeout=Duration(0.5),
            max_connections=7,
            rate=Rate(600, 60),
            allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
            deny=(ip_network("192.0.2.7/32"),),
            trusted_proxies=(ip_network("127.0.0.1/32"), ip_network("::1/128")),
        ),
        setter=Setter(
            listen=(
                Address("0.0.0.0", 7179),
                UnixAddress(f"{path.parent}/run/s"),
                UnixAddress("/run/s"),
            ),
            tls_listen=(Address("0.0.0.0", 7180),),
            open=True,
            allow=(ip_network("192.0.2.0/24"), ip_network("::1/128")),
        ),
        web=Web(
            listen=(free, free),
            tls_listen=(Address("127.0.0.1", 443),),
            url=SiteUrl("https://status.example.org"),
            trusted_proxies=(ip_network("192.0.2.7"),),
        ),
        tls=Tls(certificate=path.parent / "both.pem", key=path.parent / "both.pem"),
        irc=Irc(server=Address("irc.example.org", 6667), nick=Nick("bot")),
        log=Log(level="debug", format="json", access=True, addresses=False),
        metrics=Metrics(
            listen=(Address("127.0.0.1", 9), Address("::1", 9)),
            tls_listen=(Address("0.0.0.0", 10),),
        ),
    )


KNOWN = (
    "known are daemon, users, store, finger, setter, web, irc, tls, metrics, log, source, service"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[fingr]", ':1: fingr: unknown section; did you mean "finger"?'),
        ("[zzz]", f":1: zzz: unknown section; {KNOWN}"),
        ("[given]\na = 1", f":1: given: unknown section; {KNOWN}"),
        ("finger = 79", ":1: finger: expected a section [finger]"),
        ("[[finger]]", ":1: finger: expected a section [finger]"),
        ('[finger]\ntimeuot = "10s"', ':2: finger.timeuot: unknown key; did you mean "timeout"?'),
        (
            "[web]\nzzz = 1",
            ":2: web.zzz: unknown key; known are listen, tls_listen, url, trusted_proxies",
        ),
        ("[users]\ncreate = true", ':1: users: the key "file" is missing'),
        ("\n[irc]", ':2: irc: the key "server" is missing'),
        ('[tls]\ncertificate = "cert.pem"', ':1: tls: the key "key" is missing'),
        ("[daemon]\nuser = 0", ":2: daemon.user: expected a text in quotes, got 0"),
        (
            '[store]\nurl = "redis://h:1/0"',
            ':2: store.url: expected "sqlite:PATH" or "memory:", got "redis://h:1/0"',
        ),
        (
            "[store]\nhistory = 9223372036854775808",
            ":2: store.history: expected a whole number from 0 to 1000000, got 9223372036854775808",
        ),
        ("[finger]\nplan = 1", ":2: finger.plan: expected true or false, got 1"),
        (
            '[finger]\ntls_listen = "h:1"',
            ':2: finger.tls_listen: expected a list of texts, such as ["127.0.0.1:7079"], '
            'got "h:1"',
        ),
        (
            '[setter]\nallow = ["192.0.2.1/24"]',
            ':2: setter.allow: expected a network such as "192.0.2.0/24"; '
            "192.0.2.1/24 has host bits set",
        ),
        (
            '[setter]\nlisten = ["unix:"]',
            ":2: setter.listen: the path of a UNIX socket is missing",
        ),
        (
            "[finger]\nrate = 20",
            ':2: finger.rate: expected a rate such as "20/s", "600/m" or "off", got 20',
        ),
        (
            '[finger]\nrate = "0/s"',
            ':2: finger.rate: expected a rate such as "20/s", "600/m" or "off", got "0/s"',
        ),
        (
            '[finger]\nmatch = "regex"',
            ':2: finger.match: expected "exact" or "names", got "regex"',
        ),
        (
            '[finger]\ncharset = "latin-1"',
            ':2: finger.charset: expected "utf-8" or "ascii", got "latin-1"',
        ),
        (
            '[finger]\nformat = "json"',
            ':2: finger.format: expected "status" or "full", got "json"',
        ),
        *(
            (
                f'[finger]\n{key} = ["192.0.2.1/24"]',
                f':2: finger.{key}: expected a network such as "192.0.2.0/24"; '
                "192.0.2.1/24 has host bits set",
            )
            for key in ("allow", "deny", "trusted_proxies")
        ),
        ("[log]\naccess = 1", ":2: log.access: expected true or false, got 1"),
        ('[log]\naddresses = "no"', ':2: log.addresses: expected true or false, got "no"'),
        ("[metrics]\nzzz = 1", ":2: metrics.zzz: unknown key; known are listen, tls_listen"),
        (
            '[finger]\nlisten = [\n  "127.0.0.1",\n]',
            ':2: finger.listen: "127.0.0.1" is not "HOST:PORT" or "[IPV6]:PORT"',
        ),
        (
            '[log]\nlevel = "loud"',
            ':2: log.level: expected "debug" or "info" or "warning" or "error", got "loud"',
        ),
    ],
)
def test_fault(path: Path, text: str, expected: str) -> None:
    """A fault is named by file, line and key, with what would be right."""
    assert faults(path, text) == [expected]


def test_every_fault_is_named(path: Path) -> None:
    """One reading finds them all, in each section, and none of them hides another."""
    text = """\
[finger]
listen = "127.0.0.1:79"
timeout = 10
max_connections = 0
lst = true
[setter]
listen = ["192.0.2.1:7179"]
[users]
refresh = "soon"
[wbe]
[log]
format = "xml"
"""
    assert set(faults(path, text)) == {
        ':2: finger.listen: expected a list of texts, such as ["127.0.0.1:7079"], '
        'got "127.0.0.1:79"',
        ':3: finger.timeout: expected a duration such as "30s", "5m" or "1h", got 10',
        ":4: finger.max_connections: expected a whole number of 1 or more, got 0",
        ':5: finger.lst: unknown key; did you mean "list"?',
        ":7: setter.listen: anyone who reaches 192.0.2.1:7179 could set anyone's status; "
        "listen on 127.0.0.1, or say open = true if that is meant",
        ':8: users: the key "file" is missing',
        ':9: users.refresh: expected a duration such as "30s", "5m" or "1h", got "soon"',
        ':10: wbe: unknown section; did you mean "web"?',
        ':12: log.format: expected "console" or "json", got "xml"',
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[finger]\n\n\xe9 = 1\n", ":3: not UTF-8 text"),
        (b"\xff\xfe[\0f\0", ":1: not UTF-8 text"),
        (b"[finger]\nlisten\n", ":2: not TOML: "),
        (b"moshez: Happy and well\n", ":1: not TOML: "),
        (b"[finger]\n[finger]\n", ":2: not TOML: "),
        (b'name = "', ": not TOML: "),
        (b"\0", ":1: not TOML: "),
    ],
)
def test_no_toml(path: Path, text: bytes, expected: str) -> None:
    """What is not TOML is said to be none, with the line where it stops being any."""
    (fault,) = faults(path, text)
    assert fault.startswith(expected)


@pytest.mark.parametrize("value", ["1" * 5000, "[" * 100_000])
def test_toml_that_python_cannot_hold(path: Path, value: str) -> None:
    """What is too large or too deep for the parser is a fault like any other."""
    (fault,) = faults(path, f"x = {value}")
    assert ": not TOML: " in fault


def test_unreadable(tmp_path: Path) -> None:
    """A file that is not there, or none, is a fault without a line."""
    for path, why in (
        (tmp_path / "none.toml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path)
        assert caught.value.faults == [Fault(path, None, f"cannot be read: {why}")]
        assert str(caught.value) == f"{path}: cannot be read: {why}"


SECTIONS = ["daemon", "users", "store", "finger", "setter", "web", "irc", "tls", "log", "given"]
SECTIONS += ["metrics", "zzz"]
KEYS = ["name", "grace", "file", "create", "url", "listen", "timeout", "max_connections", "open"]
KEYS += [
    "tls_listen",
    "plan",
    "allow",
    "user",
    "history",
    "certificate",
    "key",
    "server",
    "nick",
    "level",
    "format",
    "rate",
    "deny",
    "trusted_proxies",
    "match",
    "access",
    "zzz",
    "a.b",
]
VALUES = ["true", "1", "-1", "1.5", "nan", '""', '"x"', '"30s"', '"h:1"', '["h:1"]', "[]", "[1]"]
VALUES += [
    '["unix:x"]',
    '["::1/128"]',
    '"sqlite:x"',
    '"memory:"',
    "9" * 30,
    "{}",
    "{a = 1}",
    "1979-05-27",
    "07:32:00",
    '"json"',
    '"20/s"',
    '"off"',
    "'''\n\n'''",
    r'"\u0000"',
]
SCRAPS = ["[", "]", "finger", "=", '"', "'''", "\n", "\r", " ", ".", "#", "1", "{", "}"]

tables = st.builds(
    lambda name, table: f"[{name}]\n" + "".join(f"{key} = {table[key]}\n" for key in table),
    st.sampled_from(SECTIONS),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=4),
)
documents = st.lists(tables, max_size=4).map("".join)
scraps = st.lists(st.sampled_from(SCRAPS)).map("".join)


@given(data=(documents | scraps).map(str.encode) | st.binary(max_size=30))
def test_any_file(path: Path, data: bytes) -> None:
    """Any file is a configuration, or its faults are named with lines that it has."""
    path.write_bytes(data)
    try:
        config = load_config(path)
    except ConfigError as error:
        found = error.faults
        assert found
        for fault in found:
            assert fault.file == path
            assert fault.line is None or 1 <= fault.line <= data.count(b"\n") + 1
            assert fault.words
    else:
        assert config.given == ()
