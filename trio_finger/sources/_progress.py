"""How far a long piece of work has come, said in the log now and then."""

from pathlib import Path
from typing import Final

import trio

from trio_finger.log import get_log

_EVERY: Final = 1.0  # seconds, the first time, too: what is done sooner is not worth a word

log = get_log("users")


class Progress:
    """Logs how much of one piece of work is done, if it takes long.

    Args:
      event: what is being done.
      path: to which file.
    """

    def __init__(self, event: str, path: Path) -> None:
        self._event = event
        self._path = path
        self._next = trio.current_time() + _EVERY

    def __call__(self, done: int, of: int, **counted: int) -> None:
        """Hear how much of how much is done, and what else can be said of it."""
        now = trio.current_time()
        if now >= self._next:
            self._next = now + _EVERY
            log.info(self._event, file=str(self._path), percent=100 * done // of, **counted)
