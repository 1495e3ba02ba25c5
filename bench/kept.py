"""P7: statuses set and kept (on disk, fsync) a second, and how soon finger shows them.

Ours against the plain way, one SQLite transaction a status: the same database settings,
the same tables, the same statements, in turn, several times; medians and their ratio.
"""

import sqlite3
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from trio_finger.protocol.setter import SetRequest
from trio_finger.store import Store, Told, open_store
from trio_finger.usermap import ANYBODY, UserMap
from bench.daemon import run_daemon

SETTERS = 64
PAIRS = 5
STATUSES = 6400  # ours, in each of the pairs
PLAIN_STATUSES = 2000
CHANGES = 300  # shown by finger, one after the other


async def main() -> None:
    """Print the table."""
    plain, ours = [], []
    for pair in range(PAIRS):
        with TemporaryDirectory() as folder:
            async with open_store(f"sqlite:{folder}/plain.db") as store:
                plain.append(await keep_one_by_one(store))
            async with open_store(f"sqlite:{folder}/ours.db") as store:
                ours.append(await keep_from_many(UserMap(store)))
        print(f"pair {pair + 1} of {PAIRS}: {plain[-1]:,.0f} and {ours[-1]:,.0f} a second")
    one, many = statistics.median(plain), statistics.median(ours)
    print(f"one transaction a status   {one:10,.0f} /s")
    print(f"{SETTERS} setters at once        {many:10,.0f} /s   {many / one:.1f} x")
    ...
