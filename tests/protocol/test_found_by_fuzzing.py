"""Inputs that broke a parser once, found by ``make fuzz``; each stays mended."""

import time
from pathlib import Path

import pytest

from trio_finger.config import ConfigError, load_config
from trio_finger.protocol.target import TargetError, parse_target
from trio_finger.protocol.users_file import Entry, LineFault
from trio_finger.protocol.users_toml import parse_users_toml


@pytest.mark.parametrize("mark", ['"""', "'''"])
@pytest.mark.parametrize("fault", ["hidden = tru", "plan = ''", "hidden"])
def test_two_texts_in_a_faulty_table(mark: str, fault: str) -> None:
    """A fault behind two texts does not turn what is in the second of them into users."""
    text = (
        f"[a]\nplan = {mark}\n[x]\n{mark}\nproject = {mark}\n[bob]\nstatus = 'B'\n[y]\n{mark}\n"
        f"{fault}\n[c]\n"
    )
    items = [item for item in parse_users_toml(text.encode()) if item is not None]
    assert [item.name for item in items if isinstance(item, Entry)] == ["c"]
    assert [item.line for item in items if isinstance(item, LineFault)] == [10]


@pytest.mark.parametrize(
    "text", ["finger://h%40b/x", "finger://a@h%40b", "finger://h%3A99/x", "finger://%5B::1%5D:80/x"]
)
def test_quoted_marks_in_a_host(text: str) -> None:
    """What is quoted in a host is none of the marks that part an address (RFC 3986, 2.4)."""
    with pytest.raises(TargetError):
        parse_target(text)


def test_many_faults_in_a_configuration(tmp_path: Path) -> None:
    """Naming many faults takes no time to speak of: a daemon that reloads waits for it."""
    path = tmp_path / "config.toml"
    path.write_text("".join(f"k{number} = 1\n" for number in range(300)))
    begin = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [fault.line for fault in caught.value.faults] == list(range(1, 301))
    assert time.perf_counter() - begin < 2
