"""One module a target, each with a `Target` called ``TARGET``."""

# Those with the most to go wrong first.
NAMES = (
    "xmlrpc",
    "users_toml",
    "finger",
    "setter",
    "irc",
    "config",
    "text",
    "proxy",
    "finger_answer",
    "users_file",
    "target",
    "terminal",
    "ending",
    "address",
    "duration",
    "size",
)
