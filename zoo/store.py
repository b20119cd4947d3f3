"""From a name to a checkpoint on this machine: bundled, in the cache, or downloaded and converted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..core.errors import ReszooError, UsageError
from ..core.files import check_replaceable, explained
from ..core.hosts import versions
from ..core.progress import Progress, silent
from ..core.types import Checkpoint, Metric, ProvenanceStep, StrPath
from . import catalogue, checkpoints, names, pins

UNVERIFIED = "unverified"  # in the step of a download, where no published hash tells whether it is the file


def load(ref: StrPath) -> Checkpoint:
    """The checkpoint that a name, a pattern with one match or a folder stands for; downloaded if it is not here."""
    if Path(ref).is_dir():
        return checkpoints.read(ref)
    if not isinstance(ref, str) or "/" in ref:
        raise UsageError(f"there is no folder {ref}", "Give the folder of a checkpoint, or a name from `reszoo list`.")
    matches = names.resolve(ref)
    if len(matches) > 1:
        raise UsageError(f"{ref!r} matches {len(matches)} checkpoints", f"Choose one: {', '.join(matches)}.")
    folder = names.folder_of(matches[0])
    with explained(folder):
        return checkpoints.read(folder) if folder.exists() else download(matches[0])


def find(ref: str) -> Checkpoint | None:
    """The checkpoint of this name, if it is on this machine and undamaged."""
    folder = names.folder_of(ref)
    with explained(folder):
        if not folder.exists():
            return None
    try:
        return checkpoints.read(folder)
    except ReszooError:
        return None


def download(ref: str, *, progress: Progress = silent) -> Checkpoint:
    """Bring a checkpoint into the cache; one that is here and undamaged is given at once, without the network.

    `progress` counts bytes as they arrive.
    """
    from ..core.locks import locked

    if found := find(ref):
        return found
    if ref not in catalogue.cards() and (folder := names.folder_of(ref)).exists():
        return checkpoints.read(folder)  # damaged: says so
    card = catalogue.card(ref)
    folder = catalogue.folder_of(ref)
    with explained(folder), locked(folder):
        return find(ref) or _fetch_and_convert(card, folder, progress)  # another process may have been faster


def is_unverified(checkpoint: Checkpoint) -> bool:
    """Whether no published hash tells that it was made of the file that its card means."""
    return any(UNVERIFIED in step.config for step in checkpoint.provenance)


def _fetch_and_convert(card: catalogue.Card, folder: Path, progress: Progress) -> Checkpoint:
    from ..core.download import Source, fetched, place_of
    from .convert import convert
    from .labels import labels
    from .reading import check_readable

    check_readable(PurePosixPath(card.url).name)
    check_replaceable(folder, checkpoints.is_ours)
    known = None if card.is_verified else pins.pinned(card.ref, card.url)
    source = Source(url=card.url, sha256=known or card.sha256, size_bytes=card.size_bytes)
    original = place_of(card.url)
    with _explained_pin(card.ref, known), fetched(source, original, progress=progress) as digest:
        made = checkpoints.save(
            folder,
            convert(original, card.converter),
            ref=card.ref,
            spec=card.model_spec(),
            preprocess=card.preprocess,
            labels=labels(card.labels),
            dataset=card.dataset,
            metrics=_metrics(card),
            licence=card.licence,
            provenance=_provenance(card, digest),
            replace=True,
        )
        if not (card.is_verified or known):
            pins.pin(card.ref, card.url, digest)
        return made


@contextmanager
def _explained_pin(ref: str, known: str | None) -> Iterator[None]:
    from ..core.download import WrongFileError

    try:
        yield
    except WrongFileError as error:
        if known is None:
            raise
        reason = f"{error.problem}, as it was when {ref} was first downloaded"
        raise ReszooError(reason, f"If you trust the file that is there today, delete {pins.path_of(ref)}.") from error


def _metrics(card: catalogue.Card) -> tuple[Metric, ...]:
    if card.accuracy is None or not card.is_verified:
        return ()  # nobody can tell that it is this file's
    published = card.accuracy
    return (
        Metric(
            name="accuracy",
            value=published.value,
            dataset=card.dataset,
            split=published.split,
            origin="published",
            source=published.source,
            n=published.n,
        ),
    )


def _provenance(card: catalogue.Card, digest: str) -> tuple[ProvenanceStep, ...]:
    """What was done; `digest` is the sha256 of the original file."""
    spec = {name: str(value) for name, value in card.spec.items()}
    unverified = {} if card.is_verified else {UNVERIFIED: "the hash of the first download"}
    return (
        ProvenanceStep(
            name="download",
            config={"url": card.url} | unverified,
            versions=versions(("reszoo", "httpx")),
            input_sha256=digest,
        ),
        ProvenanceStep(
            name="convert",
            config={"converter": card.converter, "arch": card.arch, **spec},
            versions=versions(("reszoo", "torch", "safetensors")),
            input_sha256=digest,
        ),
    )
