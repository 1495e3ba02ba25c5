"""Whether it is one of our own pages for which a browser asks."""

from collections.abc import Collection
from urllib.parse import urlsplit

from trio_finger.protocol.address import parse_ip


def is_foreign(
    origin: str | None, fetch_site: str | None, host: str, *, secure: bool, names: Collection[str]
) -> bool:
    """Whether a browser asks for a page that is not ours.

    It says so in Sec-Fetch-Site if it knows that, and in Origin. An origin that is the very
    host that was asked is ours only if that is a name of ours: another site may have given
    its own name our address (DNS rebinding). No browser sends anything that sets, nor opens a
    WebSocket, without an Origin; and other programs send none.

    Args:
      origin: the ``Origin``, if there is one.
      fetch_site: the ``Sec-Fetch-Site``, if there is one.
      host: the ``Host``: who was asked.
      secure: whether that was over TLS.
      names: what we are called, casefolded; by an IP address anybody may call us.
    """
    if fetch_site not in (None, "none", "same-origin"):
        return True
    if origin is None:
        return False
    asked = host.casefold()
    try:
        name = urlsplit(f"//{asked}").hostname
    except ValueError:
        return True
    # Where we see no TLS there may be some, up to a proxy; where we do, there is.
    ours = {f"https://{asked}", f"{'https' if secure else 'http'}://{asked}"}
    return origin.casefold() not in ours or not (name in names or _is_ip_address(name))


def _is_ip_address(host: str | None) -> bool:
    try:
        parse_ip(host or "")
    except ValueError:
        return False
    return True
