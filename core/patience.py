"""How long an engine, or a converter, may take for one call.

A graph may loop without end, in native code that no exception reaches.
Libraries set no alarms: only a process that was made for it, whose parent tells what became of it, is `limited`.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_limits_s: list[float] = []


def use(limit_s: float) -> None:
    """From here on, a call that takes longer ends this process by SIGALRM."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limits_s[:] = [limit_s]


@contextmanager
def limited() -> Iterator[None]:
    """For one call, with all calls inside of it. It must be in the main thread."""
    if not _limits_s or signal.getitimer(signal.ITIMER_REAL)[0] > 0:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, *_limits_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
