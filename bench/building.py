"""The programs in C, compiled when they are needed and not there yet."""

import shutil
from pathlib import Path

import trio

HERE = Path(__file__).parent
BUILT = HERE / "build"


def find_compiler() -> str:
    """Return the path of a C compiler.

    Raises:
      SystemExit: there is none.
    """
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return path
    raise SystemExit(
        "The load generator is written in C, and there is no compiler here. "
        "Install one (Debian, Ubuntu: apt install gcc libc6-dev), and run this again."
    )


async def build(source: str) -> Path:
    """Return the program that *source*, a path in this folder, makes.

    Raises:
      SystemExit: there is no C compiler, or it had something to say.
    """
    path = HERE / source
    program = BUILT / path.stem
    sources = (path, *path.parent.glob("*.h"))
    if program.exists() and all(program.stat().st_mtime > s.stat().st_mtime for s in sources):
        return program
    BUILT.mkdir(exist_ok=True)
    options = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]
    done = await trio.run_process([find_compiler(), *options, "-o", program, path], check=False)
    if done.returncode:
        raise SystemExit(f"{path} could not be compiled: see the lines above.")
    return program
