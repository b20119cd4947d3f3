"""A verb that runs files of others does it in a child: native code that dies, or never ends, is told like any error."""

import os
import signal
import sys
from collections.abc import Callable

from ..core import patience
from ..core.errors import ReszooError, UsageError

WATCHED = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FROM_TERMINAL = 0x80  # SI_KERNEL: it goes to the whole group of processes, and so to the child, too
LIMIT_S = 600.0  # of one call of an engine or of a converter; RESZOO_PATIENCE chooses another
OTHER_ENGINE = "Try another engine with --runtime, or export the model again."
OTHER_FORMAT = "Name the formats one at a time to see which one fails, and try another with --to."
# The verbs that hand models to engines in their own process, and what one can do where an engine dies. `bench` and
# `compare` have workers for it.
FIXES = {"predict": OTHER_ENGINE, "evaluate": OTHER_ENGINE, "export": OTHER_FORMAT, "quantize": OTHER_FORMAT}


def guarded(work: Callable[[], None], fix: str) -> None:
    """Do the work in a child of this process, and end as it ends. Raises ReszooError where a signal killed it."""
    limit_s = _limit_s()
    if sys.platform != "linux":  # Apple's frameworks do not work in a child that was only forked
        work()
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever started this may have ignored it
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)  # none that comes from here on is lost
    child = os.fork()
    if child == 0:
        from ..core.orphans import die_with_parent

        die_with_parent()
        patience.use(limit_s)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        work()
        return
    status = _end_of(child)
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))  # all that is to be said and done, the child has
    raise KilledError(os.WTERMSIG(status), limit_s, fix)


def _end_of(child: int) -> int:
    """How it ended. Until then it gets what only this process was sent."""
    while True:
        caught = signal.sigwaitinfo(WATCHED)
        if caught.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
        elif caught.si_code != FROM_TERMINAL:
            os.kill(child, caught.si_signo)


class KilledError(ReszooError):
    """The child was killed by a signal."""

    def __init__(self, number: int, limit_s: float, fix: str) -> None:
        if number == signal.SIGALRM:
            super().__init__(
                f"the engine did not answer for {limit_s:g} s", f"RESZOO_PATIENCE sets another limit. {fix}"
            )
        elif number == signal.SIGKILL:
            super().__init__("killed by SIGKILL: the kernel does that when memory runs out", "Free some memory.")
        else:
            super().__init__(f"the engine's native code failed: {signal.Signals(number).name}", fix)
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
