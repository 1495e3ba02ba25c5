"""``trio-finger query``: the finger client."""

import sys
from functools import partial

import click

from trio_finger.cli._messages import fail
from trio_finger.cli._types import DURATION, Parsed
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.target import Target, parse_target, verbose
from trio_finger.protocol.terminal import printable

_TARGET = Parsed("TARGET", parse_target)


@click.command()
@click.option("-l", "long", is_flag=True, help="Ask for the long answer (/W).")
@click.option(
    "--timeout",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How long a server may take.",
)
@click.option(
    "--tls",
    "use_tls",
    is_flag=True,
    help="Speak TLS, and only to a server whose certificate is good for HOST.",
)
@click.argument("targets", nargs=-1, type=_TARGET, metavar="[USER][@HOST[:PORT]]...")
def query(long: bool, timeout: Duration, use_tls: bool, targets: tuple[Target, ...]) -> None:
    """Ask what users are up to, or, without a user, who there is.

    Takes finger:// addresses, too. HOST is this machine if it is left out, PORT is 79.
    Exits with 1 if a host could not be asked.

    With --tls, SSL_CERT_FILE in the environment names a file with the certificate of an
    authority to trust.
    """
    import ssl

    import trio

    from trio_finger.client import QueryError, ask_all

    targets = targets or (parse_target(""),)
    if long:
        targets = tuple(map(verbose, targets))
    tls = ssl.create_default_context() if use_tls else None
    answers: list[bytes | QueryError] = []
    try:
        answers = trio.run(partial(ask_all, targets, timeout, tls=tls))
    except* KeyboardInterrupt:
        pass  # it comes in a group, out of a nursery
    if not answers:
        fail("interrupted")
    failed = False
    for target, answer in zip(targets, answers, strict=True):
        if isinstance(answer, QueryError):
            click.echo(str(answer), err=True)
            failed = True
            continue
        if len(targets) > 1:
            click.echo(f"[{target.host}]")
        text = printable(answer)
        click.echo(text, nl=not text.endswith("\n"))
    if failed:
        sys.exit(1)
