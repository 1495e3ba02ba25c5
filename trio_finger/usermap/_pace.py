"""Working in turns with everybody else."""

from typing import Final

import trio

# How long one turn may take. A query that comes meanwhile waits for the rest of it.
_TURN: Final = 1000  # microseconds


class Pace:
    """Has whoever works for long give way to others about every millisecond.

    It goes by an estimate of the work rather than by a clock: a checkpoint is where the same
    work had it the time before, however busy the machine is.
    """

    def __init__(self) -> None:
        self._done = 0

    async def did(self, microseconds: int) -> None:
        """Say that about so much has been done, and give way if it was enough for one turn."""
        self._done += microseconds
        if self._done >= _TURN:
            self._done = 0
            await trio.lowlevel.checkpoint()
