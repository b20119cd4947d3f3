"""Ctrl-C and SIGTERM: the step at hand is finished and saved, then the run stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..core.errors import ReszooError


class StoppedError(ReszooError):
    """The user stopped the run, which is saved."""

    exit_code = 130


class Interrupts:
    """Remembers the first signal; the second one acts as usual."""

    def __init__(self, how_to_resume: str) -> None:
        self.how_to_resume = how_to_resume
        self.requested = False

    def stop_if_requested(self, where: str) -> None:
        if self.requested:
            raise StoppedError(f"stopped {where}; everything is saved", self.how_to_resume)

    @contextmanager
    def caught(self, alone: bool) -> Iterator[None]:
        """Not among many processes, which would stop at different steps, nor outside of the main thread."""
        if not alone or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
