"""Asking other servers."""

from trio_finger.client._finger import QueryError, ask, ask_all

__all__ = ["QueryError", "ask", "ask_all"]
