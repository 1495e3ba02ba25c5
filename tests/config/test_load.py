"""The configuration file: what is right is taken, and everything that is wrong is named."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_finger.config import (
    Config,
    ConfigError,
    Daemon,
    Duration,
    Fault,
    Finger,
    Irc,
    Log,
    Setter,
    Store,
    Users,
    Web,
    load_config,
)
from trio_finger.config._types import Nick
from trio_finger.protocol.address import Address

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


def test_empty(path: Path) -> None:
    """An empty file is right, and turns every service off."""
    config = load(path, "")
    assert config == Config()
    assert (config.users, config.finger, config.setter, config.web, config.irc) == (None,) * 5


def test_shipped() -> None:
    """The file that we ship shows the default of every key, and serves all but IRC."""
    config = load_config(SHIPPED)
    assert config == Config(
        users=Users(file=SHIPPED.parent / "users"), finger=Finger(), setter=Setter(), web=Web()
    )
    document = tomllib.loads(SHIPPED.read_text())
    for name, table in document.items():
        assert list(table) == list(type(getattr(config, name)).__dataclass_fields__), name


def test_shipped_comments() -> None:
    """What is commented out in the file that we ship is right as well."""
    text = SHIPPED.read_text()
    irc = tomllib.loads(text.replace("# [irc]", "[irc]").replace("\n# server", "\nserver"))["irc"]
    assert irc == {"server": "irc.example.org:6667"}
    assert f'# nick = "{Irc(server=Address("h", 1)).nick}"' in text


def test_everything(path: Path) -> None:
    """Every key of every section is taken over, and paths are relative to the file."""
    config = load(
        path,
        """
        [daemon]
        name = "example.org"
        grace = "1m"
        [users]
        file = "people/users"
        refresh = "1h"
        create = false
        [store]
        url = "memory:"
        [finger]
        listen = ["0.0.0.0:79", "[::]:79"]
        list = false
        timeout = "500ms"
        max_connections = 7
        [setter]
        listen = ["0.0.0.0:7179"]
        open = true
        [web]
        listen = ["127.0.0.1:0", "127.0.0.1:0"]
        [irc]
        server = "irc.example.org:6667"
        nick = "bot"
        [log]
        level = "debug"
        format = "json"
        """,
    )
    free = Address("127.0.0.1", 0)
    assert config == Config(
        daemon=Daemon(name="example.org", grace=Duration(60)),
        users=Users(file=path.parent / "people/users", refresh=Duration(3600), create=False),
        store=Store(),
        finger=Finger(
            listen=(Address("0.0.0.0", 79), Address("::", 79)),
            list=False,
            timeout=Duration(0.5),
            max_connections=7,
        ),
        setter=Setter(listen=(Address("0.0.0.0", 7179),), open=True),
        web=Web(listen=(free, free)),
        irc=Irc(server=Address("irc.example.org", 6667), nick=Nick("bot")),
        log=Log(level="debug", format="json"),
    )


KNOWN = "known are daemon, users, store, finger, setter, web, irc, log"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[fingr]", ':1: fingr: unknown section; did you mean "finger"?'),
        ("[zzz]", f":1: zzz: unknown section; {KNOWN}"),
        ("[given]\na = 1", f":1: given: unknown section; {KNOWN}"),
        ("finger = 79", ":1: finger: expected a section [finger]"),
        ("[[finger]]", ":1: finger: expected a section [finger]"),
        ('[finger]\ntimeuot = "10s"', ':2: finger.timeuot: unknown key; did you mean "timeout"?'),
        ("[web]\nzzz = 1", ":2: web.zzz: unknown key; known are listen"),
        ("[users]\ncreate = true", ':1: users: the key "file" is missing'),
        ("\n[irc]", ':2: irc: the key "server" is missing'),
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
        ':2: finger.listen: expected a list such as ["127.0.0.1:7079"], got "127.0.0.1:79"',
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


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.org", "127.0.0.1.nip"])
def test_open_setter(path: Path, host: str) -> None:
    """A setter that others can reach must be meant (T28)."""
    text = f'[setter]\nlisten = ["127.0.0.1:1", "{host}:2"]\n'
    for closed in (text, text + "open = false"):
        (fault,) = faults(path, closed)
        assert fault.startswith(f":2: setter.listen: anyone who reaches {host}:2 could set")
    assert load(path, text + "open = true").setter is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "[::1]", "localhost"])
def test_closed_setter(path: Path, host: str) -> None:
    """A setter on loopback needs no more words."""
    assert load(path, f'[setter]\nlisten = ["{host}:1"]').setter is not None


def test_taken_address(path: Path) -> None:
    """Two services, or one twice, on one address are a fault, named where the second is."""
    text = '[web]\nlisten = ["h:1"]\n[finger]\nlisten = ["h:1", "h:2", "h:2"]\n'
    assert set(faults(path, text)) == {
        ":4: finger.listen: h:2 is already taken by [finger]",
        ":2: web.listen: h:1 is already taken by [finger]",
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


SECTIONS = ["daemon", "users", "store", "finger", "setter", "web", "irc", "log", "given", "zzz"]
KEYS = ["name", "grace", "file", "create", "url", "listen", "timeout", "max_connections", "open"]
KEYS += ["server", "nick", "level", "format", "zzz", "a.b"]
VALUES = ["true", "1", "-1", "1.5", "nan", '""', '"x"', '"30s"', '"h:1"', '["h:1"]', "[]", "[1]"]
VALUES += ["{}", "{a = 1}", "1979-05-27", "07:32:00", '"json"', "'''\n\n'''", r'"\u0000"']
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
