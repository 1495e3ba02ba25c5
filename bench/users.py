"""Users files of any length, and what is in them: ``user7: user7 is well and happy``."""

from pathlib import Path

_LINE = "user{0}: user{0} is well and happy, as of version {1}\n"
_BLOCK = 10_000  # lines that are written at once


def write_users(path: Path, count: int, *, version: int = 0, base: int = 0, every: int = 1) -> None:
    """Write a file of *count* users at once, by a rename.

    Args:
      path: where.
      count: how many.
      version: what their statuses say.
      base: what those say that are not changed.
      every: of so many one is changed; the first and the last user always are.
    """
    new = prepare_users(path, count, version=version, base=base, every=every)
    new.replace(path)


def prepare_users(
    path: Path, count: int, *, version: int = 0, base: int = 0, every: int = 1
) -> Path:
    """Write the same beside *path*, for a rename to put it there when it shall be."""
    new = path.with_name(f"{path.name}.new")
    with new.open("w") as file:
        for start in range(0, count, _BLOCK):
            file.write(
                "".join(
                    _LINE.format(number, base if number % every and number < count - 1 else version)
                    for number in range(start, min(start + _BLOCK, count))
                )
            )
    new.chmod(0o644)
    return new
