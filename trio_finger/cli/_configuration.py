"""Which configuration is meant, and what the command line changes in it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from trio_finger.cli._messages import fail
from trio_finger.config import Config, Finger, load_config
from trio_finger.protocol.address import Address
from trio_finger.protocol.text import TextError, parse_name, parse_status

_PLACES = (Path("config.toml"), Path("/etc/trio-finger/config.toml"))


def find_config(named: Path | None) -> Path | None:
    """Return *named*, or else the first place that has a configuration file, if any has."""
    if named is not None:
        return named
    return next((place for place in _PLACES if place.is_file()), None)


def no_config() -> NoReturn:
    """Say that there is no configuration, and what would help."""
    fail(f"no {' or '.join(map(str, _PLACES))}; name a configuration file with --config")


@dataclass(frozen=True, slots=True)
class Overrides:
    """The command line's part in the configuration.

    Attributes:
      path: the configuration file, if there is one.
      port: where finger listens on loopback instead.
      users: who is listed besides, as ``(name, status)``.
    """

    path: Path | None
    port: int | None
    users: tuple[tuple[str, str], ...]

    @property
    def address(self) -> Address | None:
        """Where finger listens instead, if so."""
        return None if self.port is None else Address("127.0.0.1", self.port)

    def load(self) -> Config:
        """Read the configuration.

        Raises:
          ConfigError: the file has faults.
          SystemExit: there is none, and nothing else to go by.
        """
        if self.path is not None:
            config = load_config(self.path)
        elif self.port is not None or self.users:
            config = Config(finger=Finger())
        else:
            no_config()
        if self.address is not None:
            finger = dataclasses.replace(config.finger or Finger(), listen=(self.address,))
            config = dataclasses.replace(config, finger=finger)
        return dataclasses.replace(config, given=self.users)


class Given(click.ParamType[tuple[str, str]]):
    """A ``NAME=STATUS`` on the command line."""

    name = "NAME=STATUS"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, status = value.partition("=")
        if not equals:
            self.fail(f"{value!r} has no equals sign", param, ctx)
        try:
            return parse_name(name), parse_status(status)
        except TextError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
