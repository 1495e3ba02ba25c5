"""``trio-finger check``: everything that is wrong, before it matters."""

from pathlib import Path

import click

from trio_finger.cli._configuration import find_config, no_config
from trio_finger.cli._messages import fail, log_to_standard_error


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.  [default: as the daemon finds it]",
)
def check(config: Path | None) -> None:
    """Read the configuration and what it names, and say every fault.

    Nothing is started, nor anybody asked. Exits with 1 if there is any fault.
    """
    path = find_config(config) or no_config()

    import trio

    from trio_finger.config import ConfigError, Fault, load_config
    from trio_finger.sources import UsersFileError, find_missing, read_users_file

    log_to_standard_error()
    faults: list[Fault | UsersFileError | str] = []
    try:
        loaded = load_config(path)
    except ConfigError as error:
        loaded = error.rest
        faults += error.faults
    faults += (Fault(path, None, words) for words in find_missing(loaded))
    found = f"{path}: no faults"
    if loaded.users is not None:
        try:
            users_file = trio.run(read_users_file, loaded.users.file)
        except UsersFileError as error:
            faults.append(error)
        else:
            faults += users_file.faults
            if users_file.more_faults:
                faults.append(f"{loaded.users.file}: and {users_file.more_faults} more like these")
            count = len(users_file.users)
            found += f"; {loaded.users.file}: {count} user{'s' * (count != 1)}"
    if faults:
        fail("\n".join(map(str, faults)))
    click.echo(found)
