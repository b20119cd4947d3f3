"""Files and folders that appear whole or not at all, their hashes, and where they live."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import staging
from .errors import ReszooError, UsageError

CHUNK_BYTES = 1 << 20
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)

IsOurs = Callable[[Path], bool]  # whether a folder holds what reszoo wrote there, and nothing else


def cache_dir() -> Path:
    """Where downloads and data sets are kept: `RESZOO_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("RESZOO_CACHE"):
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:  # ~NAME of nobody
            raise UsageError(f"RESZOO_CACHE={chosen} names no folder: {error}", "Write its whole path.") from error
    from platformdirs import user_cache_path

    return user_cache_path("reszoo")


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, force it to disk, and move it into place."""
    with explained(path), staging.staging(path) as new:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


@contextmanager
def staged_folder(target: Path, is_ours: IsOurs | None = None) -> Iterator[Path]:
    """Give a fresh folder beside `target`; on success it becomes `target`.

    Only an empty folder is replaced, or one that `is_ours` says yes to, so that a mistyped path never costs a user's
    own files. On any failure, an interrupt included, `target` is as it was.
    """
    _check_elsewhere(target)
    with explained(target), staging.staging(target) as new:
        check_replaceable(target, is_ours)  # now that an old copy is back, if a dead process had moved it
        new.mkdir()
        yield new
        _sync_tree(new)
        check_replaceable(target, is_ours)  # hours may have gone by
        staging.put(new, target)


def check_replaceable(target: Path, is_ours: IsOurs | None = None) -> None:
    """Raises UsageError where `staged_folder` would refuse: to be called before the work that fills the folder."""
    _check_elsewhere(target)
    if is_ours is None:
        check_free(target)
    elif not (is_free(target) or is_ours(target)):
        raise UsageError(
            f"{target} exists and is not a folder that reszoo wrote, or holds files of yours", "Choose another `out`."
        )


def _check_elsewhere(target: Path) -> None:
    if Path.cwd().is_relative_to(target.absolute()):
        raise UsageError(f"{target} is the folder that you are in", "Choose another `out`.")


def is_free(place: Path) -> bool:
    """Nothing is there, or an empty folder, which is as good."""
    return not place.exists() or (place.is_dir() and not any(place.iterdir()))


def check_free(place: Path, fix: str = "Choose another `out`, or delete it first.") -> None:
    """Raises UsageError where something is."""
    if not is_free(place):
        raise UsageError(f"{place} is there already", fix)


def beside(place: Path, suffix: str) -> Path:
    """`place` with more to its name. Raises UsageError for "." and "/", which have none."""
    if not place.name:
        raise UsageError(f"{place} is a folder that is there already", "Choose another `out`.")
    return place.with_name(place.name + suffix)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about `path` into ones that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ReszooError(
                f"no space left on the disk for {path}",
                "Free some space, or choose another disk with RESZOO_CACHE, TMPDIR or `out`.",
            ) from error
        is_here = error.filename is None or _on_the_way(Path(os.fsdecode(error.filename)), path.parent)
        if error.errno in REFUSED and is_here:
            raise ReszooError(
                f"cannot write to {error.filename or path}: {os.strerror(error.errno)}",
                f"Give yourself write permission there, or choose {_another(path)}.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST) and not path.parent.is_dir():
            raise ReszooError(
                f"cannot write to {path}: {_existing(path)} is a file, not a folder", f"Choose {_another(path)}."
            ) from error
        if error.errno == errno.ENOENT and not path.parent.exists():  # as in /proc
            raise ReszooError(
                f"cannot write to {path}: no folder can be made in {_existing(path)}", f"Choose {_another(path)}."
            ) from error
        raise


def _another(path: Path) -> str:
    return "another cache with RESZOO_CACHE" if path.absolute().is_relative_to(cache_dir()) else "another place"


def _on_the_way(one: Path, folder: Path) -> bool:
    """Whether a path lies in the folder, or leads to it."""
    return one.is_relative_to(folder) or folder.is_relative_to(one)


def _existing(path: Path) -> Path:
    """The nearest parent of `path` that exists."""
    return next(parent for parent in (path, *path.parents) if parent.exists())
