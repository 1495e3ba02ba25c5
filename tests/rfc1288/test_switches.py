"""The operator's switches, from the configuration file of a daemon to its answers."""

from pathlib import Path

from tests.running import CONFIG, run_daemon

USERS = """
["josé"]
full_name = "José Zadka"
status = "Çà et là"
plan = "Xyzzy"
"""
SWITCHED = CONFIG.replace('file = "users"', 'file = "users.toml"').replace(
    "[finger]",
    '[finger]\nlist = false\nplan = false\nmatch = "names"\ncharset = "ascii"\nformat = "full"',
)


async def test_switches(tmp_path: Path) -> None:
    """List, plans, names, characters and form are as `config.toml` has them (R11, R15, R24, L1)."""
    (tmp_path / "users.toml").write_text(USERS, encoding="utf-8")
    async with run_daemon(tmp_path, config=SWITCHED, users=None) as daemon:
        answer = await daemon.finger(b"ZADKA\r\n")
        assert answer.startswith(
            b"Login: jose                             Name: Jose Zadka\r\n"
            b"Status: Ca et la\r\n"
            b"Since: "
        )
        assert b"lan" not in answer
        assert await daemon.finger(b"\r\n") == b"Finger online user list denied\r\n"
