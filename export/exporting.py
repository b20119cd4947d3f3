"""`export`: write a checkpoint in a format, prove that it computes the same, and only then let it appear."""

from pathlib import Path

import msgspec

from ..core.documents import to_builtins, write_json
from ..core.errors import ReszooError
from ..core.files import cache_dir, staged_folder
from ..core.hosts import versions
from ..core.types import Artifact, Candidate, Checkpoint, Step
from .artifacts import MANIFEST, is_artifact, read, record
from .contract import ExportOptions, Format, format_named, input_spec, output_spec
from .parity import prove


def export(checkpoint: Checkpoint, format_name: str, *, out: Path, options: ExportOptions | None = None) -> Artifact:
    """Write `checkpoint` as an artifact of that format into the folder `out`, with its parity record.

    Raises UsageError for options that the format does not have, UnavailableError where it cannot be written here,
    and ReszooError when the result differs from its source; in each case nothing is left behind.
    """
    options = options or ExportOptions()
    plugin = format_named(format_name)
    plugin.check(options)
    with staged_folder(out, replaces=MANIFEST) as staging:
        plugin.write(checkpoint, options, staging)
        candidate = _candidate(checkpoint, plugin, options, staging)
        parity = prove(candidate, checkpoint, plugin.parity_runtime)
        # on disk the path is left empty: a folder can be moved, and `read` fills it in
        artifact = Artifact(**msgspec.structs.asdict(candidate) | {"path": Path(), "parity": parity})
        write_json(staging / MANIFEST, artifact)
    return msgspec.structs.replace(artifact, path=out.absolute())


def exported(checkpoint: Checkpoint, format_name: str, options: ExportOptions | None = None) -> Artifact:
    """The artifact from the cache if it was made from these weights by these versions, else a new one."""
    options = options or ExportOptions()
    name = "-".join((format_name, options.precision, options.input, str(options.batch or "dynamic")))
    folder = cache_dir() / "artifacts" / checkpoint.ref / name
    if is_artifact(folder):
        try:
            kept = read(folder)
        except ReszooError:
            kept = None  # damaged: made anew below, and proven again
        if kept and kept.lineage == (*checkpoint.lineage, _step(checkpoint, format_named(format_name), options)):
            return kept
    return export(checkpoint, format_name, out=folder, options=options)


def _candidate(checkpoint: Checkpoint, plugin: Format, options: ExportOptions, folder: Path) -> Candidate:
    return Candidate(
        path=folder,
        format=plugin.name,
        precision=options.precision,
        input=input_spec(checkpoint, options),
        output=output_spec(checkpoint, options),
        preprocess=checkpoint.preprocess,
        labels=checkpoint.labels,
        dataset=checkpoint.dataset,
        files=tuple(record(path) for path in sorted(folder.iterdir())),
        source_ref=checkpoint.ref,
        lineage=(*checkpoint.lineage, _step(checkpoint, plugin, options)),
    )


def _step(checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> Step:
    return Step(
        name="export",
        config={"format": plugin.name, **{key: str(value) for key, value in to_builtins(options).items()}},
        versions=versions(("reszoo", *plugin.packages)),
        input_sha256=checkpoint.sha256,
    )
