"""Asking finger servers, and telling ours."""

from trio_finger.client._finger import QueryError, ask, ask_all
from trio_finger.client._setter import SetError, send_request

__all__ = ["QueryError", "SetError", "ask", "ask_all", "send_request"]
