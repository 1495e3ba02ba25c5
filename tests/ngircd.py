"""A real IRC server for tests, and a person on it.

What the server and the bot say is waited for, and asked for again until they are there.
"""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from tests.irc_lines import Lines
from tests.ports import free_port
from trio_finger.protocol.address import Address

# Seconds for everything that a real server is waited for; it needs a fraction of one.
PATIENCE = 20

# RequireAuthPing has it ask for a PONG before it lets anybody in.
CONFIGURATION = """
[Global]
Name = irc.example.net
Info = test
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
ServerUID = nobody
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
RequireAuthPing = yes
"""


class Ngircd:
    """A server to be started and killed at will, always on the same port."""

    def __init__(self, program: str, directory: Path) -> None:
        self.address = Address("127.0.0.1", free_port())
        # As root it becomes ServerUID, who has to be able to read its configuration.
        directory.chmod(0o755)
        configuration = directory / "ngircd.conf"
        configuration.write_text(CONFIGURATION.format(port=self.address.port))
        configuration.chmod(0o644)
        self._command = [program, "-n", "-f", str(configuration)]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run for the length of a ``with`` block, then be killed."""
        with subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield
            finally:
                process.kill()

    async def connect(self) -> trio.SocketStream:
        """Connect to it, as soon as it can be."""
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    return await trio.open_tcp_stream(self.address.host, self.address.port)
                except OSError:
                    await trio.sleep(0.01)

    @asynccontextmanager
    async def person(self, nick: str) -> AsyncIterator[Lines]:
        """Be somebody there who is called *nick*."""
        async with await self.connect() as stream:
            lines = Lines(stream)
            await lines.say(f"NICK {nick}", f"USER {nick} 0 * :A person")
            await lines.hear_until(" 001 ")
            yield lines


async def ask(person: Lines, text: str, nick: str = "fingerbot") -> str:
    """Ask the bot *nick*, as soon as it is there, and return its answer."""
    while True:
        await person.say(f"PRIVMSG {nick} :{text}", "PING :done")
        while True:
            line = await person.hear_until(" ")
            if " PRIVMSG " in line:
                return line.partition(" PRIVMSG ")[2]
            if " 401 " in line:  # ERR_NOSUCHNICK: it has not come yet
                await trio.sleep(0.01)
                break
