"""What a REF on the command line is: a name with wildcards, or the path of a checkpoint or artifact folder."""

from collections.abc import Sequence
from pathlib import Path

from ..core.errors import UsageError
from ..core.types import Artifact, Checkpoint


def targets(refs: Sequence[str]) -> list[Checkpoint | Artifact]:
    """What the references name, each once, in their order. Checkpoints are downloaded if need be."""
    from .. import zoo
    from ..export import artifacts
    from .download import bring

    found: dict[str, Checkpoint | Artifact] = {}
    for ref in refs:
        path = Path(ref)
        if path.is_dir():
            found[str(path.absolute())] = artifacts.read(path) if artifacts.is_artifact(path) else zoo.load(ref)
        elif path.is_file():
            raise UsageError(
                f"{ref} is a file", "Name the folder it lies in, with its checkpoint.json or artifact.json."
            )
        elif "/" in ref:
            raise UsageError(f"there is no folder {ref}", "Give a checkpoint's or an artifact's folder, or a name.")
        else:
            found |= {name: bring(name) for name in zoo.resolve(ref)}
    return list(found.values())


def target(ref: str) -> Checkpoint | Artifact:
    """The one that the reference names. Where it names several, nothing is downloaded."""
    from .. import zoo

    names = [] if "/" in ref or Path(ref).exists() else zoo.resolve(ref)
    if len(names) > 1:
        raise UsageError(f"{ref!r} names {len(names)} networks", f"Choose one: {', '.join(names)}.")
    (found,) = targets([ref])
    return found


def checkpoints(refs: Sequence[str]) -> list[Checkpoint]:
    """The same as `targets`, where only checkpoints will do."""
    return [_checkpoint(found) for found in targets(refs)]


def checkpoint(ref: str) -> Checkpoint:
    """The same as `target`, where only a checkpoint will do."""
    return _checkpoint(target(ref))


def _checkpoint(found: Checkpoint | Artifact) -> Checkpoint:
    from ..zoo import catalogue

    if isinstance(found, Artifact):
        is_a_name = found.source_ref in catalogue.refs()
        source = f"the checkpoint: {found.source_ref}" if is_a_name else f"the folder of {found.source_ref}, its source"
        raise UsageError(f"{found.path} is an artifact, not a checkpoint", f"Name {source}.")
    return found
