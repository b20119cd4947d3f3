"""Housekeeping of the cache: what is in it, whether it is undamaged, and what nobody needs any more."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from ..core.errors import ReszooError
from ..core.files import STAGING_PREFIX, cache_dir, explained
from ..core.locks import LOCK_SUFFIX
from ..core.partial import ORIGIN_SUFFIX, PART_SUFFIX
from ..core.types import NotNegative, Noun
from .checkpoints import read


class Entry(Noun, frozen=True, kw_only=True):
    """Something in the cache."""

    path: Path
    size_bytes: NotNegative


def checkpoints() -> list[Entry]:
    """The checkpoints in the cache, damaged ones too."""
    folder = cache_dir() / "checkpoints"
    found = folder.iterdir() if folder.is_dir() else ()
    return [_entry(path) for path in sorted(found) if path.is_dir() and not path.name.startswith(STAGING_PREFIX)]


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


def collect_garbage(*, everything: bool = False) -> list[Entry]:
    """Remove partial downloads, staging folders and lock files that no process works on.

    `everything` removes checkpoints, downloads, exports and latency tables too. Data sets stay: some cannot be
    downloaded again.
    """
    removed = []
    with explained(cache_dir()):
        for path in [*_leftovers(), *(_contents() if everything else ())]:
            with ExitStack() as held:
                if path.exists() and all(_try_lock(lock, held) for lock in _locks_on(path)):
                    removed.append(_entry(path))
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed


def _leftovers() -> list[Path]:
    patterns = (f"*{PART_SUFFIX}", f"*{ORIGIN_SUFFIX}", f"*{LOCK_SUFFIX}", f"{STAGING_PREFIX}*")
    return sorted(path for pattern in patterns for path in cache_dir().rglob(pattern))


def _contents() -> list[Path]:
    folders = (cache_dir() / name for name in ("checkpoints", "downloads", "artifacts", "latency"))
    found = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
    return sorted(path for path in found if not path.name.endswith(LOCK_SUFFIX))


def _locks_on(path: Path) -> Iterator[Path]:
    """The locks of those who may be at work on `path`: its own, or, as a staging folder has none, all beside it."""
    if path.name.startswith(STAGING_PREFIX):
        yield from path.parent.glob(f"*{LOCK_SUFFIX}")
        return
    target = path.name
    for suffix in (ORIGIN_SUFFIX, PART_SUFFIX, LOCK_SUFFIX):
        target = target.removesuffix(suffix)
    yield path.with_name(target + LOCK_SUFFIX)


def _try_lock(lock: Path, held: ExitStack) -> bool:
    """Take a lock unless another process has it; it is removed before it is released, as `locked` does."""
    from filelock import FileLock, Timeout

    try:
        held.enter_context(FileLock(lock, timeout=0))
    except Timeout:
        return False
    held.callback(lock.unlink, missing_ok=True)
    return True


def _entry(path: Path) -> Entry:
    files = path.rglob("*") if path.is_dir() else [path]
    return Entry(path=path, size_bytes=sum(file.stat().st_size for file in files if file.is_file()))
