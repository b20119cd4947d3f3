"""How long an engine may take for one call. A graph may loop without end, in native code that no exception reaches.

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
    """For one call. It must be in the main thread."""
    for limit_s in _limits_s:
        signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        if _limits_s:
            signal.setitimer(signal.ITIMER_REAL, 0)
