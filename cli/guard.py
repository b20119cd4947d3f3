"""A verb that runs files of others does it in a child: native code that dies, or never ends, is told like any error."""

import os
import signal
import sys
from collections.abc import Callable

from ..core import patience
from ..core.errors import ReszooError, UsageError

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMIT_S = 600.0  # of one call of an engine; RESZOO_PATIENCE chooses another
OTHER_ENGINE = "Try another engine with --runtime, or export the model again."


def guarded(work: Callable[[], None]) -> None:
    """Do the work in a child of this process, and end as it ends. Raises ReszooError where a signal killed it."""
    limit_s = _limit_s()
    if sys.platform != "linux":  # Apple's frameworks do not work in a child that was only forked
        work()
        return
    child = os.fork()
    if child == 0:
        from ..core.orphans import die_with_parent

        die_with_parent()
        patience.use(limit_s)
        work()
        return
    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))  # all that is to be said and done, the child has
    raise KilledError(os.WTERMSIG(status), limit_s)


class KilledError(ReszooError):
    """The child was killed by a signal."""

    def __init__(self, number: int, limit_s: float) -> None:
        if number == signal.SIGALRM:
            super().__init__(f"the engine did not answer for {limit_s:g} s", OTHER_ENGINE)
        elif number == signal.SIGKILL:
            super().__init__("killed by SIGKILL: the kernel does that when memory runs out", "Free some memory.")
        else:
            super().__init__(f"the engine's native code failed: {signal.Signals(number).name}", OTHER_ENGINE)
        self.exit_code = 128 + number


def _limit_s() -> float:
    given = os.environ.get("RESZOO_PATIENCE", "")
    try:
        seconds = float(given or LIMIT_S)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageError(f"RESZOO_PATIENCE={given} is no number of seconds", "Give one above 0, such as 600.")
    return seconds
