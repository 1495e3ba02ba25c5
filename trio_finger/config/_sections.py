"""The sections of the configuration: what each key is called, holds, and defaults to.

A key without a default must stand in its section. A section that is left out turns
its service off; ``None`` stands for it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trio_finger.config._types import Duration, Nick, StoreUrl
from trio_finger.protocol.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """``[daemon]``

    Attributes:
      name: the host name that answers and links use.
      grace: how long a stop waits for work under way, in seconds.
    """

    name: str = "localhost"
    grace: Duration = Duration(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """``[users]``

    Attributes:
      file: lines ``name: status``.
      refresh: the file is looked at again at least this often, in seconds.
      create: whether a status may be set for a name that the file lacks.
    """

    file: Path
    refresh: Duration = Duration(30)
    create: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """``[store]``

    Attributes:
      url: where what people set is kept.
    """

    url: StoreUrl = StoreUrl("memory:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finger:
    """``[finger]``

    Attributes:
      listen: where; port 79 is finger's own.
      list: whether the empty query is answered with everybody.
      timeout: from accepting to the end of the query, in seconds.
      max_connections: how many are served at once; more are closed at once.
    """

    listen: tuple[Address, ...] = (Address("127.0.0.1", 7079),)
    list: bool = True
    timeout: Duration = Duration(10)
    max_connections: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setter:
    """``[setter]``

    Attributes:
      listen: where.
      open: confirms that anyone who reaches an address beyond loopback may set
        anyone's status.
    """

    listen: tuple[Address, ...] = (Address("127.0.0.1", 7179),)
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """``[web]``

    Attributes:
      listen: where pages and XML-RPC are served.
    """

    listen: tuple[Address, ...] = (Address("127.0.0.1", 8000),)


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
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration, one attribute a section.

    Attributes:
      given: users named on the command line, as ``(name, status)``.
    """

    daemon: Daemon = field(default_factory=Daemon)
    users: Users | None = None
    store: Store = field(default_factory=Store)
    finger: Finger | None = None
    setter: Setter | None = None
    web: Web | None = None
    irc: Irc | None = None
    log: Log = field(default_factory=Log)
    given: tuple[tuple[str, str], ...] = ()
