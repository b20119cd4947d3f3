"""Where something is made before it appears: a folder beside its target, which everybody can tell from a dead one.

.staging-TARGET-XXXXXXXX/   TARGET is the target's name
    lock    held by the process that works here; the operating system lets go of what a killed one held
    new     what is being made
    old     what stood at the target, while two renames replace it
"""

import ctypes
import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

PREFIX = ".staging-"
NAME = re.compile(re.escape(PREFIX) + r"(.+)-[0-9a-f]{8}")
LOCK, NEW, OLD = "lock", "new", "old"

AT_FDCWD = -100  # names are seen from the current folder
RENAME_EXCHANGE = 2
NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)  # of this kernel, or this file system


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Give the place `new` for what will be `target`, in a folder that goes at the end, whatever happens.

    What dead processes left of the same target is put in order first.
    """
    recover(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.with_name(f"{PREFIX}{target.name}-{token_hex(4)}")
    with ExitStack() as held:
        try:  # a signal may come after any of these calls
            folder.mkdir(0o700)
            while not _take(folder, held):  # somebody found it between two calls, and removes it as a dead one
                folder.mkdir(0o700, exist_ok=True)
            yield folder / NEW
        finally:
            _clear(folder)


def put(new: Path, target: Path) -> None:
    """`new`, of a `staging` for `target`, takes its place: in one step, where the file system can exchange two names.

    Elsewhere in two, between which the target is missing; `recover` mends what a kill leaves there.
    """
    if not os.path.lexists(target) or _is_empty_folder(target):
        new.rename(target)
    elif not exchange(new, target):
        target.rename(new.with_name(OLD))  # whatever happens now, `_clear` sees to it
        new.rename(target)


def exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where that cannot be done."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(other))


def recover(target: Path) -> None:
    """Remove what dead processes left of `target`; its old copy goes back where only half of a swap was done."""
    for folder in staging_folders(target.parent):
        if _target_of(folder) == target.name:
            with suppress(PermissionError):  # another user's
                discard(folder)


def discard(folder: Path) -> bool:
    """Remove a staging folder, unless its process lives."""
    with ExitStack() as held:
        if not _take(folder, held):
            return False
        _clear(folder)
        return True


def staging_folders(parent: Path) -> list[Path]:
    """The staging folders in a folder."""
    return sorted(path for path in parent.glob(f"{PREFIX}*") if NAME.fullmatch(path.name) and _is_one(path))


def _is_one(folder: Path) -> bool:
    """Whether it is like one of ours inside, too: what a user called so holds other things."""
    try:
        return folder.is_dir() and {path.name for path in folder.iterdir()} <= {LOCK, NEW, OLD}
    except OSError:  # it has gone meanwhile, or is another user's
        return False


def is_dead(folder: Path) -> bool:
    """Whether no process works in a staging folder."""
    with ExitStack() as held:
        return _take(folder, held)


def _take(folder: Path, held: ExitStack) -> bool:
    """Hold the lock of a staging folder until the end of `held`; False if another process does."""
    from filelock import FileLock, Timeout

    try:
        held.enter_context(FileLock(folder / LOCK, timeout=0))
    except (Timeout, FileNotFoundError):  # it is held, or gone
        return False
    return (folder / LOCK).exists()  # who had it before may have removed the folder meanwhile


def _clear(folder: Path) -> None:
    target, old = folder.with_name(_target_of(folder)), folder / OLD
    if os.path.lexists(old) and not os.path.lexists(target):
        old.rename(target)
    shutil.rmtree(folder, ignore_errors=True)  # if some of it stays, whoever comes next for this target removes it


def _target_of(folder: Path) -> str:
    return folder.name.removeprefix(PREFIX).rpartition("-")[0]


def _is_empty_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink() and not any(place.iterdir())
