"""One process at a time: a lock on what is going to be at a path."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import staging
from .errors import UsageError
from .files import beside, explained

LOCK_SUFFIX = ".reszoo-lock"  # by which everybody can tell whose it is


@contextmanager
def locked(target: Path, *, wait: bool = True) -> Iterator[None]:
    """Let one process at a time work on `target`: the others wait, or get a UsageError at once.

    The operating system unlocks what a killed process had; its `<name>.reszoo-lock` may stay, and does no
    harm. What else it left of `target` is put in order.
    """
    from filelock import FileLock, Timeout

    lock = beside(target, LOCK_SUFFIX)
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(lock).acquire(blocking=wait)
        except Timeout as error:
            raise UsageError(
                f"another process is at work on {target}", "Wait until it has ended, or choose another `out`."
            ) from error
    with held:
        try:
            with explained(target):
                staging.recover(target)
            yield
        finally:
            # While it is still held: who waited for it finds a file without a name, and opens a new one.
            lock.unlink(missing_ok=True)
