"""Forwarding a query to another host, where the operator allows it (RFC 1288, 2.4 and 3.2.1).

A relay connects to whatever strangers name, and hands them whatever comes back. So it does
that for the hosts on a list, at public addresses unless the operator has named the very host,
and within bounds. It keeps no more of an answer than one piece: while the asker does not
read, nothing is read from the other host either.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from trio_finger.config import HostPattern
from trio_finger.net import ReachError, connect, is_public
from trio_finger.protocol.address import AddressError, parse_address
from trio_finger.protocol.finger import FINGER_PORT, Query, format_query
from trio_finger.protocol.text import clean

MAX_RELAYED = 1024 * 1024  # bytes of an answer

_MAX_HOSTS = 4  # in one query; each hop takes one off, so that a circle comes to an end
_CHUNK = 4 * 1024  # bytes of an answer that are here at a time; to clean them takes 2 ms at most
_LAST_WORD = 2  # seconds for the line that says why there is no more

_HOST = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """Whom to ask on somebody's behalf, and what.

    Attributes:
      host: a name or an IP address.
      port: where on it.
      query: what it is asked.
      named: whether the operator has named this very host, which may then be anywhere.
    """

    host: str
    port: int
    query: Query
    named: bool


class _FarError(Exception):
    """What is wrong with an answer; ``str()`` of it does not say whose it is."""


def relay_target(
    query: Query, patterns: Sequence[HostPattern], *, port: int = FINGER_PORT
) -> RelayTarget | None:
    """Return where *query* is to be forwarded; ``None`` if it is to be refused.

    The nearest host, which is the last, is asked for all the rest. One that is followed by a
    port is asked only if the operator has named it just so.

    Args:
      query: what somebody has asked us.
      patterns: the hosts that may be asked, as the configuration spells them: in small
        letters, and without a dot at the end.
      port: where to ask a host that is not followed by one.
    """
    if not 0 < len(query.hosts) <= _MAX_HOSTS or not all(query.hosts):
        return None
    *others, nearest = query.hosts
    if not nearest.isascii():  # there are letters that become ASCII as small ones
        return None
    rest = Query(query.names, query.verbose, tuple(others))
    try:
        format_query(rest)
    except ValueError:  # it holds what no line may hold
        return None
    host = _unbracket(nearest.lower().removesuffix("."))
    if host in patterns and not host.startswith("*"):
        return _named(host, port, rest)
    domains = tuple(pattern[1:] for pattern in patterns if pattern.startswith("*."))
    if _HOST.fullmatch(host) and host.endswith(domains):
        return RelayTarget(host, port, rest, named=False)
    return None


def _named(host: str, port: int, query: Query) -> RelayTarget:
    try:
        address = parse_address(host)
    except AddressError:  # it has no port
        return RelayTarget(host, port, query, named=True)
    return RelayTarget(address.host, address.port, query, named=True)


def _unbracket(host: str) -> str:
    """Return an address of IPv6 without the brackets that it may have in a query."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class _Near:
    """Whoever asked, and what they have been sent.

    Attributes:
      has_some: whether some of an answer has come for them.
      is_busy: whether they are being sent some of it.
    """

    def __init__(self, stream: trio.abc.SendStream) -> None:
        self.has_some = False
        self.is_busy = False
        self._stream = stream
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._in_line = False  # whether they wait for the end of a line
        self._after_cr = False  # whether the last that came was one, and LF may follow

    async def pass_on(self, data: bytes | bytearray) -> None:
        """Send *data* as text, as clean as any that leaves this door."""
        self.has_some = True
        self.is_busy = True
        await self._stream.send_all(self._to_text(data))
        self.is_busy = False

    async def end(self, words: str) -> None:
        """Send *words* as the last line, if any, after the end of the line before."""
        rest = self._to_text(b"", final=True)
        if self._in_line:
            rest += b"\r\n"
        if words:
            rest += f"{words}\r\n".encode()
        with trio.fail_after(_LAST_WORD):
            await self._stream.send_all(rest)

    def _to_text(self, data: bytes | bytearray, *, final: bool = False) -> bytes:
        """Return *data* with CRLF after every line, and nothing that moves a cursor."""
        text = self._decoder.decode(data, final)
        if not text:
            return b""
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        ends = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = [clean(line) for line in ends.split("\n")]
        self._in_line = bool(lines[-1]) or (self._in_line and len(lines) == 1)
        return "\r\n".join(lines).encode()


async def relay(
    target: RelayTarget,
    stream: trio.abc.SendStream,
    *,
    seconds: float = 30,
    max_size: int = MAX_RELAYED,
) -> None:
    """Ask *target*, and pass on to *stream* what it answers, as it comes.

    What is passed on is text: lines that end in CRLF, and no control characters that a
    terminal would obey. If there is no answer, or not all of it, the last line says why.
    The other host is left in any case; *stream* is left open, and is the caller's to close.

    Args:
      target: whom to ask, and what.
      stream: to whoever wants to know.
      seconds: how long it may take, from looking up the host to the end of the answer.
      max_size: the longest answer that is passed on, in bytes as they come.

    Raises:
      trio.TooSlowError: whoever asked has stopped reading, or nearly so.
      trio.BrokenResourceError: whoever asked is gone.
    """
    near = _Near(stream)
    why = ""
    with trio.move_on_after(seconds) as scope:
        try:
            await _pass_on(target, near, max_size)
        except (ReachError, _FarError) as error:
            why = str(error)
    if scope.cancelled_caught:
        if near.is_busy:
            raise trio.TooSlowError
        why = f"no {'end' if near.has_some else 'answer'} within {seconds:g} s"
    if why:
        why = f"... (cut: {why})" if near.has_some else f"{target.host}: {why}"
    await near.end(why)


async def _pass_on(target: RelayTarget, near: _Near, max_size: int) -> None:
    """Pass on the answer, at most *max_size* bytes of it.

    Raises:
      ReachError: there is no way to the host.
      _FarError: it does not answer, or not properly.
      trio.BrokenResourceError: whoever asked is gone.
    """
    may = None if target.named else is_public
    async with await connect(target.host, target.port, may=may) as far:
        try:
            await far.send_all(format_query(target.query))
        except trio.BrokenResourceError:
            raise _FarError("the connection broke") from None
        left = max_size
        while data := await _receive(far):
            await near.pass_on(data[:left])
            left -= len(data)
            if left < 0:
                raise _FarError(f"the answer is longer than {_spell_size(max_size)}")
    if not near.has_some:
        raise _FarError("the connection was closed without an answer")


async def _receive(far: trio.SocketStream) -> bytes | bytearray:
    try:
        return await far.receive_some(_CHUNK)
    except trio.BrokenResourceError:
        raise _FarError("the connection broke") from None


def _spell_size(size: int) -> str:
    for unit, length in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= length and size % length == 0:
            return f"{size // length} {unit}"
    return f"{size} bytes"
