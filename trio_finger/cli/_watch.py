"""``trio-finger watch``: follows the live door in the terminal."""

import os
import signal
import stat
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trio_finger.cli._configuration import find_config
from trio_finger.cli._messages import fail
from trio_finger.protocol.address import Address, Listen
from trio_finger.protocol.terminal import printable
from trio_finger.protocol.text import parse_name

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    import trio

    from trio_finger.client import Change, Follower, Place

_DEFAULT = "http://localhost:8000"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _OutputError(Exception):
    """Standard output takes no more; ``str()`` of it says why."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print each change as one line of JSON.")
@click.option(
    "--ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Trust the authority whose certificate is in this file (PEM), and no other.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file, if there is no URL.  [default: as the daemon finds it]",
)
@click.argument("words", nargs=-1, metavar="[URL] [USER]...")
def watch(as_json: bool, ca: Path | None, config: Path | None, words: tuple[str, ...]) -> None:
    """Follow what users are up to: one line for each change, as it happens.

    URL is the address of a trio-finger, such as https://status.example.org or
    http://localhost:8000/finger. Without it, the daemon on this machine is followed, at the
    first address of [web] in its configuration. With USERs only theirs are shown.

    A connection that is lost is made again, for as long as it takes, and what changed
    meanwhile is shown then. What becomes of the connection is told on standard error.

    Ends with 0 when it is interrupted, or when whoever reads its output has enough; with 1
    if there is nothing to follow at URL.
    """
    with suppress(KeyboardInterrupt):  # it may come before there is anything to close
        _watch(as_json, ca, config, words)


def _watch(as_json: bool, ca: Path | None, config: Path | None, words: tuple[str, ...]) -> None:
    import trio

    from trio_finger.client import Follower, RefusedError, leaf

    if sys.stdout is None:
        fail("standard output: closed")
    place, users = _parse_words(words)
    place = place or _default_place(config)
    follower = Follower(place, users, tls=_trusting(ca) if place.secure else None, tell=_tell)
    show = _show_json if as_json else _Lines(sys.stdout.encoding, colour=_has_colour()).show
    fault = ""
    try:
        trio.run(_follow, follower, show, sys.stdout.fileno())
    except* RefusedError as group:
        fault = f"cannot follow {place}: {leaf(group)}"
    except* _OutputError as group:
        fault = f"standard output: {leaf(group)}"
    except* BrokenPipeError:
        pass  # whoever read has enough
    if fault:
        fail(fault)


async def _follow(follower: "Follower", show: "Callable[[Change], bytes]", output: int) -> None:
    """Write each change to *output*, until we are interrupted or nobody reads it any more."""
    import trio

    # No buffer: as long as one line cannot be written, nothing more is taken from the server.
    sending, receiving = trio.open_memory_channel["Change"](0)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_write_all, receiving, show, output)
            nursery.start_soon(_wait_for_end, output, nursery.cancel_scope)
            nursery.start_soon(follower.run, sending)
            await anext(signals)
            nursery.cancel_scope.cancel()


async def _write_all(
    changes: "trio.MemoryReceiveChannel[Change]", show: "Callable[[Change], bytes]", output: int
) -> None:
    import trio

    async for change in changes:
        # In a thread, and without a buffer of Python's: a reader that does not read on keeps
        # nobody else waiting, and can be left alone with the rest.
        await trio.to_thread.run_sync(_write, output, show(change), abandon_on_cancel=True)


def _write(output: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(output, data) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _OutputError(error.strerror) from None


async def _wait_for_end(output: int, everything: "trio.CancelScope") -> None:
    """End *everything* when the reader of a pipe has gone, as ``head`` does.

    Writing would tell, too, but perhaps there is nothing to write for hours.
    """
    import trio

    if stat.S_ISFIFO(os.fstat(output).st_mode):
        await trio.lowlevel.wait_readable(output)  # which this end becomes only then
        everything.cancel()


def _tell(words: str) -> None:
    click.echo(words, err=True)


class _Lines:
    """Writes changes as lines for people.

    Args:
      encoding: the terminal's.
      colour: whether to use it.
    """

    def __init__(self, encoding: str, *, colour: bool) -> None:
        self._encoding = encoding
        self._colour = colour

    def show(self, change: "Change") -> bytes:
        """Return the line for *change*: when, who, and what."""
        when = (_EPOCH + timedelta(microseconds=change.number)).astimezone()
        words = [
            self._style(f"{when:%Y-%m-%d %H:%M:%S}", dim=True),
            self._style(self._printable(change.name), fg="cyan", bold=True),
            self._what(change.text),
        ]
        return "  ".join(words).encode(self._encoding, "replace") + b"\n"

    def _what(self, text: str | None) -> str:
        if text:
            return self._printable(text)
        return self._style("gone", fg="red") if text is None else self._style("No status", dim=True)

    def _style(self, text: str, **style: object) -> str:
        return click.style(text, **style) if self._colour else text  # type: ignore[arg-type]

    def _printable(self, text: str) -> str:
        # A stranger's end of a line would make the rest look like a line of ours.
        shown = printable(text.encode("utf-8", "replace"), encoding=self._encoding)
        return shown.decode(self._encoding).replace("\n", "^J")


def _show_json(change: "Change") -> bytes:
    return change.json.encode() + b"\n"


def _has_colour() -> bool:
    """Whether standard output is a terminal that has it, and nobody has set NO_COLOR.

    See https://no-color.org.
    """
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


def _parse_words(words: tuple[str, ...]) -> "tuple[Place | None, list[str]]":
    """Return the place, if there is one among *words*, and the users."""
    from trio_finger.client import is_address, parse_place

    try:
        place = parse_place(words[0]) if words and is_address(words[0]) else None
        return place, [parse_name(word) for word in (words[1:] if place else words)]
    except ValueError as error:
        raise click.UsageError(
            f"{error} (expected [URL] [USER]..., and a URL begins with http:// or https://)"
        ) from None


def _default_place(named: Path | None) -> "Place":
    """Return the place of the daemon on this machine."""
    from trio_finger.client import Place, parse_place
    from trio_finger.config import ConfigError, load_config

    path = find_config(named)
    if path is None:
        return parse_place(_DEFAULT)
    reason = f"{path}: [web] has no address that could be followed"
    try:
        config = load_config(path)
    except ConfigError as error:
        # A key that only the daemon may read, say, is no reason not to find its address.
        config, reason = error.rest, str(error)
    listen, tls_listen = (config.web.listen, config.web.tls_listen) if config.web else ((), ())
    if address := _first(listen):
        return Place(_reachable(address.host), address.port, secure=False)
    if address := _first(tls_listen):
        # By the name that links have, too: the certificate is for that.
        return Place(config.daemon.name, address.port, secure=True)
    return fail(f"{reason}\nname a URL")


def _first(places: tuple[Listen, ...]) -> Address | None:
    return next((place for place in places if isinstance(place, Address) and place.port), None)


def _reachable(host: str) -> str:
    """Return where to reach who listens at *host*, which may stand for all of a machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # nobody listens


def _trusting(ca: Path | None) -> "ssl.SSLContext":
    """Return what finds a server's certificate good or not."""
    import ssl

    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        fail(f"--ca: {ca}: holds no certificate (it should be PEM text)")
    except OSError as error:
        fail(f"--ca: {ca}: {error.strerror}")
