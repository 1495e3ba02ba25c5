"""The sections of the configuration: what each key is called, holds, and defaults to.

A key without a default must stand in its section. A section that is left out turns
its service off; ``None`` stands for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from trio_finger.config._elsewhere import HostPattern, SiteUrl
from trio_finger.config._source_sections import Service, Source
from trio_finger.config._types import Natural, Network, Nick, StoreUrl
from trio_finger.protocol.address import Address, Listen, UnixAddress
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.forwarded import Proxy
from trio_finger.protocol.rate import Rate

# What of a user the finger door may show or withhold.
FingerField = Literal["status", "since", "until", "web", "project"]

# What a key is in a file that leaves it out, where that needs to know where the file is.
IN_FILE: Final = "in file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """``[daemon]``

    Attributes:
      name: the host name that answers and links use.
      user: whom a daemon that root starts becomes, once it has bound its sockets.
      grace: how long a stop waits for work under way, in seconds.
    """

    name: str = "localhost"
    user: str = "nobody"
    grace: Duration = Duration(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """``[users]``

    Attributes:
      file: lines ``name: status``; or TOML, a table a user, if its name ends in ``.toml``.
      refresh: the file is looked at again at least this often, in seconds.
      create: whether a status may be set for a name that the file lacks.
    """

    file: Path
    refresh: Duration = Duration(30)
    create: bool = True

    @property
    def is_toml(self) -> bool:
        """Whether the file is TOML, and not lines."""
        return self.file.suffix.lower() == ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """``[store]``

    Attributes:
      url: where what people set is kept.
      history: how many statuses of each user are remembered.
    """

    url: StoreUrl = field(default=StoreUrl("memory:"), metadata={IN_FILE: "sqlite:trio-finger.db"})
    history: Natural = Natural(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finger:
    """``[finger]``

    Attributes:
      listen: where; port 79 is finger's own.
      tls_listen: the same over TLS.
      list: whether the empty query is answered with everybody.
      plan: whether long answers have plans.
      fields: what answers show of users besides their login, full name and plan.
      match: who answers to a name: whoever has it, or also those with it in their full name.
      charset: what answers are written in; ASCII is for old clients.
      format: what answers a query without ``/W``: the status alone, or the long form.
      relay: the hosts that queries may be forwarded to; empty refuses all.
      timeout: from accepting to the end of the query, in seconds.
      max_connections: how many are served at once; more are closed at once.
      rate: how many connections one source may make: an IPv4 address, an IPv6 network of 64
        bits; ``None`` for any number.
      allow: the networks that are served; empty for all.
      deny: the networks that are not, though `allow` has them.
      trusted_proxies: who has to send a PROXY header, and is believed.
    """

    listen: tuple[Listen, ...] = (Address("127.0.0.1", 7079),)
    tls_listen: tuple[Listen, ...] = ()
    list: bool = True
    plan: bool = True
    fields: tuple[FingerField, ...] = get_args(FingerField)
    match: Literal["exact", "names"] = "exact"
    charset: Literal["utf-8", "ascii"] = "utf-8"
    format: Literal["status", "full"] = "status"
    relay: tuple[HostPattern, ...] = ()
    timeout: Duration = Duration(10)
    max_connections: int = 10_000
    rate: Rate | None = Rate(20, 1)
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setter:
    """``[setter]``

    Attributes:
      listen: where.
      tls_listen: the same over TLS.
      open: confirms that anyone who reaches an address beyond loopback may set
        anyone's status.
      allow: the networks that may use the TCP addresses; empty for all that reach them.
    """

    listen: tuple[Listen, ...] = field(
        default=(Address("127.0.0.1", 7179),),
        metadata={IN_FILE: ["127.0.0.1:7179", "unix:run/setter.sock"]},
    )
    tls_listen: tuple[Listen, ...] = ()
    open: bool = False
    allow: tuple[Network, ...] = ()

    @property
    def control(self) -> UnixAddress | None:
        """The socket at which ``trio-finger set`` asks."""
        return next((place for place in self.listen if isinstance(place, UnixAddress)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """``[web]``

    Attributes:
      listen: where pages and XML-RPC are served.
      tls_listen: the same over TLS.
      url: the address at which the world finds the pages, perhaps through a proxy; ``None``
        if that is what each request asks for.
      trusted_proxies: who is believed in what they say of the client.
    """

    listen: tuple[Listen, ...] = (Address("127.0.0.1", 8000),)
    tls_listen: tuple[Listen, ...] = ()
    url: SiteUrl | None = None
    trusted_proxies: tuple[Proxy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """``[tls]``: for every ``tls_listen``

    Attributes:
      certificate: a file in PEM, with the certificates that lead to a known one after it.
      key: a file in PEM that belongs to it.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Irc:
    """``[irc]``

    Attributes:
      server: the server to connect to.
      nick: what the bot is called there.
    """

    server: Address
    nick: Nick = Nick("fingerbot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """``[log]``

    Attributes:
      level: the least that is logged.
      format: for people, or for programs.
      access: whether every finger query is a record, too.
      addresses: whether records say where people come from.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    access: bool = False
    addresses: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """``[metrics]``

    Attributes:
      listen: where Prometheus finds the counts of every door.
    """

    listen: tuple[Listen, ...] = (Address("127.0.0.1", 9479),)
    tls_listen: tuple[Listen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, one attribute a section.

    Attributes:
      source: where statuses come from that nobody has set, in the order of asking.
      service: what answers to a name as people do, by that name.
      given: users named on the command line, as ``(name, status)``.
    """

    daemon: Daemon = field(default_factory=Daemon)
    users: Users | None = None
    store: Store = field(default_factory=Store)
    finger: Finger | None = None
    setter: Setter | None = None
    web: Web | None = None
    irc: Irc | None = None
    tls: Tls | None = None
    metrics: Metrics | None = None
    log: Log = field(default_factory=Log)
    source: tuple[Source, ...] = ()
    service: Mapping[str, Service] = field(default_factory=dict)
    given: tuple[tuple[str, str], ...] = ()
