"""What the values of options may be."""

from collections.abc import Callable
from typing import Any

import click

from trio_finger.protocol.duration import parse_duration
from trio_finger.protocol.text import parse_name


class Parsed(click.ParamType[Any]):
    """A text that *parse* understands; the `ValueError` that it raises says what would be one."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Parsed("DURATION", parse_duration)
NAME = Parsed("NAME", parse_name)
