"""Where connections come in: whoever cannot be served is sent away here, and some are served.

A task for a connection costs more than all the rest of a small answer: a task, a stream,
several trips through epoll. So whoever is refused never gets one. And where a question has
arrived by the time its connection is accepted, and can be answered without waiting, it is
answered on the spot; the others, with what has been read of them, are handed on.
"""

import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from socket import SocketType
from termios import FIONREAD
from typing import Any, Final

import trio

from trio_finger.net._accepted import AcceptedStream
from trio_finger.net._gate import Gate
from trio_finger.protocol.address import Address, parse_ip

# Takes what has been received, and the IP address that it came from (`None` on a UNIX
# socket); returns the whole answer, or `None` where that takes more input, or more time.
AnswerAtOnce = Callable[[bytes, str | None], bytes | None]

# Bytes of a question that can be answered at once. It has fewer, or there may be more. (Up to
# 512 with what Python adds, its memory is not the system's to allocate.)
_CHUNK = 479
_BATCH = 32  # connections that are served before others get their turn: about a millisecond
_DEFER_SECONDS = 1  # that the kernel keeps connections to itself which send nothing

_SKIP = 64 * 1024  # bytes that are not looked at, of whoever is turned away

_PERHAPS_MAPPED = "::ffff:"  # before an IPv4 address, on a socket of IPv6
_RESET = struct.pack("ii", 1, 0)  # struct linger: close at once, and say that it is no end

# Whoever is looked at here is waited for nowhere.
_NOW = int(socket.MSG_DONTWAIT)
# An answer waits for the end of the output, which comes at once, and goes out with it: one
# packet, and much less work, instead of two.
_NOW_AND_LAST = _NOW | int(getattr(socket, "MSG_MORE", 0))

# accept(2) says so of connections that broke while they waited.
_BROKEN_NAMES: Final = (
    "ECONNABORTED EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP "
    "ENETUNREACH"
)
_BROKEN: Final = frozenset(getattr(errno, name, None) for name in _BROKEN_NAMES.split())
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_TRY_AGAIN = 0.1  # seconds, after the system has run out of something


class Entrance(trio.abc.Listener[AcceptedStream]):
    """A listener that lets in whom a gate admits.

    Args:
      listener: a bound socket; it is taken over.
      gate: says who is served.
      at_once: answers what can be answered without waiting.
      words: whether those who are refused are told so, which over TLS they cannot be.
    """

    def __init__(
        self,
        listener: trio.SocketListener,
        gate: Gate,
        *,
        at_once: AnswerAtOnce | None = None,
        words: bool = True,
    ) -> None:
        self._socket = socket.socket(fileno=listener.socket.detach())
        self._kind = int(self._socket.family), int(self._socket.type), self._socket.proto
        self._unread = bytearray(4)  # an integer, how many bytes are
        self._gate = gate
        self._at_once = at_once
        self._words = gate.limits.words if words else {}
        if at_once is not None and self._socket.family != socket.AF_UNIX:
            # Then most questions are here when their connection is.
            with suppress(AttributeError, OSError):  # elsewhere than on Linux
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_SECONDS)

    async def accept(self) -> AcceptedStream:
        """Return the next connection that has to be served by a task of its own.

        Raises:
          trio.ClosedResourceError: this is closed.
        """
        # Here and not before returning, where being cancelled would lose a connection.
        await trio.lowlevel.checkpoint()
        while True:
            now = trio.current_time()
            for _ in range(_BATCH):
                try:
                    stream = self._take(now)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self._socket)
                    break
                except OSError as error:
                    await self._get_over(error)
                    break
                if stream is not None:
                    return stream
            else:
                await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Accept nothing more."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    async def _get_over(self, error: OSError) -> None:
        """Let the system recover from what it says of accepting."""
        if error.errno in _EXHAUSTED:
            self._gate.note_exhausted(error)
            await trio.sleep(_TRY_AGAIN)
        elif error.errno == errno.EBADF:
            raise trio.ClosedResourceError from None
        elif error.errno not in _BROKEN:
            raise error
        await trio.lowlevel.checkpoint()

    def _take(self, now: float) -> AcceptedStream | None:
        """Accept one connection; return it unless nothing is left to do with it."""
        # What `socket.accept` does, but for the objects of enumerations that it makes of the
        # family and the type: half of the time that Python takes for a connection.
        descriptor, address = self._socket._accept()  # type: ignore[attr-defined]
        accepted = SocketType(*self._kind, descriptor)
        # On a UNIX socket it is no address, but a text.
        host = address[0] if isinstance(address, tuple) else None
        if host is not None and host.startswith(_PERHAPS_MAPPED):
            host = str(parse_ip(host))
        try:
            if self._gate.has_proxies and self._gate.is_proxy(host):
                # Whom it speaks for is still to be read.
                return self._hand_on(accepted, address, host)
            refusal = self._gate.refuse(host, now)
            if refusal is not None:
                self._turn_away(accepted, self._words.get(refusal, b""))
                return None
            if self._at_once is None:
                return self._hand_on(accepted, address, host)
            return self._answer_at_once(accepted, address, host, self._at_once)
        except OSError:
            accepted.close()  # the client is gone
        except Exception as fault:
            # What leaves this would end the door, as what leaves a handler would.
            accepted.close()
            self._gate.fault(fault, host or "?")
        return None

    def _answer_at_once(
        self, accepted: SocketType, address: Any, host: str | None, at_once: AnswerAtOnce
    ) -> AcceptedStream | None:
        try:
            received = accepted.recv(_CHUNK, _NOW)
        except BlockingIOError:  # nothing has come yet
            return self._hand_on(accepted, address, host)
        try:
            answer = at_once(received, host) if len(received) < _CHUNK else None
        except Exception:  # its handler will fail, too, and is contained
            answer = None
        if answer is None:
            return self._hand_on(accepted, address, host, received)
        sent = accepted.send(answer, _NOW_AND_LAST)
        self._gate.counts.accepted += 1
        if sent < len(answer):
            return self._hand_on(accepted, address, host, unsent=answer[sent:])
        # Before the last look: what comes after that resets the connection, and would take
        # an answer along which waits for `close`.
        accepted.shutdown(socket.SHUT_WR)
        ioctl(accepted, FIONREAD, self._unread)  # a third of what receiving nothing takes
        if any(self._unread):  # and more may come: closing now would reset the connection
            return self._hand_on(accepted, address, host, unsent=b"")
        accepted.close()
        return None

    def _hand_on(
        self,
        accepted: SocketType,
        address: Any,
        host: str | None,
        received: bytes = b"",
        unsent: bytes | None = None,
    ) -> AcceptedStream | None:
        """Return *accepted* as a stream, if there is room for one more."""
        if self._gate.is_full(host):
            if unsent:  # what is missing shall not be taken for the end
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            accepted.close()
            return None
        stream = socket.socket(*self._kind, accepted.detach())
        self._gate.enter(accepted_already=unsent is not None)
        return AcceptedStream(
            trio.SocketStream(trio.socket.from_stdlib_socket(stream)),
            source=None if host is None else Address(host, address[1]),
            received=received,
            unsent=unsent,
            on_close=self._gate.leave,
        )

    def _turn_away(self, accepted: SocketType, words: bytes) -> None:
        """Close *accepted*, after some *words*, if they can be sent just now."""
        if words:
            # What is left unread would make the kernel reset the connection.
            with suppress(BlockingIOError):
                accepted.recv(_SKIP, _NOW)
            accepted.send(words, _NOW_AND_LAST)
            accepted.shutdown(socket.SHUT_WR)
        accepted.close()
