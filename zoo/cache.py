"""Housekeeping of the cache: what is in it, whether it is undamaged, and what nobody needs any more."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..core import staging
from ..core.errors import ReszooError
from ..core.files import cache_dir, explained
from ..core.locks import LOCK_SUFFIX
from ..core.partial import ORIGIN_SUFFIX, PART_SUFFIX
from ..core.types import NotNegative, Record
from . import local
from .checkpoints import is_ours, read

HASH = "[0-9a-f]" * 12
# Where locks, partial files and staging folders are made.
PLACES = (
    "answers",
    f"answers/{HASH}",
    "checkpoints",
    "downloads",
    "data",
    "hub",
    "latency",
    "local",
    "npm",
    "pins",
    "searches",
    "tensorrt",
    f"artifacts/*-{HASH}",
)
SUFFIXES = (ORIGIN_SUFFIX, PART_SUFFIX, LOCK_SUFFIX)
# What can be had again, and how it differs from what a user put there: RESZOO_CACHE may be a folder with other things.
CONTENTS: dict[str, Callable[[Path], bool]] = {
    "checkpoints/*": lambda path: is_ours(path) and any(path.iterdir()) and path.absolute() not in _made_here(),
    f"downloads/{HASH}-*": Path.is_file,
    f"artifacts/*-{HASH}/*-*": Path.is_dir,
    f"answers/{HASH}/{'[0-9a-f]' * 64}.safetensors": Path.is_file,
    f"answers/*-{HASH}-{'[0-9a-f]' * 16}.safetensors": Path.is_file,
    "hub/*--*--*": Path.is_dir,
    f"latency/*.t*.b*.{HASH}????.json": Path.is_file,
    "npm/*-[0-9]*.[0-9]*": Path.is_dir,
    f"searches/{HASH}-*": Path.is_dir,
}


class Entry(Record, frozen=True, kw_only=True):
    """Something in the cache."""

    path: Path
    size_bytes: NotNegative


def checkpoints() -> list[Entry]:
    """The checkpoints in the cache, damaged ones too."""
    folder = cache_dir() / "checkpoints"
    paths = folder.iterdir() if folder.is_dir() else ()
    return [_entry(path) for path in sorted(paths) if path.is_dir() and not path.name.startswith(staging.PREFIX)]


def verify() -> dict[str, str]:
    """Read every checkpoint and hash its weights: what is wrong with each by its name, "" if nothing is."""
    problems = {}
    for entry in checkpoints():
        try:
            read(entry.path)
            problems[entry.path.name] = ""
        except ReszooError as error:
            problems[entry.path.name] = error.problem
    return problems


def collect_garbage(*, everything: bool = False, dry_run: bool = False) -> list[Entry]:
    """Remove partial downloads, staging folders and lock files that no process works on, and notes of what is gone.

    `everything` removes checkpoints, downloads, npm's packages, exports, latency tables, answers of networks and
    unfinished searches too. Data sets stay: some cannot be downloaded again, and so do checkpoints that were made here.
    Only what has a name that reszoo alone gives goes, from the folders where reszoo gives it: what else lies in the
    cache's folder stays.
    `dry_run` removes nothing.
    """
    removed = []
    with explained(cache_dir()):
        for folder in [folder for place in _places() for folder in staging.staging_folders(place)]:
            entry = _entry(folder)
            if staging.is_dead(folder) if dry_run else staging.discard(folder):
                removed.append(entry)
        for path in [*_leftovers(), *local.stale(), *(_contents() if everything else ())]:
            lock = _lock_on(path)
            with ExitStack() as held:
                if not (path.exists() and _try_lock(lock, held, keep=dry_run)):
                    continue
                if path.exists():  # whoever had the lock until now may have finished it
                    removed.append(_entry(path))
                    if not dry_run and path != lock:  # which goes anyway: removed twice, the second may be another's
                        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed


def _made_here() -> set[Path]:
    return {each.folder for each in local.found()}


def _places() -> list[Path]:
    """The folders that locks, partial files and staging folders are made in."""
    return sorted(path for place in PLACES for path in cache_dir().glob(place) if path.is_dir())


def _leftovers() -> list[Path]:
    paths = (path for place in _places() for suffix in SUFFIXES for path in place.glob(f"*{suffix}"))
    return sorted(path for path in paths if path.is_file())


def _contents() -> list[Path]:
    paths = (path for pattern, is_one in CONTENTS.items() for path in cache_dir().glob(pattern) if is_one(path))
    return sorted(path for path in paths if not path.name.startswith(staging.PREFIX))


def _lock_on(path: Path) -> Path:
    """The lock of whoever works on `path`, or on what `path` is a part of."""
    target = path.name
    for suffix in SUFFIXES:
        target = target.removesuffix(suffix)
    return path.with_name(target + LOCK_SUFFIX)


def _try_lock(lock: Path, held: ExitStack, *, keep: bool) -> bool:
    """Take a lock unless another process has it; it is removed before it is released, as `locked` does.

    With `keep`, one that was there stays.
    """
    from filelock import FileLock, Timeout

    was_there = lock.exists()
    try:
        held.enter_context(FileLock(lock, timeout=0))
    except Timeout:
        return False
    if not (keep and was_there):
        held.callback(lock.unlink, missing_ok=True)
    return True


def _entry(path: Path) -> Entry:
    return Entry(path=path, size_bytes=sum(map(_size, path.rglob("*") if path.is_dir() else [path])))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # whoever works there has removed it meanwhile
        return 0
