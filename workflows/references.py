"""What a REF is: a checkpoint's name, with wildcards, the folder of a checkpoint or of an artifact, or hf://OWNER/NAME."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.progress import Progress, silent
from ..core.refs import is_on_hub
from ..core.types import Artifact, Checkpoint

if TYPE_CHECKING:
    Ref = str | os.PathLike[str]


def resolve_all(refs: "Sequence[Ref]", progress: Progress = silent) -> list[Checkpoint | Artifact]:
    """What the references name, each once, in their order. Checkpoints are downloaded if need be."""
    from .. import zoo
    from ..export import artifacts

    found: dict[str, Checkpoint | Artifact] = {}
    for ref in [os.fspath(ref) for ref in refs]:
        path = Path(ref)
        if is_on_hub(ref):
            from .pulling import pull

            found[ref] = pull(ref, progress)
        elif path.is_dir():
            found[str(path.absolute())] = artifacts.read(path) if artifacts.is_artifact(path) else zoo.load(ref)
        elif path.is_file():
            raise UsageError(
                f"{ref} is a file", "Name the folder it lies in, with its checkpoint.json or artifact.json."
            )
        elif "/" in ref:
            raise UsageError(
                f"there is no folder {ref}",
                "Give a checkpoint's or an artifact's folder, a name of `reszoo list`, or hf://OWNER/NAME.",
            )
        else:
            found |= {name: download(name, progress) for name in zoo.resolve(ref)}
    return list(found.values())


def resolve(ref: "Ref", progress: Progress = silent) -> Checkpoint | Artifact:
    """The one that the reference names. Where it names several, nothing is downloaded."""
    from .. import zoo

    text = os.fspath(ref)
    names = [] if "/" in text or Path(text).exists() else zoo.resolve(text)
    if len(names) > 1:
        raise UsageError(f"{text!r} names {len(names)} networks", f"Choose one: {', '.join(names)}.")
    (found,) = resolve_all([text], progress)
    return found


def checkpoints(refs: "Sequence[Ref]", progress: Progress = silent) -> list[Checkpoint]:
    """The same as `resolve_all`, where only checkpoints will do."""
    return [_checkpoint(found) for found in resolve_all(refs, progress)]


def checkpoint(ref: "Ref", progress: Progress = silent) -> Checkpoint:
    """The same as `resolve`, where only a checkpoint will do."""
    return _checkpoint(resolve(ref, progress))


def check_models(models: Sequence[object]) -> None:
    """Raises UsageError for what is neither a checkpoint nor an artifact, such as a name."""
    for model in models:
        if not isinstance(model, Checkpoint | Artifact):
            raise UsageError(f"{model!r} is no model", "Give what `reszoo.load` or `reszoo.load_artifact` returns.")


def download(name: str, progress: Progress = silent) -> Checkpoint:
    """The checkpoint of this name; one that is on this machine is given at once."""
    from .. import zoo

    return zoo.find(name) or zoo.download(name, progress=progress)


def _checkpoint(found: Checkpoint | Artifact) -> Checkpoint:
    from ..zoo import names

    if isinstance(found, Artifact):
        is_a_name = found.source_ref in names.known()
        source = f"the checkpoint: {found.source_ref}" if is_a_name else f"the folder of {found.source_ref}, its source"
        raise UsageError(f"{found.path} is an artifact, not a checkpoint", f"Name {source}.")
    return found
