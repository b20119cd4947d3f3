"""The files of a folder as a candidate: all that is known about them before they are proven."""

from pathlib import Path

from ..core.documents import to_builtins
from ..core.hosts import versions
from ..core.types import Candidate, Certificate, Checkpoint, Step
from .artifacts import record
from .contract import ExportOptions, Format, input_spec, output_spec


def candidate(
    checkpoint: Checkpoint,
    plugin: Format,
    options: ExportOptions,
    folder: Path,
    *steps: Step,
    certificate: Certificate | None = None,
) -> Candidate:
    """What `plugin` has written into `folder`; `steps` are what was done to it after that."""
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
        lineage=(*checkpoint.lineage, export_step(checkpoint, plugin, options), *steps),
        certificate=certificate,
    )


def export_step(checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> Step:
    chosen = {key: str(value) for key, value in to_builtins(options).items() if key != "quantize"}
    return Step(
        name="export",
        config={"format": plugin.name, **chosen},
        versions=versions(("reszoo", *plugin.packages)),
        input_sha256=checkpoint.sha256,
    )
