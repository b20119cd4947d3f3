"""`export`: write a checkpoint in a format, prove that it computes the same, and only then let it appear."""

import hashlib
from pathlib import Path

import msgspec

from ..core.documents import read_json, write_json
from ..core.errors import ReszooError, UsageError
from ..core.files import IsOurs, cache_dir, explained, staged_folder
from ..core.locks import locked
from ..core.patience import limited
from ..core.progress import Progress, silent
from ..core.refs import inside
from ..core.types import Artifact, Candidate, Checkpoint, StrPath
from ..quantize.config import QuantizeConfig
from ..quantize.contract import scheme_named
from . import deployment
from . import parity as parities
from .artifacts import FIX, MANIFEST, files_in, is_untouched, read, record
from .candidates import candidate, export_step
from .contract.format import Format, format_named, formats
from .contract.options import ExportOptions
from .quantizing import calibrated, completed, config_for, step
from .ways import ways


def export(
    checkpoint: Checkpoint,
    format_name: str,
    *,
    out: StrPath,
    options: ExportOptions | None = None,
    progress: Progress = silent,
) -> Artifact:
    """Write `checkpoint` as an artifact of that format into the folder `out`, with its parity record.

    `progress` counts the calibration images that a quantization scheme has looked at.

    Raises UsageError for options that the format does not have, and where `out` holds another network or format, or is
    being written, UnavailableError where it cannot be written here, and ReszooError when the result differs from its
    source; in each case nothing is left behind.
    """
    plugin, out = format_named(format_name), Path(out)
    options = checked(options or ExportOptions(), plugin)
    with locked(out, wait=False):
        return _export(checkpoint, plugin, options, out, is_older_of(checkpoint, plugin), progress)


def is_older_of(checkpoint: Checkpoint, plugin: Format) -> IsOurs:
    """Whether a folder holds nothing but an artifact of this network in this format, which a new one may replace.

    What it gives raises UsageError for an artifact of another network or format, as it may be needed.
    """

    def is_one(folder: Path) -> bool:
        if not is_untouched(folder):
            return False
        before = read_json(folder / MANIFEST, Artifact, FIX)
        if (before.source_ref, before.format) != (checkpoint.ref, plugin.name):
            raise UsageError(
                f"{folder} holds {before.source_ref} as {before.format}", "Choose another `out`, or delete it first."
            )
        return True

    return is_one


def _export(
    checkpoint: Checkpoint,
    plugin: Format,
    options: ExportOptions,
    out: Path,
    is_ours: IsOurs,
    progress: Progress = silent,
) -> Artifact:
    with staged_folder(out, is_ours) as staging:
        unproven = _write(checkpoint, plugin, options, staging, progress)
        deployment.write_program(unproven, plugin.parity_runtime, staging)
        write_json(staging / MANIFEST, msgspec.structs.replace(unproven, path=Path()))  # run.py and the page read it
        seed = parities.seed_for(options.quantize)
        parity = parities.prove(unproven, checkpoint, plugin.parity_runtime, seed)
        # on disk the path is left empty: a folder can be moved, and `read` fills it in
        proven = {"path": Path(), "parity": parity, "figures": plugin.figures(unproven)}
        artifact = Artifact(**msgspec.structs.asdict(unproven) | proven)
        extras = deployment.write(artifact, checkpoint, plugin.parity_runtime, staging)
        extras += tuple(record(path, staging) for path in files_in(staging) if path.name in plugin.companions)
        artifact = msgspec.structs.replace(artifact, extras=extras)
        write_json(staging / MANIFEST, artifact)
    return msgspec.structs.replace(artifact, path=out.absolute())


def unproven(checkpoint: Checkpoint, format_name: str, *, out: StrPath, options: ExportOptions) -> Artifact:
    """The same without a proof: the parity record is kept, and refuses nothing.

    It is for networks whose weights are yet to be trained, and for whoever measures what is lost; nothing lies beside
    the model.
    """
    plugin, out = format_named(format_name), Path(out)
    options = checked(options, plugin)
    with staged_folder(out, Path.is_dir) as staging:
        written = _write(checkpoint, plugin, options, staging, silent)
        parity = parities.measured(written, checkpoint, plugin.parity_runtime, parities.seed_for(options.quantize))
        artifact = Artifact(**msgspec.structs.asdict(written) | {"path": Path(), "parity": parity})
        write_json(staging / MANIFEST, artifact)
    return msgspec.structs.replace(artifact, path=out.absolute())


def exported(checkpoint: Checkpoint, format_name: str, options: ExportOptions | None = None) -> Artifact:
    """The artifact from the cache if it was made from this network by these versions, else a new one."""
    plugin = format_named(format_name)
    options = checked(options or ExportOptions(), plugin)
    # two checkpoints may have one name
    home = inside(cache_dir() / "artifacts", f"{checkpoint.ref}-{checkpoint.identity[:12]}")
    folder = inside(home, folder_name(format_name, options))
    with explained(folder), locked(folder):
        kept = _kept(folder, checkpoint, plugin, options)
        return kept or _export(checkpoint, plugin, options, folder, Path.is_dir)  # the whole folder is the cache's


def checked(options: ExportOptions, plugin: Format) -> ExportOptions:
    """The options, complete; refused where the format or the quantization scheme does not have them."""
    plugin.check(options)
    return completed(plugin.complete(options), plugin)


def folder_name(format_name: str, options: ExportOptions) -> str:
    """ "onnx-fp32", and what was chosen besides: "onnx-fp16-uint8-batch8-opset20", "onnx-int8-entropy-images256"."""
    parts = [format_name, options.precision]
    options = completed(options, formats()[format_name])
    if options.quantize is not None:
        is_natural = options.quantize.scheme == config_for(formats()[format_name]).scheme
        parts = [format_name, "int8" if is_natural else options.quantize.scheme, *_words(options.quantize)]
    if options.input != "float":
        parts.append(options.input)
    if options.batch:
        parts.append(f"batch{options.batch}")
    if options.batches:
        parts.append(f"batch{str(options.batches).replace(':', '-')}")
    if options.opset:
        parts.append(f"opset{options.opset}")
    if options.compute_capability:
        parts.append(f"sm{'-'.join(options.compute_capability)}")
    parts += [*options.accelerator, *options.isa]
    return "-".join(parts)


def _words(config: QuantizeConfig) -> list[str]:
    """What differs from the defaults: "entropy", "images256", "no_bias_correction"."""
    words = []
    plain = scheme_named(config.scheme).complete(QuantizeConfig(scheme=config.scheme))
    for name, default in msgspec.structs.asdict(plain).items():
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
    """The artifact in the cache, if it is undamaged, would come out the same today, and no better proof can be had."""
    try:
        kept = read(folder)
    except ReszooError:
        return None  # not there, or damaged: it is made anew, and proven again
    if not {way.name for way in ways(kept, plugin.parity_runtime)} <= {way.name for way in kept.parity.ways}:
        return None  # it was proven by an older reszoo, or where less could be run
    provenance = (*checkpoint.provenance, export_step(checkpoint, plugin, options))
    if options.quantize is not None:  # the same checkpoint and versions give the same float graph
        provenance = (*provenance, step(checkpoint, options.quantize, kept.provenance[-1].input_sha256))
    fresh = provenance, checkpoint.labels, checkpoint.preprocess
    return kept if (kept.provenance, kept.labels, kept.preprocess) == fresh else None


def _write(
    checkpoint: Checkpoint, plugin: Format, options: ExportOptions, folder: Path, progress: Progress
) -> Candidate:
    if options.quantize is None:
        with limited():
            plugin.write(checkpoint, options, folder)
        return candidate(checkpoint, plugin, options, folder)
    with calibrated(checkpoint, plugin, options, options.quantize, progress) as model:
        return model.write(options.quantize.keep_float, folder)
