"""What people ask of the finger client: ``[user][@host[:port]]`` and ``finger://`` addresses."""

import re
from dataclasses import dataclass, replace
from urllib.parse import unquote

from trio_finger.protocol.address import Address, AddressError, parse_address
from trio_finger.protocol.finger import FINGER_PORT, Query, format_query, parse_query
from trio_finger.protocol.text import is_line

_SCHEME = "finger://"
_ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)  # RFC 3986, 3.1
_WRONG_QUOTE = re.compile(r"%(?![0-9a-f]{2})", re.ASCII | re.IGNORECASE)  # 2.1


class TargetError(ValueError):
    """A target that cannot be asked; ``str()`` of it says what would be one."""


@dataclass(frozen=True, slots=True)
class Target:
    """A question and the server to ask.

    Attributes:
      query: what to send.
      host: the server's name or address.
      port: its port.
    """

    query: Query
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"

    @property
    def place(self) -> str:
        """The server as in what `parse_target` takes, without the usual port."""
        return str(Address(self.host, self.port)).removesuffix(f":{FINGER_PORT}")


def parse_target(text: str) -> Target:
    """Parse ``user@host``, ``user``, ``@host``, ``user@far@near:7079``, ``finger://host/user``.

    Without a host it is this machine, as for every finger client (RFC 1288, 2.3). An "@"
    that no host follows does not mean that: where the host got lost, in a script say,
    another machine's answer would pass for that host's. Nor is ``http://host/`` a user here.

    Raises:
      TargetError: *text* is something else.
    """
    try:
        target = _parse_address(text) if text.lower().startswith(_SCHEME) else _parse_words(text)
        format_query(target.query)
    except ValueError as error:
        raise TargetError(f"{text!r} cannot be asked: {error}") from None
    return target


def verbose(target: Target) -> Target:
    """Return *target* with the long answer asked for."""
    return replace(target, query=replace(target.query, verbose=True))


def _parse_words(text: str) -> Target:
    if scheme := _ANY_SCHEME.match(text):
        raise ValueError(f"{_SCHEME} addresses are understood, not {scheme[0]}")
    local, at, near = text.rpartition("@")
    if not at:
        local, near = text, "localhost"
    return Target(_parse_question(local), *_parse_host(near))


def _parse_address(text: str) -> Target:
    """Parse ``finger://[user@]host[:port][/request]``."""
    place, _, request = text[len(_SCHEME) :].partition("/")
    user, _, near = place.rpartition("@")
    if user and request:
        raise ValueError("it names a user twice")
    # The zone of an address in brackets, which had a bare percent sign once, may have it still.
    if _WRONG_QUOTE.search(f"{user} {near.partition('[')[0]} {request}"):
        raise ValueError('after a "%" there are two hexadecimal digits, or it is "%25"')
    question = unquote(user or request, errors="strict")
    # As RFC 3986, 3.2.2 has it also for hosts, and RFC 6874 for the zone of an address. What
    # parts an address is never quoted (2.2).
    host = unquote(near, errors="strict")
    if any(host.count(mark) > near.count(mark) for mark in ":@[]/"):
        raise ValueError("its host holds a quoted mark, which no host has")
    return Target(_parse_question(question), *_parse_host(host))


def _parse_question(text: str) -> Query:
    if not is_line(text):
        raise ValueError("it holds a control character, such as the end of a line")
    return parse_query(text.encode())


def _parse_host(text: str) -> tuple[str, int]:
    if not text:
        raise ValueError('the host is missing; this machine is asked without "@", or as localhost')
    try:
        with_port = text if text.rpartition("]")[2].count(":") else f"{text}:{FINGER_PORT}"
        address = parse_address(with_port)
    except AddressError as error:
        raise ValueError(str(error)) from None
    if not address.port:
        raise ValueError("port 0 is no port to connect to")
    return address.host, address.port
