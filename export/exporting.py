"""`export`: write a checkpoint in a format, prove that it computes the same, and only then let it appear."""

import shutil
from pathlib import Path

import msgspec

from ..core.documents import to_builtins, write_json
from ..core.download import locked
from ..core.errors import ReszooError
from ..core.files import cache_dir, explained, staged_folder
from ..core.hosts import versions
from ..core.types import Artifact, Candidate, Checkpoint, Step
from .artifacts import MANIFEST, is_untouched, read, record
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
    with staged_folder(out, is_ours=is_untouched) as staging:
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
    plugin = format_named(format_name)
    # two checkpoints may have one name; their weights tell them apart
    home = cache_dir() / "artifacts" / f"{checkpoint.ref}-{checkpoint.sha256[:12]}"
    folder = home / folder_name(format_name, options)
    with explained(folder), locked(folder):
        return _kept(folder, checkpoint, plugin, options) or export(
            checkpoint, format_name, out=folder, options=options
        )


def folder_name(format_name: str, options: ExportOptions) -> str:
    """ "onnx-fp32", and whatever was chosen besides: "onnx-fp16-uint8-batch8-opset20"."""
    parts = [format_name, options.precision]
    if options.input != "float":
        parts.append(options.input)
    if options.batch:
        parts.append(f"batch{options.batch}")
    if options.opset:
        parts.append(f"opset{options.opset}")
    return "-".join(parts)


def _kept(folder: Path, checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> Artifact | None:
    """The artifact in the cache, if it is undamaged and would come out the same today."""
    try:
        kept = read(folder)
    except ReszooError:
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged: it is made anew, and proven again
        return None
    fresh = (*checkpoint.lineage, _step(checkpoint, plugin, options)), checkpoint.labels, checkpoint.preprocess
    return kept if (kept.lineage, kept.labels, kept.preprocess) == fresh else None


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
