"""What a command says besides its answer: words on standard error, and the exit code."""

import sys
from contextlib import suppress
from io import UnsupportedOperation
from typing import NoReturn

import click


def fail(words: str) -> NoReturn:
    """Say *words* on standard error and exit with 1."""
    click.echo(words, err=True)
    sys.exit(1)


def log_to_standard_error() -> None:
    """Have what is logged meanwhile, such as progress, go where messages go, for people.

    Unless that is told, it would go where answers do.
    """
    from trio_finger.log import configure_log

    # Whoever runs commands in a process of theirs may catch messages without a file.
    with suppress(UnsupportedOperation):
        configure_log("info", "console")
