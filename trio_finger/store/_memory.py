"""The store that keeps statuses for as long as the daemon runs."""

import trio

from trio_finger.protocol.text import fold
from trio_finger.store._interface import Told


class MemoryStore:
    """Keeps statuses in this process alone: ``memory:``."""

    def __init__(self) -> None:
        self._kept: dict[str, Told] = {}

    async def load(self) -> list[Told]:
        await trio.lowlevel.checkpoint()
        return list(self._kept.values())

    async def keep(self, told: Told) -> None:
        await trio.lowlevel.checkpoint()
        self._kept[fold(told.name)] = told

    async def drop(self, names: list[str]) -> None:
        await trio.lowlevel.checkpoint()
        for name in names:
            self._kept.pop(fold(name), None)
