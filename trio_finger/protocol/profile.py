"""What changes rarely about a user, as the TOML users file has it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a user is; every text is clean, and empty where there is nothing to say.

    Attributes:
      full_name: one line.
      plan: any number of lines, each but the last ended by LF.
      project: one line.
      links: addresses of pages, each ``http://`` or ``https://``.
      hidden: this user exists for themselves and the operator alone.
      webfinger: whoever asks by WebFinger is told where to find this user's pages.
    """

    full_name: str = ""
    plan: str = ""
    project: str = ""
    links: tuple[str, ...] = ()
    hidden: bool = False
    webfinger: bool = False
