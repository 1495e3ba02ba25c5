"""``trio-finger check``: everything that is wrong, before it matters."""

from pathlib import Path

import click

from trio_finger.cli._configuration import find_config, no_config
from trio_finger.cli._messages import fail


@click.command()
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration file.  [default: as the daemon finds it]",
)
def check(config: Path | None) -> None:
    """Read the configuration and the users file, and name every fault.

    Nothing is started. Exits with 1 if there is any fault.
    """
    path = find_config(config) or no_config()

    import trio

    from trio_finger.config import ConfigError, load_config
    from trio_finger.sources import UsersFileError, read_users_file

    try:
        loaded = load_config(path)
        found = f"{path}: no faults"
        if loaded.users is not None:
            users_file = trio.run(read_users_file, loaded.users.file)
            if users_file.faults:
                fail("\n".join(map(str, users_file.faults)))
            found += f"; {loaded.users.file}: {len(users_file.users)} users"
    except (ConfigError, UsersFileError) as error:
        fail(str(error))
    click.echo(found)
