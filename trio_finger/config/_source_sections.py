"""``[[source]]`` and ``[service.NAME]``: where a status can come from without being set.

What a person has set comes before all of these, and the users file comes next. The sources
are asked in the order of the file, for names of which nobody has said a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

from trio_finger.config._elsewhere import Command, FingerHost, UserUrl
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.size import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What every source has.

    Attributes:
      timeout: how long one question may take in all, in seconds.
      ttl: for how long an answer is taken for true, in seconds, and so is that there is none.
      stale: for how long after that the answer is still given while the source fails.
      max_size: the longest answer, in bytes; one that is longer counts as a failure, but that
        a plan is cut.
    """

    timeout: Duration = Duration(5)
    ttl: Duration = Duration(60)
    stale: Duration = Duration(3600)
    max_size: Size = Size(64 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSource(_Asked):
    """``kind = "web"``: a web site that tells a status at an address of its own for each user.

    Attributes:
      url: the address, with ``{user}`` in it.
    """

    kind: ClassVar = "web"
    url: UserUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSource(_Asked):
    """``kind = "plan"``: what people with an account here have in ``~/.plan``.

    Attributes:
      uid_min: accounts with a lower number are the system's own.
      shells: accounts have to have one of these; empty for what /etc/shells names.
      spool: a folder with a file of everybody's name, for homes that others cannot read.
    """

    kind: ClassVar = "plan"
    uid_min: int = 1000
    shells: tuple[str, ...] = ()
    spool: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(_Asked):
    """What everything has that runs a program.

    Attributes:
      concurrency: how many of it run at once.
      memory: how much each may take, in bytes.
      cpu: how much processor time each may take, in seconds.
    """

    concurrency: int = 4
    memory: Size = Size(256 << 20)
    cpu: Duration = Duration(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramSource(Program):
    """``kind = "program"``: what a program prints.

    Attributes:
      command: the program, and its arguments with ``{user}`` among them.
    """

    kind: ClassVar = "program"
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerSource(_Asked):
    """``kind = "finger"``: another finger server.

    Attributes:
      host: the server.
    """

    kind: ClassVar = "finger"
    host: FingerHost


Source: TypeAlias = WebSource | PlanSource | ProgramSource | FingerSource

# By what stands in ``kind``.
KINDS: Final[Mapping[str, type[Source]]] = MappingProxyType(
    {section.kind: section for section in (WebSource, PlanSource, ProgramSource, FingerSource)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Program):
    """``[service.NAME]``: something that answers to a name as people do (RFC 1288, 2.5.5).

    Attributes:
      file: a text that is its answer.
      command: a program that prints its answer; ``{argument}`` among its arguments is what
        was asked for after a colon, as ``oslo`` in ``weather:oslo``.
      title: what the list says of it.
    """

    file: Path | None = None
    command: Command = Command()
    title: str = ""
    max_size: Size = Size(1 << 20)
