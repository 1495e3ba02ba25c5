"""Asking finger servers, telling ours, and following a live door."""

from trio_finger.client._finger import QueryError, ask, ask_all
from trio_finger.client._setter import SetError, send_request
from trio_finger.client._watch import Follower
from trio_finger.client._watch_errors import RefusedError, leaf
from trio_finger.client._watch_message import Change
from trio_finger.client._watch_place import Place, PlaceError, is_address, parse_place

__all__ = [
    "Change",
    "Follower",
    "Place",
    "PlaceError",
    "QueryError",
    "RefusedError",
    "SetError",
    "ask",
    "ask_all",
    "is_address",
    "leaf",
    "parse_place",
    "send_request",
]
