"""The IRC door: a bot that tells people, in private messages, what others are up to."""

from trio_finger.services.irc._bot import run_irc

__all__ = ["run_irc"]
