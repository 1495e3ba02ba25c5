"""The configuration: frozen, typed sections, read from one TOML file."""

from trio_finger.config._elsewhere import Command, FingerHost, HostPattern, UserUrl
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
from trio_finger.config._source_sections import (
    FingerSource,
    PlanSource,
    Program,
    ProgramSource,
    Service,
    Source,
    WebSource,
)
from trio_finger.config._tls import Certificate, TlsError, read_certificate
from trio_finger.config._types import Network

__all__ = [
    "Certificate",
    "Command",
    "Config",
    "ConfigError",
    "Daemon",
    "Fault",
    "Finger",
    "FingerHost",
    "FingerSource",
    "HostPattern",
    "Irc",
    "Log",
    "Metrics",
    "Network",
    "PlanSource",
    "Program",
    "ProgramSource",
    "Service",
    "Setter",
    "Source",
    "Store",
    "Tls",
    "TlsError",
    "UserUrl",
    "Users",
    "Web",
    "WebSource",
    "load_config",
    "read_certificate",
]
