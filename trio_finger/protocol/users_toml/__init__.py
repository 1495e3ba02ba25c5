"""The users file as TOML: one table a user."""

from trio_finger.protocol.users_toml._pieces import parse_users_toml
from trio_finger.protocol.users_toml._values import MAX_LINK, MAX_LINKS, MAX_TEXT

__all__ = ["MAX_LINK", "MAX_LINKS", "MAX_TEXT", "parse_users_toml"]
