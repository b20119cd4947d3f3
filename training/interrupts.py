"""Ctrl-C, SIGTERM and SIGHUP: the step at hand is finished and saved, then the run stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..core.errors import ReszooError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(ReszooError):
    """The user stopped the run, which is saved."""

    exit_code = 130


class Interrupts:
    """Remembers the first signal; the second one acts as usual."""

    def __init__(self, how_to_resume: str) -> None:
        self.how_to_resume = how_to_resume
        self.requested = False
        self._usual: dict[int, Any] = {}

    def stop_if_requested(self, where: str) -> None:
        if self.requested:
            raise StoppedError(f"stopped {where}; everything is saved", self.how_to_resume)

    @contextmanager
    def caught(self, alone: bool) -> Iterator[None]:
        """Not among many processes, which would stop at different steps, nor outside of the main thread."""
        if not alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._usual = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in self._usual.items():
            if handler is not signal.SIG_IGN:  # as nohup has it
                signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in self._usual.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            signal.signal(number, self._usual[number])
            signal.raise_signal(number)
        self.requested = True
