"""The configuration: frozen, typed sections, read from one TOML file."""

from trio_finger.config._load import ConfigError, Fault, load_config
from trio_finger.config._sections import (
    Config,
    Daemon,
    Finger,
    Irc,
    Log,
    Metrics,
    Setter,
    Store,
    Tls,
    Users,
    Web,
)
from trio_finger.config._tls import Certificate, TlsError, read_certificate
from trio_finger.config._types import Network

__all__ = [
    "Certificate",
    "Config",
    "ConfigError",
    "Daemon",
    "Fault",
    "Finger",
    "Irc",
    "Log",
    "Metrics",
    "Network",
    "Setter",
    "Store",
    "Tls",
    "TlsError",
    "Users",
    "Web",
    "load_config",
    "read_certificate",
]
