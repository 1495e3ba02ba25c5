"""What the pages have to know of the whole daemon."""

from dataclasses import dataclass

from trio_finger.protocol.forwarded import Proxy


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages tell their reader about the other doors, and where they are themselves.

    Attributes:
      name: the host name to use.
      finger_port: where finger answers, if it does.
      setter_port: where the setter listens, if it does.
      control: whether ``trio-finger set`` is listened to.
      irc_nick: who to write to on IRC, if the bot is there.
      url: our public address, without a slash at its end, if the configuration names it.
      trusted_proxies: who is believed in what they say of the client.
    """

    name: str
    finger_port: int | None = None
    setter_port: int | None = None
    control: bool = False
    irc_nick: str | None = None
    url: str | None = None
    trusted_proxies: tuple[Proxy, ...] = ()
