"""What Python itself is asked to do for us, such as to open a file: nothing, it is hoped."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

# Files, sockets and programs; see the table of audit events in Python's documentation.
_OUTSIDE = ("open", "os.", "socket.", "subprocess.", "shutil.", "glob.", "ctypes.", "exec")

_logs: dict[int, list[str]] = {}  # by thread, while it is watched


def _note(event: str, _: object) -> None:
    if _logs and (log := _logs.get(get_ident())) is not None and event.startswith(_OUTSIDE):
        log.append(event)


@contextmanager
def watching() -> Iterator[list[str]]:
    """Give a list of all that this thread does outside of memory meanwhile.

    Python cannot forget a hook, so there is one for good, which is idle outside of this.
    """
    if not hasattr(sys, "_trio_finger_is_watched"):
        sys.addaudithook(_note)
        sys._trio_finger_is_watched = True  # type: ignore[attr-defined]
    log = _logs[get_ident()] = []
    try:
        yield log
    finally:
        del _logs[get_ident()]
