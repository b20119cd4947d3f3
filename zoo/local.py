"""Checkpoints that a user made: where each was put, so that it is found by its name from any folder."""

import hashlib
from collections import Counter
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..core.documents import read_json, write_json
from ..core.errors import ReszooError
from ..core.files import cache_dir
from ..core.types import Checkpoint, Record
from . import catalogue, checkpoints


class Note(Record, frozen=True, kw_only=True):
    """A checkpoint's folder; what is in it says the rest."""

    folder: Path


class Local(NamedTuple):
    """A checkpoint of a user's; `ref` names it, or its folder does where another one has its name."""

    ref: str
    checkpoint: Checkpoint

    @property
    def folder(self) -> Path:
        return self.checkpoint.weights_path.parent


def remember(checkpoint: Checkpoint) -> None:
    """Note where it lies. Where that cannot be written, it is found by its folder all the same."""
    folder = checkpoint.weights_path.parent.absolute()
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with suppress(ReszooError):
        write_json(_notes() / f"{name}.json", Note(folder=folder))


def found() -> list[Local]:
    """All that are where they were put, by their names."""
    known = []
    for path in _notes().glob("*.json"):
        with suppress(ReszooError, OSError):  # it was moved or deleted, or is damaged: who names its folder is told
            folder = read_json(path, Note, "").folder
            written = (folder / checkpoints.DOCUMENT).stat()
            known.append(_described(folder, (written.st_ino, written.st_mtime_ns, written.st_size)))
    counts, taken = Counter(each.ref for each in known), set(catalogue.refs())
    named = [Local(_ref(each, counts[each.ref] == 1 and each.ref not in taken), each) for each in known]
    return sorted(named, key=lambda each: (each.checkpoint.ref, str(each.folder)))


def stale() -> list[Path]:
    """The notes of what is not there any more. What is no note is not ours."""
    return sorted(path for path in _notes().glob(f"{'[0-9a-f]' * 16}.json") if not _is_there(path))


@cache
def _described(folder: Path, written: tuple[int, int, int]) -> Checkpoint:
    """Read once for each version of its document, as one name that is typed is looked up several times."""
    return checkpoints.describe(folder)


def _ref(checkpoint: Checkpoint, is_unique: bool) -> str:
    return checkpoint.ref if is_unique else str(checkpoint.weights_path.parent)


def _is_there(note: Path) -> bool:
    try:
        return (read_json(note, Note, "").folder / checkpoints.DOCUMENT).is_file()
    except ReszooError:
        return True  # damaged, or somebody else's


def _notes() -> Path:
    return cache_dir() / "local"
