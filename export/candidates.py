"""The files of a folder as a candidate: all that is known about them before they are proven."""

from pathlib import Path

import msgspec

from ..core.hosts import versions
from ..core.types import Candidate, Certificate, Checkpoint, ProvenanceStep
from .artifacts import files_in, record
from .contract.format import Format
from .contract.options import ExportOptions
from .formats import torch


def candidate(
    checkpoint: Checkpoint,
    plugin: Format,
    options: ExportOptions,
    folder: Path,
    *steps: ProvenanceStep,
    certificate: Certificate | None = None,
) -> Candidate:
    """What `plugin` has written into `folder`; `steps` are what was done to it after that."""
    provenance = (*checkpoint.provenance, export_step(checkpoint, plugin, options), *steps)
    files = [path for path in files_in(folder) if path.name not in plugin.companions]
    return _described(checkpoint, plugin, options, folder, files, provenance, certificate)


def in_place(checkpoint: Checkpoint) -> Candidate:
    """The checkpoint as PyTorch runs it where it lies: nothing is written, so there is nothing to prove."""
    weights = checkpoint.weights_path
    return _described(checkpoint, torch.FORMAT, ExportOptions(), weights.parent, [weights], checkpoint.provenance)


def _described(
    checkpoint: Checkpoint,
    plugin: Format,
    options: ExportOptions,
    folder: Path,
    files: list[Path],
    provenance: tuple[ProvenanceStep, ...],
    certificate: Certificate | None = None,
) -> Candidate:
    fed, given = plugin.ends(checkpoint, options, folder)
    return Candidate(
        path=folder,
        format=plugin.name,
        precision=options.precision,
        input=fed,
        output=given,
        preprocess=checkpoint.preprocess,
        labels=checkpoint.labels,
        dataset=checkpoint.dataset,
        files=tuple(record(path, folder) for path in files),
        source_ref=checkpoint.ref,
        provenance=provenance,
        certificate=certificate,
    )


def export_step(checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> ProvenanceStep:
    return ProvenanceStep(
        name="export",
        config={"format": plugin.name, **export_config(options)},
        versions=versions(("reszoo",)) | plugin.versions(),
        input_sha256=checkpoint.sha256,
    )


def export_config(options: ExportOptions) -> dict[str, str]:
    """The options but for quantization, which is a step of its own, as `reszoo export` reads them."""
    chosen = msgspec.structs.asdict(options)
    chosen["batch"] = chosen.pop("batches") or options.batch
    del chosen["quantize"]
    return {name: _text(value) for name, value in chosen.items()}


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
