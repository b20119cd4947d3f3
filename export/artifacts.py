"""Artifact folders: reading and checking them, and the ones kept in the cache."""

from pathlib import Path

import msgspec

from ..core.documents import read_json
from ..core.errors import ReszooError
from ..core.files import sha256_of
from ..core.types import Artifact, FileRecord

MANIFEST = "artifact.json"
FIX = "Export it again: reszoo export REF --to FORMAT --out FOLDER."


def is_artifact(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def is_untouched(folder: Path) -> bool:
    """Whether the folder holds an artifact and nothing of its user's, so that another may take its place."""
    if not is_artifact(folder):
        return False
    try:
        artifact = read_json(folder / MANIFEST, Artifact, FIX)
    except ReszooError:
        return False  # whatever it is, it is not for us to delete
    names = {MANIFEST, *(file.name for file in artifact.files)}
    others = [path for path in folder.iterdir() if path.name not in names]
    return all(path.is_file() and record(path) in artifact.extras for path in others)


def read(folder: Path) -> Artifact:
    """The artifact in `folder`, with every file's length and hash checked."""
    artifact = read_json(folder / MANIFEST, Artifact, FIX)
    for record in artifact.files:
        _check(folder / record.name, record)
    return msgspec.structs.replace(artifact, path=folder.absolute())


def record(path: Path) -> FileRecord:
    return FileRecord(name=path.name, sha256=sha256_of(path), size_bytes=path.stat().st_size)


def _check(path: Path, expected: FileRecord) -> None:
    if path.name != expected.name:
        raise ReszooError(f"{MANIFEST} names a file outside its folder: {expected.name!r}", FIX)
    if not path.is_file():
        raise ReszooError(f"{path} is missing from the artifact", FIX)
    if record(path) != expected:
        raise ReszooError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}", FIX)
