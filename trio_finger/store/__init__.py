"""Keeps what people set, behind one interface, whatever the kind of store."""

from trio_finger.store._interface import Dropped, Field, Past, Store, StoreError, Told, Token
from trio_finger.store._memory import MemoryStore
from trio_finger.store._open import open_store

__all__ = [
    "Dropped",
    "Field",
    "MemoryStore",
    "Past",
    "Store",
    "StoreError",
    "Told",
    "Token",
    "open_store",
]
