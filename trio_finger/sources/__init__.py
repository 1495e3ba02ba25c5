"""Where statuses come from without being set."""

from trio_finger.sources._users_file import UsersFile, UsersFileError, read_users_file
from trio_finger.sources._watch import watch_users

__all__ = ["UsersFile", "UsersFileError", "read_users_file", "watch_users"]
