"""Artifact folders: reading and checking them, and the ones kept in the cache."""

from pathlib import Path, PurePosixPath

import msgspec

from ..core.documents import read_json
from ..core.errors import ReszooError
from ..core.files import sha256_of
from ..core.types import Artifact, FileRecord, StrPath
from .contract.format import Format, formats

MANIFEST = "artifact.json"
FIX = "Export it again: `export(REF, to=FORMAT, out=FOLDER)`."


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
    found = [record(path, folder) for path in files_in(folder)]
    return all(file.name in names or file in artifact.extras for file in found)


def read(folder: StrPath) -> Artifact:
    """The artifact in `folder`, with every file's length and hash checked."""
    folder = Path(folder)
    artifact = read_json(folder / MANIFEST, Artifact, FIX)
    for file in artifact.files:
        _check(folder, file)
    _check_complete(artifact, folder)
    return msgspec.structs.replace(artifact, path=folder.absolute())


def _check_complete(artifact: Artifact, folder: Path) -> None:
    """Raises ReszooError where a runtime would open a file that the manifest does not list, and nobody has hashed."""
    plugin = formats().get(artifact.format)
    listed = {file.name for file in artifact.files}
    opened = _opened(plugin, folder) if plugin else set()
    if not listed:
        raise ReszooError(f"{folder / MANIFEST} lists no file", FIX)
    if strange := sorted(opened - listed):
        raise ReszooError(f"{folder / MANIFEST} does not list {strange[0]!r}, which is a part of the model", FIX)


def _opened(plugin: Format, folder: Path) -> set[str]:
    """The names of all files that a runtime would open."""
    names = set(plugin.named_in(folder))
    for name in plugin.opened:
        place = folder / name
        inside = [path for path in files_in(place) if path.name not in plugin.companions]
        names |= {record_name(path, folder) for path in inside} if place.is_dir() else {name}
    return names


def files_in(folder: Path) -> list[Path]:
    """All of them, those of folders within it too: a model can be a folder itself."""
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


def record(path: Path, folder: Path | None = None) -> FileRecord:
    """Its name is as seen from `folder`, by default the one that it lies in."""
    name = record_name(path, folder or path.parent)
    return FileRecord(name=name, sha256=sha256_of(path), size_bytes=path.stat().st_size)


def record_name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def check_name(name: str) -> None:
    """Raises ReszooError where a file of that name would lie outside its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise ReszooError(f"{MANIFEST} names a file outside its folder: {name!r}", FIX)


def _check(folder: Path, expected: FileRecord) -> None:
    check_name(expected.name)
    path = folder / expected.name
    if not path.is_file():
        raise ReszooError(f"{path} is missing from the artifact", FIX)
    if record(path, folder) != expected:
        raise ReszooError(f"{path} is damaged: its sha256 is not the one in {MANIFEST}", FIX)
