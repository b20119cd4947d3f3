"""From what a user types to names: those of the catalogue, and of the checkpoints that were made here."""

from pathlib import Path

from ..core.errors import UsageError
from ..core.registry import unknown
from . import catalogue, local


def known() -> list[str]:
    """Every name: those of the catalogue, then those of checkpoints that were made here and that no other has."""
    return [*catalogue.refs(), *(each.ref for each in local.found() if each.ref == each.checkpoint.ref)]


def resolve(pattern: str) -> list[str]:
    """The names that a name or a shell pattern stands for; none is a usage error with the nearest ones."""
    if pattern in catalogue.refs():
        return [pattern]
    if matches := catalogue.matching(pattern, names := known()):
        return matches
    if folders := [str(each.folder) for each in local.found() if each.checkpoint.ref == pattern]:
        raise UsageError(
            f"{len(folders)} checkpoints are called {pattern}", f"Name the folder: {' or '.join(folders)}."
        )
    raise unknown(pattern, names, "checkpoint")


def is_taken(ref: str, folder: Path) -> bool:
    """Whether a checkpoint in another folder has this name."""
    others = (each.folder for each in local.found() if each.checkpoint.ref == ref)
    return ref in catalogue.refs() or any(other != folder.absolute() for other in others)


def folder_of(ref: str) -> Path:
    """Where the checkpoint of this name lies, or will lie once it is downloaded."""
    if ref in catalogue.refs():
        return catalogue.folder_of(ref)
    return next((each.folder for each in local.found() if each.ref == ref), catalogue.folder_of(ref))
