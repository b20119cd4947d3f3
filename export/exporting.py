"""`export`: write a checkpoint in a format, prove that it computes the same, and only then let it appear."""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ..core.documents import to_builtins, write_json
from ..core.download import locked
from ..core.errors import ReszooError
from ..core.files import cache_dir, explained, staged_folder
from ..core.hosts import versions
from ..core.types import Artifact, Candidate, Certificate, Checkpoint, Step
from ..quantize.config import QuantizeConfig
from . import deployment
from . import parity as parities
from .artifacts import MANIFEST, is_untouched, read, record
from .contract import ExportOptions, Format, format_named, input_spec, output_spec
from .formats.torch import TorchFormat
from .quantizing import Watch, completed, quantize, scheme_of, step


def export(
    checkpoint: Checkpoint,
    format_name: str,
    *,
    out: Path,
    options: ExportOptions | None = None,
    watch: Watch = lambda done, total: None,
) -> Artifact:
    """Write `checkpoint` as an artifact of that format into the folder `out`, with its parity record.

    `watch` is told how many calibration images a quantization scheme has looked at.

    Raises UsageError for options that the format does not have, UnavailableError where it cannot be written here,
    and ReszooError when the result differs from its source; in each case nothing is left behind.
    """
    plugin = format_named(format_name)
    options = checked(options or ExportOptions(), plugin)
    with staged_folder(out, is_ours=is_untouched) as staging:
        candidate = _write(checkpoint, plugin, options, staging, watch)
        # drawn anew for a quantized one, which is not to be judged by the images that its ranges fit
        seed = parities.SEED if options.quantize is None else options.quantize.seed + 1
        parity = parities.prove(candidate, checkpoint, plugin.parity_runtime, seed)
        # on disk the path is left empty: a folder can be moved, and `read` fills it in
        artifact = Artifact(**msgspec.structs.asdict(candidate) | {"path": Path(), "parity": parity})
        extras = deployment.write(artifact, checkpoint, plugin.parity_runtime, staging)
        artifact = msgspec.structs.replace(artifact, extras=extras)
        write_json(staging / MANIFEST, artifact)
    return msgspec.structs.replace(artifact, path=out.absolute())


def exported(checkpoint: Checkpoint, format_name: str, options: ExportOptions | None = None) -> Artifact:
    """The artifact from the cache if it was made from these weights by these versions, else a new one."""
    plugin = format_named(format_name)
    options = checked(options or ExportOptions(), plugin)
    # two checkpoints may have one name; their weights tell them apart
    home = cache_dir() / "artifacts" / f"{checkpoint.ref}-{checkpoint.sha256[:12]}"
    folder = home / folder_name(format_name, options)
    with explained(folder), locked(folder):
        return _kept(folder, checkpoint, plugin, options) or export(
            checkpoint, format_name, out=folder, options=options
        )


def in_place(checkpoint: Checkpoint) -> Candidate:
    """The checkpoint as PyTorch runs it where it lies: nothing is written, so there is nothing to prove."""
    files = [checkpoint.weights_path]
    return _describe(checkpoint, TorchFormat.name, ExportOptions(), files[0].parent, files, checkpoint.lineage)


def checked(options: ExportOptions, plugin: Format) -> ExportOptions:
    """The options, complete; refused where the format or the quantization scheme does not have them."""
    plugin.check(options)
    options = completed(options, plugin.name)
    if options.quantize is not None:
        scheme_of(options.quantize, plugin.name)
    return options


def folder_name(format_name: str, options: ExportOptions) -> str:
    """ "onnx-fp32", and whatever was chosen besides: "onnx-fp16-uint8-batch8-opset20", "onnx-int8-mse-images256"."""
    parts = [format_name, options.precision]
    if options.quantize is not None:
        parts += _words(options.quantize)
    if options.input != "float":
        parts.append(options.input)
    if options.batch:
        parts.append(f"batch{options.batch}")
    if options.opset:
        parts.append(f"opset{options.opset}")
    return "-".join(parts)


def _words(config: QuantizeConfig) -> list[str]:
    """What differs from the defaults: "entropy", "images256", "no_bias_correction"."""
    words = []
    for name, default in msgspec.structs.asdict(QuantizeConfig()).items():
        match getattr(config, name):
            case value if value == default:
                continue
            case bool(value):
                words.append(name if value else f"no_{name}")
            case str(value):
                words.append(value)
            case int(value):
                words.append(f"{name}{value}")
            case value:  # names of nodes, which may be long
                words.append(f"{name}_{hashlib.sha256(repr(value).encode()).hexdigest()[:8]}")
    return words


def _kept(folder: Path, checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> Artifact | None:
    """The artifact in the cache, if it is undamaged and would come out the same today."""
    try:
        kept = read(folder)
    except ReszooError:
        shutil.rmtree(folder, ignore_errors=True)  # not there, or damaged: it is made anew, and proven again
        return None
    lineage = (*checkpoint.lineage, _step(checkpoint, plugin, options))
    if options.quantize is not None:  # the same checkpoint and versions give the same float file
        lineage = (*lineage, step(checkpoint, options.quantize, kept.lineage[-1].input_sha256))
    fresh = lineage, checkpoint.labels, checkpoint.preprocess
    return kept if (kept.lineage, kept.labels, kept.preprocess) == fresh else None


def _write(checkpoint: Checkpoint, plugin: Format, options: ExportOptions, folder: Path, watch: Watch) -> Candidate:
    lineage = (*checkpoint.lineage, _step(checkpoint, plugin, options))
    certificate = None
    if options.quantize is None:
        plugin.write(checkpoint, options, folder)
    else:
        done, certificate = quantize(checkpoint, plugin, options, options.quantize, folder, watch)
        lineage = (*lineage, done)
    return _describe(checkpoint, plugin.name, options, folder, sorted(folder.iterdir()), lineage, certificate)


def _describe(
    checkpoint: Checkpoint,
    format_name: str,
    options: ExportOptions,
    folder: Path,
    files: Iterable[Path],
    lineage: tuple[Step, ...],
    certificate: Certificate | None = None,
) -> Candidate:
    return Candidate(
        path=folder,
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


def _step(checkpoint: Checkpoint, plugin: Format, options: ExportOptions) -> Step:
    chosen = {key: str(value) for key, value in to_builtins(options).items() if key != "quantize"}
    return Step(
        name="export",
        config={"format": plugin.name, **chosen},
        versions=versions(("reszoo", *plugin.packages)),
        input_sha256=checkpoint.sha256,
    )
