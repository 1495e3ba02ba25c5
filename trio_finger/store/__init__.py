"""Keeps what people set, behind one interface, whatever the kind of store."""

from trio_finger.store._interface import Dropped, Field, Past, Store, StoreError, Token, Told
from trio_finger.store._memory import MemoryStore
from trio_finger.store._open import open_store, store_files

__all__ = [
    "Dropped",
    "Field",
    "MemoryStore",
    "Past",
    "Store",
    "StoreError",
    "Token",
    "Told",
    "open_store",
    "store_files",
]
