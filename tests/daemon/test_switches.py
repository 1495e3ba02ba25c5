"""What turns plans and the list off at one door, and what at all, as docs/rfc1288.md says."""

from pathlib import Path

import trio

from tests.running import CONFIG, run_daemon

USERS = """
[moshez]
plan = "Write a book."
[ghost]
hidden = true
plan = "Haunt."
"""


async def test_switches_of_finger_are_its_own(tmp_path: Path) -> None:
    """Without plans and a list at finger, pages and XML-RPC show everybody all the same, and
    pages plans; a hidden user is nowhere."""
    config = CONFIG.replace('"users"', '"users.toml"')
    config = config.replace("[finger]", "[finger]\nlist = false\nplan = false")
    (tmp_path / "users.toml").write_text(USERS)
    async with run_daemon(tmp_path, config=config, users=None) as daemon:
        answers = {
            "list": await daemon.finger(b"\r\n"),
            "user": await daemon.finger(b"/W moshez\r\n"),
            "page": await get(daemon.port("web"), "/"),
            "page of a user": await get(daemon.port("web"), "/moshez"),
            "XML-RPC": repr(await daemon.call("getUsers")).encode(),
        }
    assert [where for where, answer in answers.items() if b"Write a book." in answer] == [
        "page of a user"
    ]
    assert [where for where, answer in answers.items() if b"moshez" in answer] == [
        "user",
        "page",
        "page of a user",
        "XML-RPC",
    ]
    for answer in answers.values():
        assert b"ghost" not in answer


async def get(port: int, path: str) -> bytes:
    """Return the whole answer to GET *path*."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as client:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        await client.send_all(request.encode())
        return b"".join([chunk async for chunk in client])
