"""One target, in this process.

``python -m fuzz.one NAME`` fuzzes it until something is found; with ``--seconds`` for that
long at most. ``python -m fuzz.one NAME FILE`` tries one input again and says what is wrong.
"""

import argparse
from importlib import import_module
from pathlib import Path

import atheris  # type: ignore[import-untyped]

from fuzz.target import Target
from fuzz.targets import NAMES

ROOT = Path(".fuzz")
_TIMEOUT = 5  # seconds for one input; what takes longer is a finding
_MEMORY = 1024  # megabytes; so is what takes more


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz.one")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--seconds", type=int, default=0)
    asked = parser.parse_args()
    # What is imported here is watched; the standard library is not ours to look into.
    with atheris.instrument_imports(include=["trio_finger"]):
        target: Target = import_module(f"fuzz.targets.{asked.name}").TARGET
    options = [f"-timeout={_TIMEOUT}", f"-rss_limit_mb={_MEMORY}"]
    arguments = asked.files or _campaign(asked.name, target, asked.seconds)
    atheris.Setup(["fuzz", *options, *arguments], target.check)
    atheris.Fuzz()


def _campaign(name: str, target: Target, seconds: int) -> list[str]:
    """Lay out what libFuzzer wants to read, and return its arguments."""
    corpus, seeds, found = (ROOT / folder / name for folder in ("corpus", "seeds", "found"))
    for folder in (corpus, seeds, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (seeds / f"{number:02}").write_bytes(seed)
    dictionary = seeds.with_suffix(".dict")
    dictionary.write_text("".join(f'"{_quote(token)}"\n' for token in target.tokens))
    return [
        f"-max_total_time={seconds}",
        f"-max_len={target.max_len}",
        f"-dict={dictionary}",
        f"-artifact_prefix={found}/",
        # Where one expression decides all, nothing new is reached on the way to it.
        "-keep_seed=1",
        "-print_final_stats=1",
        # New inputs are kept in the first; all are read.
        *map(str, (corpus, seeds, found)),
    ]


def _quote(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    main()
