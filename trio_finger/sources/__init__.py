"""Where statuses come from without being set."""

from trio_finger.sources._directory import Directory
from trio_finger.sources._missing import find_missing
from trio_finger.sources._open import Sources, open_sources
from trio_finger.sources._source import Asker, Found, Source, SourceError, read_via
from trio_finger.sources._users_file import UsersFile, UsersFileError, read_users_file
from trio_finger.sources._watch import watch_users

__all__ = [
    "Asker",
    "Directory",
    "Found",
    "Source",
    "SourceError",
    "Sources",
    "UsersFile",
    "UsersFileError",
    "find_missing",
    "open_sources",
    "read_users_file",
    "read_via",
    "watch_users",
]
