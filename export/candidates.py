"""The files of a folder as a candidate: all that is known about them before they are proven."""

from pathlib import Path

from ..core.documents import to_builtins
from ..core.hosts import versions
from ..core.types import Candidate, Certificate, Checkpoint, Step
from .artifacts import record
from .contract import ExportOptions, Format, input_spec, output_spec
from .formats.torch import TorchFormat


def candidate(
    checkpoint: Checkpoint,
    plugin: Format,
    options: ExportOptions,
    folder: Path,
    *steps: Step,
    certificate: Certificate | None = None,
) -> Candidate:
    """What `plugin` has written into `folder`; `steps` are what was done to it after that."""
    lineage = (*checkpoint.lineage, export_step(checkpoint, plugin, options), *steps)
    return _described(checkpoint, plugin.name, options, sorted(folder.iterdir()), lineage, certificate)


def in_place(checkpoint: Checkpoint) -> Candidate:
    """The checkpoint as PyTorch runs it where it lies: nothing is written, so there is nothing to prove."""
    return _described(checkpoint, TorchFormat.name, ExportOptions(), [checkpoint.weights_path], checkpoint.lineage)


def _described(
    checkpoint: Checkpoint,
    format_name: str,
    options: ExportOptions,
    files: list[Path],
    lineage: tuple[Step, ...],
    certificate: Certificate | None = None,
) -> Candidate:
    return Candidate(
        path=files[0].parent,
        format=format_name,
        precision=options.precision,
        input=input_spec(checkpoint, options),
        output=output_spec(checkpoint, options),
        preprocess=checkpoint.preprocess,
        labels=checkpoint.labels,
        dataset=checkpoint.dataset,
        files=tuple(record(path) for path in files),
        source_ref=checkpoint.ref,
        lineage=lineage,
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
