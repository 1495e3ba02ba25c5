"""What the sources need on this machine, and is not there."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from trio_finger.config import Config, PlanSource, ProgramSource
from trio_finger.sources._process import check_program


def find_missing(config: Config) -> Iterator[str]:
    """Yield a line for each program, file and folder of *config* that cannot be used.

    The daemon starts without them: it says the same when it needs one, and looks again later.
    """
    for key, check, path in _find_paths(config):
        try:
            check(path)
        except OSError as error:
            yield f"{key}: cannot use {path}: {error.strerror}"


def _find_paths(config: Config) -> Iterator[tuple[str, Callable[[Path], None], Path]]:
    for source in config.source:
        if isinstance(source, ProgramSource):
            yield "source.command", check_program, Path(source.command[0])
        elif isinstance(source, PlanSource) and source.spool is not None:
            yield "source.spool", _check_folder, source.spool
    for name, service in config.service.items():
        if service.file is not None:
            yield f"service.{name}.file", _check_file, service.file
        else:
            yield f"service.{name}.command", check_program, Path(service.command[0])


def _check_folder(path: Path) -> None:
    os.scandir(path).close()


def _check_file(path: Path) -> None:
    path.stat()
    if not path.is_file():
        raise OSError(0, "not a regular file")
    if not os.access(path, os.R_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
