"""An answer over HTTP as a value: the same for whoever sends it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from hashlib import blake2b
from typing import Final

from quart import Response, request

# Nothing but our own style sheet, script and icon: a status that slipped through escaping
# could still neither run nor fetch anything.
HEADERS: Final = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    # Ourselves, forms tell where they are from; without that, browsers name no origin.
    ("referrer-policy", "same-origin"),
)

# A cache may keep it, and asks each time whether it is still so.
REVALIDATE: Final = "no-cache"

XML: Final = "text/xml; charset=utf-8"

# What is answered to a question that is not in the address.
NEVER_KEPT: Final = (("cache-control", "no-store"),)

# What the form of an answer depends on, where there is a choice.
BY_FORM: Final = ("vary", "Accept, User-Agent")


@dataclass(frozen=True)
class Answer:
    """What is answered.

    Attributes:
      body: all of it.
      content_type: what kind of content it is.
      code: the HTTP status.
      headers: besides those that every answer has; names in small letters.
      modified: when it was last different, if that is known (UTC).
    """

    body: bytes
    content_type: str
    code: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    modified: datetime | None = None

    @property
    def kind(self) -> str:
        """The kind of its code, as it is counted."""
        return f"{self.code // 100}xx"

    @property
    def is_kept(self) -> bool:
        """Whether somebody may keep it, and ask later whether it is still so."""
        return self.code == 200 and self.headers != NEVER_KEPT

    @cached_property
    def etag(self) -> str:
        """Names this very content (RFC 9110, 8.8.3)."""
        return blake2b(self.body, digest_size=12).hexdigest()

    @cached_property
    def head(self) -> bytes:
        """What goes before the content over HTTP/1.1, but for the time of day."""
        lines = [f"{name}: {value}\r\n" for name, value in self.all_headers()]
        return f"HTTP/1.1 {self.code} \r\n{''.join(lines)}".encode("latin-1")

    def all_headers(self) -> Iterator[tuple[str, str]]:
        """Yield every header that does not depend on the connection."""
        yield "content-type", self.content_type
        yield "content-length", str(len(self.body))
        if self.is_kept:
            yield "etag", f'"{self.etag}"'
            if self.modified is not None:
                yield "last-modified", format_datetime(self.modified, usegmt=True)
        yield from self.headers
        if all(name != "cache-control" for name, _ in self.headers):
            yield "cache-control", REVALIDATE
        yield from HEADERS


async def respond(answer: Answer) -> Response:
    """Return *answer* as Quart sends it to whoever sent the request under way.

    If they have it already, it is only that (RFC 9110, 13).
    """
    response = Response(answer.body, answer.code, dict(answer.all_headers()))
    if answer.is_kept:
        await response.make_conditional(request)
    return response


def plain(line: str, code: int = 200, *headers: tuple[str, str]) -> Answer:
    """Return *line* as an answer of plain text."""
    return Answer(f"{line}\n".encode(), "text/plain; charset=utf-8", code, headers)


def format_moment(moment: datetime) -> str:
    """Return *moment*, which is of UTC, as programs read it (RFC 3339)."""
    return moment.isoformat().replace("+00:00", "Z")
