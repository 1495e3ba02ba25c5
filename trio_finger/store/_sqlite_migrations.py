"""How a database of ours came to be what it is: every version, made of the one before."""

from typing import Final

# MIGRATIONS[n] are the statements that make version n + 1 of version n; version 0 is an
# empty database. What was released once never changes.
#
# Times are microseconds since 1970, UTC. ``key`` is the folded name.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE told (
          key TEXT NOT NULL,
          field TEXT NOT NULL,
          name TEXT NOT NULL,
          text TEXT NOT NULL,
          since INTEGER NOT NULL,
          until INTEGER,
          over TEXT,
          PRIMARY KEY (key, field)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE history (
          id INTEGER PRIMARY KEY,
          key TEXT NOT NULL,
          name TEXT NOT NULL,
          text TEXT NOT NULL,
          since INTEGER NOT NULL,
          until INTEGER
        )
        """,
        "CREATE INDEX history_key ON history (key)",
        """
        CREATE TABLE token (
          number INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,
          name TEXT NOT NULL,
          digest BLOB NOT NULL,
          created INTEGER NOT NULL,
          expires INTEGER
        )
        """,
    ),
)
