"""WebFinger (RFC 7033): what there is about an account, for whoever knows its name.

Asked for is a resource, which is a URI: ``acct:moshez@finger.example`` (RFC 7565), or the
address of a page. The answer is a JSON Resource Descriptor: links to what there is.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

JRD_TYPE: Final = "application/jrd+json"

# What cannot stand in a URI has to be written as %XX there; letters of other alphabets may
# be found as they are (RFC 3987).
_URI: Final = re.compile(
    r"""[A-Za-z][A-Za-z0-9+.-]*:(?:[^\x00-\x20\x7f-\xa0\s%<>"{}|\\^`]|%[0-9A-Fa-f]{2})+"""
)
_ACCOUNT: Final = re.compile(
    r"acct:(?P<user>[^@:/?#\[\]]+)@(?P<host>[^@:/?#\[\]]+|\[[0-9a-f:.]+\])",
    re.ASCII | re.IGNORECASE,
)
_IN_ACCOUNTS: Final = "!$&'()*+,;="  # as they are (RFC 7565, 7), besides letters and such
_IN_URIS: Final = "!$&'()*+,;=:/?#[]@%"  # likewise (RFC 3986, 2)

_USUAL_PORTS: Final = {"http": ":80", "https": ":443"}


class WebFingerError(ValueError):
    """A question that makes no sense; ``str()`` of it says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    Attributes:
      resource: of what; a URI.
      rels: which links are wanted; all of them if it is empty.
    """

    resource: str
    rels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Link:
    """One thing that there is.

    Attributes:
      rel: what it is to the account: a registered relation, or a URI.
      href: where it is; other than in a URI, any letters may stand in it.
      type: its media type; empty if that is not known.
    """

    rel: str
    href: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What there is about an account.

    Attributes:
      subject: the account; a URI.
      aliases: what else it is called; URIs.
      properties: what is to be said of it, by URIs that name what that is.
      links: the most important first.
    """

    subject: str
    aliases: Sequence[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    links: Sequence[Link] = ()


def parse_query(query: bytes) -> Query:
    """Parse what stands behind the question mark (RFC 7033, 4.1); unknown keys say nothing.

    It is no form: a ``+`` in it is one, and no blank.

    Raises:
      WebFingerError: not one resource is named, or it is no URI.
    """
    values: dict[bytes, list[str]] = {b"resource": [], b"rel": []}
    for item in query.split(b"&"):
        key, _, value = item.partition(b"=")
        if key in values:
            values[key].append(_unquote(value))
    if len(values[b"resource"]) != 1:
        raise WebFingerError("one resource has to be named: ?resource=acct:NAME@HOST")
    [resource] = values[b"resource"]
    if not _URI.fullmatch(resource):
        raise WebFingerError("the resource is no URI such as acct:NAME@HOST")
    return Query(resource, frozenset(values[b"rel"]))


def find_name(resource: str, hosts: Collection[str], url: str) -> str | None:
    """Return whose account or page *resource* is; ``None`` if it is none of ours.

    Args:
      resource: a URI.
      hosts: what we are called, casefolded.
      url: our public address, without a slash at its end.

    Raises:
      WebFingerError: it is not what it begins like.
    """
    scheme = resource.partition(":")[0].lower()
    if scheme == "acct":
        account = _ACCOUNT.fullmatch(resource)
        if account is None:
            raise WebFingerError("an account is acct:NAME@HOST")
        is_ours = account["host"].strip("[]").casefold() in hosts
        return _unquote(account["user"]) if is_ours else None
    if scheme not in _USUAL_PORTS:
        return None
    try:
        page, ours = urlsplit(resource), urlsplit(url)
    except ValueError:
        raise WebFingerError("the resource is no address of a page") from None
    # With TLS or without: a proxy before us may know better than we do.
    place = _place(page.scheme, page.netloc)
    if place != _place(ours.scheme, ours.netloc) and place not in hosts:
        return None
    begin = f"{ours.path}/"
    if page.query or page.fragment or not page.path.startswith(begin):
        return None
    return _unquote(page.path[len(begin) :].removeprefix("~"))


def format_account(name: str, host: str) -> str:
    """Return the URI of the account of *name* at *host*."""
    return f"acct:{quote(name, safe=_IN_ACCOUNTS)}@{f'[{host}]' if ':' in host else host}"


def format_descriptor(descriptor: Descriptor, rels: Collection[str] = ()) -> bytes:
    """Format *descriptor* as JSON, with the links that *rels* ask for; none ask for all."""
    links = [
        {
            "rel": link.rel,
            **({"type": link.type} if link.type else {}),
            "href": quote(link.href, safe=_IN_URIS),
        }
        for link in descriptor.links
        if not rels or link.rel in rels
    ]
    document = {
        "subject": descriptor.subject,
        "aliases": list(descriptor.aliases),
        "properties": dict(descriptor.properties),
        "links": links,
    }
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def _place(scheme: str, netloc: str) -> str:
    return netloc.casefold().removesuffix(_USUAL_PORTS.get(scheme, ":"))


def _unquote(text: str | bytes) -> str:
    """Return *text* with what is written as %XX decoded.

    Raises:
      WebFingerError: that is not UTF-8.
    """
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise WebFingerError("what is quoted in it is not UTF-8 text") from None
