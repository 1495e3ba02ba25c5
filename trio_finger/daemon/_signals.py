"""What the process is told by signals, as events that tasks can wait for."""

import signal
from contextlib import suppress

import trio

from trio_finger.log import get_log

log = get_log("daemon")


class Signals:
    """What has been received so far.

    Attributes:
      stop: SIGTERM or SIGINT has come.
      patience: what runs in this scope is cut off when another one comes.
      hangups: receives once for any number of SIGHUPs since it last did.
    """

    def __init__(self) -> None:
        self.stop = trio.Event()
        self.patience = trio.CancelScope()
        self._hangup, self.hangups = trio.open_memory_channel[None](1)

    def take(self, number: int) -> None:
        """Note that signal *number* has come."""
        if number == signal.SIGHUP:
            with suppress(trio.WouldBlock):
                self._hangup.send_nowait(None)
        elif self.stop.is_set():
            self.patience.cancel()
        else:
            log.info("stopping", signal=signal.Signals(number).name)
            self.stop.set()


async def receive_signals(*, task_status: trio.TaskStatus[Signals]) -> None:
    """Receive signals for as long as this runs; it is started with what they come out as."""
    signals = Signals()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
        task_status.started(signals)
        async for number in received:
            signals.take(number)
