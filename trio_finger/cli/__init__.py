"""The commands. Trio and the web stack are imported by those that need them."""

from trio_finger.cli._main import main

__all__ = ["main"]
