"""What a program prints: of a user, or as an answer to a name that is none of a user."""

import os
import re
import stat
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Final

import trio

from trio_finger.config import Command, Program, ProgramSource, Service
from trio_finger.protocol.profile import Profile
from trio_finger.protocol.text import MAX_STATUS, clean, shorten
from trio_finger.sources._process import ProgramError, run_program
from trio_finger.sources._source import Asker, Circle, Found, SourceError
from trio_finger.usermap import Pace

# What a program is given of what a stranger wrote. No option begins like this, no path has
# nothing but this, and no shell finds anything in it, should the program have one.
_ARGUMENT: Final = re.compile(r"\w[\w.+-]{0,63}")

_THREADS: Final = 2  # that read one file at once

_PIECE: Final = 1000  # characters that are cleaned before others may get their turn


class Programs:
    """``kind = "program"``: a program is asked what a user is up to.

    Its first line is the status. If it prints more, all of it is the plan. If it prints
    nothing, there is no such user.

    Args:
      config: the section.
    """

    def __init__(self, config: ProgramSource) -> None:
        self._runs = _Runs(config, config.command, "{user}")

    async def ask(self, name: str, asker: Asker) -> Found | None:
        """Return what the program prints of *name*; nobody who has an odd name is known to it."""
        if not _ARGUMENT.fullmatch(name):
            return None
        text = await self._runs.run(name)
        if not text:
            return None
        return Found(_first_line(text), profile=Profile(plan=text if "\n" in text else ""))

    def circle(self, name: str, asker: Asker) -> Circle:
        """Return that nobody else is asked, as far as anybody can tell."""
        return Circle.NEVER

    async def aclose(self) -> None:
        """Nothing is held between questions."""


class Machine:
    """``[service.NAME]``: something that answers to a name as people do (RFC 1288, 2.5.5).

    Args:
      config: the section.
    """

    def __init__(self, config: Service) -> None:
        self._config = config
        self._runs = _Runs(config, config.command, "{argument}")
        # A disk that hangs may keep these threads, and no others.
        self._limiter = trio.CapacityLimiter(_THREADS)

    async def ask(self, argument: str, asker: Asker) -> Found | None:
        """Return its answer, which is all that the file holds or the program prints.

        Args:
          argument: what was asked for after a colon; it may be empty. A file has the same
            answer to everything.
          asker: who asks.

        Returns:
          The answer; ``None`` if nothing can have been meant by *argument*.

        Raises:
          SourceError: there is no answer, for there is something wrong.
        """
        if argument and not _ARGUMENT.fullmatch(argument):
            return None
        if self._config.file is None:
            text = await self._runs.run(argument)
        else:
            file, max_size = self._config.file, self._config.max_size
            text = await _clean_text(await _read_file(file, max_size, self._limiter))
        profile = Profile(full_name=self._config.title, plan=text)
        return Found(_first_line(text), profile=profile, whole=True)

    def circle(self, argument: str, asker: Asker) -> Circle:
        """Return that nobody else is asked, as far as anybody can tell."""
        return Circle.NEVER

    async def aclose(self) -> None:
        """Nothing is held between questions."""


class _Runs:
    """The runs of one program, of which only so many go on at once.

    Args:
      config: its limits.
      command: the program and its arguments.
      placeholder: what stands among these for what is asked for.
    """

    def __init__(self, config: Program, command: Command, placeholder: str) -> None:
        self._config = config
        self._command = command
        self._placeholder = placeholder
        self._turns = trio.CapacityLimiter(config.concurrency)

    async def run(self, asked: str) -> str:
        """Run the program for *asked*, and return what it prints, cleaned.

        Raises:
          SourceError: it failed.
        """
        program, *arguments = self._command
        # Not `format`, for which the rest of an argument would mean something, too.
        arguments = [argument.replace(self._placeholder, asked) for argument in arguments]
        try:
            async with self._turns:
                output = await run_program(
                    [program, *arguments],
                    max_size=self._config.max_size,
                    memory=self._config.memory,
                    cpu=self._config.cpu,
                )
        except ProgramError as error:
            raise SourceError(str(error)) from error
        return await _clean_text(output)


async def _read_file(path: Path, max_size: int, limiter: trio.CapacityLimiter) -> bytes:
    def read() -> bytes:
        # Non-blocking, because opening a FIFO waits for a writer, perhaps for ever; and a
        # terminal is opened without becoming ours.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, "not a regular file")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(max_size + 1)
        finally:
            os.close(descriptor)

    try:
        # The disk may be slow; whoever gives up waiting leaves it to the thread.
        data = await trio.to_thread.run_sync(read, abandon_on_cancel=True, limiter=limiter)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error
    if len(data) > max_size:
        raise SourceError(f"is longer than {max_size} bytes")
    return data


async def _clean_text(data: bytes) -> str:
    """Return *data* as clean lines, LF between them, without empty ones around them."""
    pace = Pace()
    lines = []
    for raw in TextIOWrapper(BytesIO(data), "utf-8", "replace"):  # ended by LF, CR, or both
        line = raw.rstrip()
        pieces = []
        for begin in range(0, len(line), _PIECE):
            piece = line[begin : begin + _PIECE]
            pieces.append(clean(piece))
            await pace.did(len(piece) // 2)
        lines.append("".join(pieces).rstrip())
        await pace.did(2)
    return "\n".join(lines).strip("\n")


def _first_line(text: str) -> str:
    """Return the first line of *text* as a status, as much of it as one may have."""
    return shorten(text.partition("\n")[0].strip(), MAX_STATUS)
