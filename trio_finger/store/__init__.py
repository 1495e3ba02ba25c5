"""Keeps what people set, behind one interface, whatever the kind of store."""

from trio_finger.store._interface import Store, StoreError, Told
from trio_finger.store._memory import MemoryStore
from trio_finger.store._open import open_store

__all__ = ["MemoryStore", "Store", "StoreError", "Told", "open_store"]
