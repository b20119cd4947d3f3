"""A repository of the hub as a REF: a checkpoint, an artifact, or weights of others, brought into the cache."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from ..core.documents import read_json
from ..core.errors import NotFoundError, ReszooError
from ..core.files import cache_dir, explained, sha256_of, staged_folder
from ..core.locks import locked
from ..core.progress import Progress, silent
from ..core.refs import inside
from ..core.types import Artifact, Checkpoint
from ..zoo import checkpoints, hub
from ..zoo.hub import HubAddress

FIX = "Whoever pushes it again with `push(REF, hf://OWNER/NAME)` mends it."


def pull(ref: str, progress: Progress = silent) -> Checkpoint | Artifact:
    """What `hf://OWNER/NAME[@REVISION][/FILE]` names, in the cache.

    A repository that reszoo pushed is asked each time whether it has changed, unless its revision is a commit. Weights
    of others are imported once, as `import_checkpoint` does without options, and stay until `reszoo cache gc --all`.

    Raises:
        UsageError: It is no such address.
        NotFoundError: The repository has neither what reszoo pushes nor weights that it reads.
        UnavailableError: Nothing may be asked of the network, and it is not in the cache.
        ReszooError: The download failed, or what is there is damaged.
    """
    from ..core.download import is_offline
    from ..export import artifacts

    address = hub.address(ref)
    pushed, imported = folder_of(address), folder_of(address, "weights")
    with locked(pushed), explained(pushed):
        if imported.is_dir():
            return checkpoints.read(imported)
        if is_offline() or address.is_fixed:
            with suppress(ReszooError):
                return _read(pushed)
        if not address.file:
            for document in (checkpoints.DOCUMENT, artifacts.MANIFEST):
                with suppress(NotFoundError):
                    return _refreshed(address, document, pushed, progress)
        return _imported(ref, imported, progress)


def folder_of(address: HubAddress, what: str = "") -> Path:
    """Where it lies in the cache."""
    parts = [address.owner, address.name, address.revision]
    if address.file:
        parts.append(sha256(address.file.encode()).hexdigest()[:12])
    return inside(cache_dir() / "hub", "--".join(parts + [what] * bool(what)))


def _read(folder: Path) -> Checkpoint | Artifact:
    from ..export import artifacts

    return artifacts.read(folder) if artifacts.is_artifact(folder) else checkpoints.read(folder)


def _refreshed(address: HubAddress, document: str, folder: Path, progress: Progress) -> Checkpoint | Artifact:
    """What that document of the repository describes. Only what is not here, whole and undamaged, is downloaded."""
    with _fetched(address, document) as path:
        if (folder / document).is_file() and sha256_of(path) == sha256_of(folder / document):
            with suppress(ReszooError):
                return _read(folder)
        with staged_folder(folder, Path.is_dir) as staging:  # the whole folder is the cache's
            shutil.copyfile(path, staging / document)
            _bring_files(address, staging, progress)
            _read(staging)  # or nothing appears
    return _read(folder)


def _bring_files(address: HubAddress, folder: Path, progress: Progress) -> None:
    """All that the document in the folder names. People may have changed or removed what is no part of a model."""
    from ..export import artifacts
    from ..export.signing import SIGNATURE

    if not artifacts.is_artifact(folder):
        described = checkpoints.describe(folder)
        _bring(address, checkpoints.WEIGHTS, folder, progress, described.sha256, described.size_bytes)
        return
    artifact = read_json(folder / artifacts.MANIFEST, Artifact, FIX)
    for file in artifact.files:
        _bring(address, file.name, folder, progress, file.sha256, file.size_bytes)
    for name in (*(file.name for file in artifact.extras), SIGNATURE):
        with suppress(NotFoundError):
            _bring(address, name, folder, progress)


def _bring(
    address: HubAddress, name: str, folder: Path, progress: Progress, digest: str | None = None, size: int | None = None
) -> None:
    from ..export.artifacts import check_name

    check_name(name)
    with _fetched(address, name, digest, size, progress) as path:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)


@contextmanager
def _fetched(
    address: HubAddress, name: str, digest: str | None = None, size: int | None = None, progress: Progress = silent
) -> Iterator[Path]:
    """A file of the repository, for the length of the block."""
    from ..core.download import Source, fetched, place_of

    url = address.url(name)
    source = Source(url=url, sha256=digest, size_bytes=size or None, token=hub.token_for(url))
    with hub.refusals_explained(), fetched(source, place_of(url), progress=progress):
        yield place_of(url)


def _imported(ref: str, folder: Path, progress: Progress) -> Checkpoint:
    from .importing import import_checkpoint

    return import_checkpoint(ref, out=folder, progress=progress)
