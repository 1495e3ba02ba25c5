"""``kind = "web"``: what a web site says of somebody, at an address of its own for each.

The site is asked over HTTP/1.1, and is not believed more than anybody else on the network:
no answer is longer than was agreed, none is unpacked, and none sends us to another site.
"""

import re
import ssl
import string
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import trio

from trio_finger import __version__, config
from trio_finger.protocol.text import MAX_STATUS, TextError, clean, decode, shorten
from trio_finger.sources._source import Asker, Circle, Found, SourceError, too_long

if TYPE_CHECKING:
    from trio_finger.sources._web_connection import Connection

_KEPT: Final = 8  # connections to the site that are kept for the next question
_REDIRECTS: Final = 3  # in a row
_HOPS: Final = 4  # daemons through which a question may come; more ask in a circle

# Seconds for the rest of an answer that says enough by its number. It is read for no more
# than that the connection can be used again.
_COURTESY: Final = 1

# Characters, of an answer and of a line of it, among which the status is looked for.
_LOOKED_AT: Final = 8 * 1024
_MAX_LINE: Final = 4 * MAX_STATUS

_NO_SUCH_USER: Final = frozenset({404, 410})
_ELSEWHERE: Final = frozenset({301, 302, 303, 307, 308})

# What may not stand in the name of a daemon on the way (RFC 9110, 7.6.3 and 5.6.2).
_NOT_IN_VIA: Final = re.compile(r"[^!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]")
_MAX_VIA: Final = 255  # characters of such a name


class Web:
    """A web site that can be asked.

    Args:
      config: its section.
      identity: our name among daemons that ask each other; it should be nobody else's.
      tls: whose certificates are good, if not those that this machine trusts.

    Raises:
      ValueError: the host or the port of the address is none.
    """

    def __init__(
        self, config: config.WebSource, identity: str, *, tls: ssl.SSLContext | None = None
    ) -> None:
        parts = urlsplit(config.url)
        self._scheme, self._host, self._port = _origin(parts)
        self._tls = (tls or ssl.create_default_context()) if self._scheme == "https" else None
        # What httpcore makes of a host is no good for IPv6.
        host = self._host.partition("%")[0]
        self._authority = f"[{host}]" if ":" in host else host
        if parts.port is not None:
            self._authority += f":{parts.port}"
        self._template = _target(parts)
        self._max_size = config.max_size
        self._identity = _spell(identity)
        self._idle: list[Connection] = []  # at most _KEPT
        self._closed = False

    async def ask(self, name: str, asker: Asker) -> Found | None:
        """Return what the site says of *name*, as `Source` has it."""
        if self.circle(name, asker) is Circle.YES:
            return None
        via = (*map(_spell, asker.via), self._identity)
        headers = (
            ("Host", self._authority),
            ("User-Agent", f"trio-finger/{__version__}"),
            ("Accept", "text/plain"),
            ("Accept-Encoding", "identity"),  # nothing that could grow when it is unpacked
            ("Via", ", ".join(f"1.1 {daemon}" for daemon in via)),
        )
        target = self._template.replace("{user}", quote(name, safe=""))
        for _ in range(1 + _REDIRECTS):
            answer = await self._get(target, headers)
            if not isinstance(answer, _Redirect):
                return answer
            target = self._follow(target, answer)
        raise SourceError("redirects too often")

    def circle(self, name: str, asker: Asker) -> Circle:
        """Return whether it came through us before, or through so many that it may have."""
        is_ours = len(asker.via) >= _HOPS or self._identity in map(_spell, asker.via)
        return Circle.YES if is_ours else Circle.NO

    async def aclose(self) -> None:
        """Close the connections that are kept, and keep none from now on."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    async def _get(
        self, target: str, headers: Sequence[tuple[str, str]]
    ) -> "Found | _Redirect | None":
        """Ask for *target*, twice if need be.

        The site may end a connection that is kept just when it is used again. It has not
        failed by that, and asking again changes nothing there.
        """
        # httpcore takes a while to import, and only who has such a source needs it.
        from trio_finger.sources._web_connection import Connection, StaleError

        while self._idle:
            kept = self._idle.pop()
            if kept.is_good:
                with suppress(StaleError):
                    return await self._exchange(kept, target, headers)
                break
            kept.close()
        fresh = Connection(self._scheme, self._host, self._port, self._tls)
        return await self._exchange(fresh, target, headers)

    async def _exchange(
        self, connection: "Connection", target: str, headers: Sequence[tuple[str, str]]
    ) -> "Found | _Redirect | None":
        with self._lent(connection):
            response = await connection.ask(target, headers)
            answered: dict[bytes, bytes] = {}
            for name, value in response.headers:
                key = name.lower()
                answered[key] = b", ".join([answered[key], value]) if key in answered else value
            if response.status == 200:
                self._check(answered)
                return Found(_first_line(await connection.read(response, self._max_size)))
            if response.status not in _NO_SUCH_USER | _ELSEWHERE:
                raise SourceError(f"answered {response.status}")
            with trio.move_on_after(_COURTESY), suppress(SourceError):
                await connection.read(response, self._max_size)
            return None if response.status in _NO_SUCH_USER else _Redirect(answered)

    @contextmanager
    def _lent(self, connection: "Connection") -> Iterator[None]:
        """Keep *connection* afterwards if it can be used again, and close it otherwise."""
        try:
            yield
        finally:
            if connection.is_good and len(self._idle) < _KEPT and not self._closed:
                self._idle.append(connection)
            else:
                connection.close()

    def _check(self, headers: dict[bytes, bytes]) -> None:
        """Refuse an answer by what it says of itself, before it is read."""
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise SourceError("answered in an encoding that it was not asked for")
        if not headers.get(b"content-type", b"text/plain").lower().startswith(b"text/"):
            raise SourceError("answered with something else than text")
        if int(headers.get(b"content-length", b"0")) > self._max_size:
            raise too_long(self._max_size)

    def _follow(self, target: str, answer: "_Redirect") -> str:
        """Return what to ask for instead of *target*; never anything of another site."""
        try:
            location = answer[b"location"].decode()
            parts = urlsplit(urljoin(f"{self._scheme}://{self._authority}{target}", location))
            here = _origin(parts) == (self._scheme, self._host.partition("%")[0], self._port)
        except (KeyError, ValueError):
            here = False
        if not here:
            raise SourceError("redirects to elsewhere")
        return _target(parts)


class _Redirect(dict[bytes, bytes]):
    """The headers of an answer that is to be had at another address."""


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    """Return whom an address is of: scheme, host and port.

    Raises:
      ValueError: the host or the port is none.
    """
    host = (parts.hostname or "").encode("idna").decode()
    if not host:
        raise ValueError("there is no host")
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, host, default if parts.port is None else parts.port


def _target(parts: SplitResult) -> str:
    """Return what to ask the host of an address for, in ASCII (RFC 9112, 3.2.1)."""
    query = f"?{parts.query}" if parts.query else ""
    return quote((parts.path or "/") + query, safe=string.punctuation)


def _spell(daemon: str) -> str:
    """Return the name of a daemon as it can stand in a header; it may be a stranger's word."""
    return _NOT_IN_VIA.sub("_", daemon[:_MAX_VIA]) or "_"


def _first_line(body: bytes) -> str:
    """Return the first line of *body* in which there is anything, cut to a status."""
    try:
        text = decode(body)
    except TextError:
        raise SourceError("answered in something else than UTF-8") from None
    for line in re.split(r"[\r\n]+", text[:_LOOKED_AT]):
        if status := clean(line[:_MAX_LINE]).strip():
            return shorten(status, MAX_STATUS)
    return ""
