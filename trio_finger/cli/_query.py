"""``trio-finger query``: the finger client."""

import os
import re
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from trio_finger.cli._messages import fail
from trio_finger.cli._types import DURATION, Parsed
from trio_finger.protocol.duration import Duration
from trio_finger.protocol.target import Target, parse_target, verbose
from trio_finger.protocol.terminal import printable

if TYPE_CHECKING:
    import ssl

_TARGET = Parsed("TARGET", parse_target)

# Where a line begins that could be taken for the name of a server. What is beyond ASCII may be
# such as does not show.
_LIKE_A_NAME = re.compile(rb"^(?=[\x80-\xff]*\[)", re.MULTILINE)


@click.command()
@click.option("-l", "--long", "long", is_flag=True, help="Ask for the long answer (/W).")
@click.option(
    "--timeout",
    type=DURATION,
    default="10s",
    show_default=True,
    help="How long a server may take, in all.",
)
@click.option(
    "--tls",
    "use_tls",
    is_flag=True,
    help="Speak TLS, and only to a server whose certificate is good for HOST.",
)
@click.option(
    "--8bit/--no-8bit",
    "eight_bit",
    envvar="TRIO_FINGER_8BIT",
    show_envvar=True,
    help="Let bytes that are not UTF-8 through, for a terminal of another encoding; of those "
    "from 0x80 to 0x9F, which are controls there, only with --control.",
)
@click.option(
    "--control",
    is_flag=True,
    help="Let control characters through: a server may then do to the terminal what it likes.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Write the bytes as they came, and nothing else; of several targets one after the other.",
)
@click.argument("targets", nargs=-1, type=_TARGET, metavar="[USER][@HOST[:PORT]]...")
def query(
    long: bool,
    timeout: Duration,
    use_tls: bool,
    eight_bit: bool,
    control: bool,
    raw: bool,
    targets: tuple[Target, ...],
) -> None:
    """Ask what users are up to, or, without a user, who there is.

    Takes finger://HOST[:PORT]/USER and finger://USER@HOST, too. HOST is this machine if it
    is left out with its "@", an IPv6 address is in brackets; PORT is 79. Several targets are
    asked at once, and their answers come in order, each under its [HOST:PORT]. Lines of theirs
    that begin with "[" are set in by a blank then, so that none is taken for that.

    What is not printable is shown as ^[ or <U+202E>, and bytes that are not UTF-8 as U+FFFD.

    Exits with 1 if a host could not be asked, or not to the end; what came of its answer
    is shown all the same.

    With --tls, SSL_CERT_FILE in the environment names a file with the certificate of an
    authority to trust.
    """
    import trio

    from trio_finger.client import QueryError, ask_all

    if sys.stdout is None:
        fail("standard output: closed")
    targets = targets or (parse_target(""),)
    if long:
        targets = tuple(map(verbose, targets))
    tls = _trusting() if use_tls else None
    answers: list[bytes | QueryError] = []
    try:
        answers = trio.run(partial(ask_all, targets, timeout, tls=tls))
    except* KeyboardInterrupt:
        pass  # it comes in a group, out of a nursery
    if not answers:
        fail("interrupted")
    failed = False
    for target, answer in zip(targets, answers, strict=True):
        received = answer.received if isinstance(answer, QueryError) else answer
        if received and not raw:
            # An answer without an end of line does not run into what comes next.
            received += b"" if received.endswith(b"\n") else b"\n"
            show = partial(
                printable, encoding=sys.stdout.encoding, eight_bit=eight_bit, control=control
            )
            received = show(received)
            if len(targets) > 1:
                name = show(f"[{target.place}]\n".encode())
                received = name + _LIKE_A_NAME.sub(b" ", received)
        _write(received)
        if isinstance(answer, QueryError):
            click.echo(str(answer), err=True)
            failed = True
    if failed:
        sys.exit(1)


def _trusting() -> "ssl.SSLContext":
    """Return what finds a server's certificate good or not."""
    import ssl

    context = ssl.create_default_context()
    # Already loaded, if it could be; if not, OpenSSL says nothing and trusts nobody.
    if named := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(named)
        except ssl.SSLError:
            fail(f"SSL_CERT_FILE: {named}: holds no certificate (it should be PEM text)")
        except OSError as error:
            fail(f"SSL_CERT_FILE: {named}: {error.strerror}")
    return context


def _write(data: bytes) -> None:
    """Write *data* to standard output, now, for what follows may be an error about it."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # whoever read has enough; Click ends without a word
    except OSError as error:
        # Python would try again at the end what is left in the buffer, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"standard output: {error.strerror}")
