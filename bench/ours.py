"""Ours, as its users start it, with everything on."""

import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from bench.servers import Server, free_port, run_server
from bench.users import write_users
from tests.running import AS_USER

Sections: TypeAlias = Mapping[str, Mapping[str, object]]

# What users install. The packages of the tests, where they are found, add to its memory: rich
# alone, which structlog takes up, five megabytes.
PROGRAM = Path(
    os.environ.get("BENCH_OURS", Path(sys.executable).with_name("trio-finger"))
).absolute()

# Every check, limit, count and filter is on, so all of them are paid for; but the rate is
# higher than queries come, since it is answers that are measured.
EVERYTHING: Sections = {
    "daemon": {"grace": "2s"},
    "users": {"file": "users"},
    "store": {"url": "sqlite:trio-finger.db"},
    "finger": {"list": True, "plan": True, "rate": "1000000/s", "max_connections": 20_000},
    "setter": {"listen": ["127.0.0.1:0", "unix:run/setter.sock"]},
    "web": {"listen": ["127.0.0.1:0"]},
    "metrics": {"listen": ["127.0.0.1:0"]},
    "log": {"level": "info", "format": "json", "access": False},
}


@asynccontextmanager
async def run_ours(
    folder: Path, *, users: int, name: str = "trio-finger", changes: Sections | None = None
) -> AsyncIterator[Server]:
    """Run our daemon for the length of an ``async with``.

    Args:
      folder: where it keeps what it keeps; made if it is not there.
      users: how many there are.
      name: what it is called in tables.
      changes: keys that are to be otherwise than in `EVERYTHING`.
    """
    port = free_port()
    config = {section: dict(keys) for section, keys in EVERYTHING.items()}
    for section, keys in (changes or {}).items():
        config[section].update(keys)
    config["finger"]["listen"] = [f"127.0.0.1:{port}"]
    _lay_out(folder, config, users)
    command = [*AS_USER, str(PROGRAM), "--config", "config.toml"]
    async with run_server(name, command, port, folder=folder) as server:
        yield server


def _lay_out(folder: Path, config: Sections, users: int) -> None:
    """Write the files that it needs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # root's daemon is another user's, who reads in there
    write_users(folder / "users", users)
    (folder / "config.toml").write_text(_format(config))


def _format(config: Sections) -> str:
    """Write *config* as TOML: its texts, numbers and lists of them look as in JSON."""
    return "\n".join(
        line
        for section, keys in config.items()
        for line in (f"[{section}]", *(f"{key} = {json.dumps(keys[key])}" for key in keys))
    )
