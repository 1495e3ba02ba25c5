"""How a command fails: words on standard error, and exit code 1."""

import sys
from typing import NoReturn

import click


def fail(words: str) -> NoReturn:
    """Say *words* on standard error and exit with 1."""
    click.echo(words, err=True)
    sys.exit(1)
