"""The configuration: frozen, typed sections, read from one TOML file."""

from trio_finger.config._load import ConfigError, Fault, load_config
from trio_finger.config._sections import Config, Daemon, Finger, Irc, Log, Setter, Store, Users, Web
from trio_finger.config._types import Duration, parse_duration

__all__ = [
    "Config",
    "ConfigError",
    "Daemon",
    "Duration",
    "Fault",
    "Finger",
    "Irc",
    "Log",
    "Setter",
    "Store",
    "Users",
    "Web",
    "load_config",
    "parse_duration",
]
