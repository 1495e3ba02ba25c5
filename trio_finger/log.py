"""The log: one record a line on standard error, for people or as JSON for programs.

Whatever a stranger sent may end up in a record, so every value is escaped: no
control character reaches the terminal, and nobody can forge a record.
"""

import io
import logging
import os
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from trio_finger.protocol.text import escape

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]

_CLOSED = -1  # a file descriptor that is none; 2 may be another file's by now


def get_log(door: str, **values: object) -> FilteringBoundLogger:
    """Return the log of one part of the program; *door* and *values* stand in each record."""
    log: FilteringBoundLogger = structlog.get_logger(door=door, **values)
    return log


def configure_log(level: Level, form: Format, *, addresses: bool = True) -> None:
    """Send every record of this process, our libraries' too, to standard error.

    Args:
      level: the least that is shown.
      form: ``console`` for people, ``json`` for programs.
      addresses: whether records say from where people come.
    """
    descriptor = sys.stderr.fileno() if sys.stderr is not None else _CLOSED
    renderer: Processor
    renderer = structlog.processors.JSONRenderer(default=str) if form == "json" else _render_line
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            *([] if addresses else [_without_peer]),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Lenient(descriptor))),
    )
    logging.basicConfig(handlers=[_Forward()], level=max(threshold, logging.WARNING), force=True)


def _without_peer(_: WrappedLogger, __: str, record: EventDict) -> EventDict:
    record.pop("peer", None)
    return record


class _Lenient(io.TextIOBase):
    """Writes to a file descriptor, if that can be done: a log without a reader ends nothing.

    There is no buffer between, or what could not be written would be tried again at
    the end of the process, and make that fail.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(self._descriptor, text.encode())
        return len(text)


class _Forward(logging.Handler):
    """Passes the records of libraries that use `logging` on."""

    def emit(self, record: logging.LogRecord) -> None:
        # Some libraries have levels of their own between the usual ones.
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        get_log(record.name).log(level, record.getMessage(), exc_info=record.exc_info)


def _render_line(_: WrappedLogger, __: str, record: EventDict) -> str:
    """Render *record* as ``TIME LEVEL EVENT key=value ...``, a traceback below it."""
    head = f"{record.pop('timestamp')} {record.pop('level'):7} {record.pop('event')}"
    traceback: str = record.pop("exception", "")
    values = (f"{key}={_quote(value)}" for key, value in record.items())
    # Indented, a line of a traceback cannot be taken for a record.
    below = (f"    {escape(line)}" for line in traceback.splitlines())
    return "\n".join([" ".join([escape(head), *values]), *below])


def _quote(value: object) -> str:
    text = " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    escaped = escape(text.replace("\\", r"\\"))
    if not escaped or any(character in escaped for character in ' "='):
        return '"' + escaped.replace('"', '\\"') + '"'
    return escaped
