"""``[[source]]`` and ``[service.NAME]``: read, with every default, or told what is wrong."""

from pathlib import Path

import pytest

from tests.config.test_load import faults, load
from trio_finger.config import (
    Command,
    FingerHost,
    FingerSource,
    PlanSource,
    ProgramSource,
    Service,
    UserUrl,
    WebSource,
)
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.size import Size

WEB = '[[source]]\nkind = "web"\nurl = "https://example.com/~{user}/online"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_sources(path: Path) -> None:
    """Each kind has keys of its own and those of all, and their order is that of the file."""
    config = load(
        path,
        f"""
        {WEB}
        [[source]]
        kind = "plan"
        uid_min = 500
        shells = ["/bin/sh"]
        spool = "plans"
        [[source]]
        kind = "program"
        command = ["bin/status", "--of", "{{user}}"]
        concurrency = 2
        memory = "64MiB"
        cpu = "1s"
        [[source]]
        kind = "finger"
        host = "db.example.org"
        timeout = "2s"
        ttl = "10s"
        stale = "1m"
        max_size = "512B"
        [[source]]
        kind = "finger"
        host = "[::1]:7079"
        """,
    )
    base = path.parent
    assert config.source == (
        WebSource(url=UserUrl("https://example.com/~{user}/online")),
        PlanSource(uid_min=500, shells=("/bin/sh",), spool=base / "plans"),
        ProgramSource(
            command=Command((str(base / "bin/status"), "--of", "{user}")),
            concurrency=2,
            memory=Size(64 << 20),
            cpu=Duration(1),
        ),
        FingerSource(
            host=FingerHost("db.example.org", 79),
            timeout=Duration(2),
            ttl=Duration(10),
            stale=Duration(60),
            max_size=Size(512),
        ),
        FingerSource(host=FingerHost("::1", 7079)),
    )


def test_services(path: Path) -> None:
    """A service has a file or a command, and is known by its name."""
    config = load(
        path,
        """
        [service.weather]
        command = ["/usr/local/bin/weather", "{argument}"]
        title = "The weather"
        [service.motd]
        file = "motd"
        """,
    )
    assert config.service == {
        "weather": Service(
            command=Command(("/usr/local/bin/weather", "{argument}")), title="The weather"
        ),
        "motd": Service(file=path.parent / "motd"),
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://{user}.example.com/",
        "http://{user}/{user}",
        "http://example.com/#{user}",
        "http://me:secret@example.com/{user}",
        "http://example.com:99999/{user}",
        "http://example.com:x/{user}",
        "http:///{user}",
        "http://a b/{user}",
        "//example.com/{user}",
    ],
)
def test_impossible_url(path: Path, url: str) -> None:
    """Whoever asks chooses a part of a path and nothing else, and no secret is in the file."""
    (fault,) = faults(path, f"[[source]]\nkind = 'web'\nurl = '{url}'")
    assert fault.startswith(":3: source.url: expected an address such as")


@pytest.mark.parametrize("url", ["http://[::1]:8000/{user}", "https://h/?name={user}&a=b"])
def test_url(path: Path, url: str) -> None:
    """A site may be an address and have a port, and the name be anywhere behind that."""
    (web,) = load(path, f"[[source]]\nkind = 'web'\nurl = '{url}'").source
    assert isinstance(web, WebSource)
    assert web.url == url


@pytest.mark.parametrize(
    "host",
    ["db", "db.example.org", "*.example.org", "192.0.2.1", "::1", "127.0.0.1:7079", "[::1]:79"],
)
def test_relay(path: Path, host: str) -> None:
    """A query can be forwarded to a host, a place, or any host of a domain, in any case."""
    for spelled in (host, host.upper(), f"{host}." if host == "db" else host):
        finger = load(path, f'[finger]\nrelay = ["{spelled}"]').finger
        assert finger is not None
        assert finger.relay == (host,)


@pytest.mark.parametrize("host", ["", "*", "*.", "*.*.org", "*.example.org:79", "a:99999", "a b"])
def test_relay_to_nowhere(path: Path, host: str) -> None:
    """What no query could match is told at once."""
    (fault,) = faults(path, f'[finger]\nrelay = ["{host}"]')
    assert fault.startswith(":2: finger.relay: expected a host such as")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source = 1", ":1: source: expected tables, each under [[source]]"),
        ("service = 1", ":1: service: expected tables, each under [service.NAME]"),
        (
            "[[source]]\nttl = '1s'",
            ':1: source: expected "web" or "plan" or "program" or "finger" as kind',
        ),
        (
            f"{WEB}[[source]]\nkind = 'gopher'",
            ':5: source.kind: expected "web" or "plan" or "program" or "finger", got "gopher"',
        ),
        ("[[source]]\nkind = 'web'", ':1: source: the key "url" is missing'),
        (
            "[[source]]\nkind = 'web'\nurl = 'ftp://example.com/{user}'",
            ':3: source.url: expected an address such as "https://example.com/~{user}/online",'
            ' got "ftp://example.com/{user}"',
        ),
        (
            "[[source]]\nkind = 'program'\ncommand = ['status']",
            ":3: source.command: expected a path of a program and its arguments, such as "
            '["/bin/status"], got ["status"]',
        ),
        (
            "[[source]]\nkind = 'finger'\nhost = '*.x'",
            ':3: source.host: expected a host such as "db.example.org" or "db.example.org:7079",'
            ' got "*.x"',
        ),
        (
            "[[source]]\nkind = 'finger'\nhost = 'x:0'",
            ':3: source.host: expected a host such as "db.example.org" or "db.example.org:7079",'
            ' got "x:0"',
        ),
        (
            "[[source]]\nkind = 'finger'\nhost = 'x:99999'",
            ':3: source.host: expected a host such as "db.example.org" or "db.example.org:7079",'
            ' got "x:99999"',
        ),
        (
            "[[source]]\nkind = 'plan'\nmax_size = '1MB'",
            ':3: source.max_size: expected a size such as "512B", "64KiB" or "1MiB", got "1MB"',
        ),
        (
            "[[source]]\nkind = 'plan'\nuid_mn = 1",
            ':3: source.uid_mn: unknown key; did you mean "uid_min"?',
        ),
        (
            "[[source]]\nkind = 'program'\ncommand = ['/bin/status']",
            ':3: source.command: expected "{user}" among the arguments',
        ),
        (
            "[service.e]\nfile = 'x'\n[service.E]\nfile = 'y'",
            ":3: service.E: there is one of that name already",
        ),
        ("[service.motd]\ntitle = 'x'", ":1: service.motd: expected either a file or a command"),
        (
            "[service.motd]\nfile = 'x'\ncommand = ['/x']",
            ":1: service.motd: expected either a file or a command",
        ),
        ("[service.'a:b']\nfile = 'x'", ":1: service.a:b: a name cannot hold ':'"),
        ("[service]\nmotd = 1", ":2: service.motd: expected a section [service.motd]"),
        (
            "[finger]\nrelay = ['*']",
            ':2: finger.relay: expected a host such as "db.example.org" or "*.example.org",'
            ' got "*"',
        ),
    ],
)
def test_fault(path: Path, text: str, expected: str) -> None:
    """A fault is named by its line and key, whichever of the tables it is in."""
    assert faults(path, text) == [expected]
