"""``trio-finger set``: says what one is up to, over the control socket."""

import os
import pwd
from io import TextIOWrapper
from pathlib import Path

import click

from trio_finger.cli._configuration import find_config, no_config
from trio_finger.cli._messages import fail
from trio_finger.cli._types import NAME
from trio_finger.protocol.setter import SetRequest
from trio_finger.protocol.text import MAX_PLAN

_SECONDS = 30  # for the daemon to answer; its disk may be slow


@click.command("set")
@click.option(
    "--for",
    "lasts",
    metavar="DURATION",
    help='For how long it holds, such as "30m", "2h" or "3d".',
)
@click.option(
    "--until",
    metavar="TIME",
    help='Until when it holds: "17:30", "2026-11-21 17:30", in the time zone of the daemon.',
)
@click.option("--clear", is_flag=True, help="Go back to what the users file says.")
@click.option(
    "--plan",
    metavar="FILE",
    type=click.File(encoding="utf-8"),
    help='Set the plan to what is in this file ("-": standard input); an empty one clears it.',
)
@click.option(
    "--user", type=NAME, help="Whose it is; only root and the daemon's own user may set another's."
)
@click.option(
    "--socket",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The control socket.  [default: the first unix: address of [setter] in the configuration]",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.  [default: as the daemon finds it]",
)
@click.argument("status", nargs=-1)
def set_(
    lasts: str | None,
    until: str | None,
    clear: bool,
    plan: TextIOWrapper | None,
    user: str | None,
    socket: Path | None,
    config: Path | None,
    status: tuple[str, ...],
) -> None:
    """Say what you are up to.

    STATUS may be several words, with or without quotes. The daemon on this machine is
    told, at its control socket, and the kernel tells it who you are.
    """
    text = " ".join(status).strip()
    if clear and text:
        raise click.UsageError("either a status, or --clear")
    if not (clear or text or plan):
        raise click.UsageError("say what you are up to, or --clear, or --plan FILE")
    if lasts and until:
        raise click.UsageError("either --for or --until")
    if (lasts or until) and not text:
        raise click.UsageError("--for and --until need a status that ends")
    request = SetRequest(
        name=user or _own_name(),
        status="" if clear else text or None,
        plan=_read_plan(plan) if plan else None,
        lasts=lasts,
        until=until,
    )

    import trio

    from trio_finger.client import SetError, send_request

    try:
        click.echo(trio.run(send_request, socket or _find_socket(config), request, _SECONDS))
    except SetError as error:
        fail(str(error))


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        fail("you have no name on this machine; say whose status it is with --user")


def _read_plan(file: TextIOWrapper) -> str:
    try:
        return file.read(MAX_PLAN + 1)  # more than that is refused anyway
    except UnicodeDecodeError:
        fail(f"{file.name}: not UTF-8 text")


def _find_socket(named: Path | None) -> Path:
    path = find_config(named) or no_config()

    from trio_finger.config import ConfigError, load_config

    reason = f'{path}: [setter] has no "unix:" address to listen on'
    try:
        config = load_config(path)
    except ConfigError as error:
        # A key that only the daemon may read, say, is no reason not to find its socket.
        config, reason = error.rest, str(error)
    if config.setter is None or config.setter.control is None:
        fail(f"{reason}\nname the control socket with --socket")
    return Path(config.setter.control.path)
