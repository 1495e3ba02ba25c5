"""The users file of a running daemon, treated as editors, scripts and accidents treat it."""

from pathlib import Path

import trio

from tests.running import CONFIG, run_daemon


async def test_edits_reach_every_door_and_faults_are_named(tmp_path: Path) -> None:
    """A new file by rename, one in place, a bad line, a vanished file: last good statuses hold."""
    async with run_daemon(tmp_path) as daemon:
        new = tmp_path / "users.new"
        new.write_text("# by rename\n\nmoshez: Renamed\nshawn: Alive\n")
        new.rename(daemon.users_file)
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"moshez\r\n") == b"Renamed\r\n"

        daemon.users_file.write_text("moshez: In place\nno colon here\nshawn: Alive\n")
        await daemon.logged("users file read", 3)
        assert await daemon.finger(b"moshez\r\n") == b"In place\r\n"
        skipped = await daemon.logged("users file line skipped")
        assert "users:2: " in skipped["reason"]

        daemon.users_file.unlink()
        gone = await daemon.logged("users file not taken over, what it said still holds")
        assert "No such file" in gone["reason"]
        assert await daemon.finger(b"moshez\r\n") == b"In place\r\n"

        daemon.users_file.write_text("moshez: Back\n")
        await daemon.logged("users file read", 4)
        assert await daemon.finger(b"moshez\r\n") == b"Back\r\n"
        assert await daemon.finger(b"shawn\r\n") == b"No such user\r\n"


async def test_swapped_symlink(tmp_path: Path) -> None:
    """A link that is made to lead elsewhere counts as a change."""
    (tmp_path / "one").write_text("moshez: One\n")
    (tmp_path / "two").write_text("moshez: Two\n")
    (tmp_path / "users").symlink_to("one")
    async with run_daemon(tmp_path, users=None) as daemon:
        assert await daemon.finger(b"moshez\r\n") == b"One\r\n"
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(daemon.users_file)
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"moshez\r\n") == b"Two\r\n"


async def test_what_a_person_set_holds_until_their_line_changes(tmp_path: Path) -> None:
    """An edit of another's line leaves it; an edit of theirs ends it."""
    async with run_daemon(tmp_path) as daemon:
        await daemon.set("moshez", "Set by hand")
        daemon.users_file.write_text("moshez: Happy and well\nshawn: Edited\n")
        await daemon.logged("users file read", 2)
        assert await daemon.finger(b"shawn\r\n") == b"Edited\r\n"
        assert await daemon.finger(b"moshez\r\n") == b"Set by hand\r\n"
        daemon.users_file.write_text("moshez: Edited, too\nshawn: Edited\n")
        await daemon.logged("users file read", 3)
        assert await daemon.finger(b"moshez\r\n") == b"Edited, too\r\n"


async def test_starts_without_the_file_and_takes_it_when_it_comes(tmp_path: Path) -> None:
    """A users file that is not there yet is an error in the log, not the end."""
    config = CONFIG.replace('file = "users"', 'file = "later/users"\nrefresh = "100ms"')
    async with run_daemon(tmp_path, config=config) as daemon:
        await daemon.logged("users file not taken over, what it said still holds")
        assert await daemon.finger(b"moshez\r\n") == b"No such user\r\n"
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "users").write_text("moshez: Arrived\n")
        await daemon.logged("users file read")
        assert await daemon.finger(b"moshez\r\n") == b"Arrived\r\n"


async def test_a_large_file_while_queries_go_on(tmp_path: Path) -> None:
    """While 50,000 lines are read again, each answer is an old line or a new one, whole."""

    def write(text: str) -> None:
        new = tmp_path / "users.new"
        new.write_text("".join(f"user{n}: {text} {n}\n" for n in range(50_000)))
        new.rename(tmp_path / "users")

    async with run_daemon(tmp_path) as daemon:
        for count, text in enumerate(("Happy", "Well", "Happy again"), start=2):
            write(text)
            answers: set[bytes] = set()
            async with trio.open_nursery() as nursery:

                async def ask(answers: set[bytes] = answers) -> None:
                    while True:
                        answers.add(await daemon.finger(b"user49999\r\n"))

                nursery.start_soon(ask)
                record = await daemon.logged("users file read", count)
                nursery.cancel_scope.cancel()
            assert (record["users"], record["changed"]) == (50_000, 50_000 + 2 * (count == 2))
            assert answers <= {
                *(b"No such user\r\n", b"Happy 49999\r\n"),
                *(b"Well 49999\r\n", b"Happy again 49999\r\n"),
            }
            assert await daemon.finger(b"user7\r\n") == f"{text} 7\r\n".encode()
