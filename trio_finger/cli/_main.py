"""``trio-finger`` itself: without a command it is the daemon."""

import platform
from collections.abc import Iterator
from pathlib import Path
from pyexpat import EXPAT_VERSION

import click

from trio_finger import __version__
from trio_finger.cli._check import check
from trio_finger.cli._configuration import Given, Overrides, find_config
from trio_finger.cli._messages import fail
from trio_finger.cli._query import query
from trio_finger.cli._set import set_
from trio_finger.cli._token import token
from trio_finger.cli._watch import watch


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    click.echo(
        f"trio-finger {__version__} (Python {platform.python_version()}, "
        f"Trio {version('trio')}, {EXPAT_VERSION.replace('_', ' ')})"
    )
    context.exit()


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Signals: SIGTERM and SIGINT finish what is under way and stop; SIGHUP reads the "
    "configuration and the users file again.",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.  [default: ./config.toml, else /etc/trio-finger/config.toml]",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Serve finger on this port of 127.0.0.1 instead."
)
@click.option(
    "--user",
    "users",
    type=Given(),
    multiple=True,
    help="List this user, too, with this status; may be repeated. Without any configuration "
    "file --port and --user serve finger alone.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of trio-finger, Python, Trio and the XML parser, and exit.",
)
@click.pass_context
def main(
    context: click.Context,
    config: Path | None,
    port: int | None,
    users: tuple[tuple[str, str], ...],
) -> None:
    """One status, every door: finger, web, XML-RPC and IRC.

    Without a command, runs the daemon in the foreground.
    """
    if context.invoked_subcommand is not None:
        if config or port is not None or users:
            raise click.UsageError(
                "--config, --port and --user before a command are the daemon's; "
                f"{context.invoked_subcommand} has options of its own, after its name"
            )
    else:
        _run(Overrides(find_config(config), port, users))


def _run(overrides: Overrides) -> None:
    import trio

    from trio_finger.config import ConfigError
    from trio_finger.daemon import PrivilegeError, run_daemon
    from trio_finger.net import ListenError, PortTakenError
    from trio_finger.store import StoreError

    faults: list[str] = []
    try:
        trio.run(run_daemon, overrides.load)
    except* (ConfigError, ListenError, PrivilegeError, StoreError) as group:
        for fault in _leaves(group):
            if isinstance(fault, PortTakenError) and fault.address == overrides.address:
                faults.append(fault.advise(fault.address, "with --port"))
            else:
                faults.append(str(fault))
    if faults:
        fail("\n".join(faults))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for member in group.exceptions:
        if isinstance(member, BaseExceptionGroup):
            yield from _leaves(member)
        else:
            yield member


main.add_command(check)
main.add_command(query)
main.add_command(set_)
main.add_command(token)
main.add_command(watch)
