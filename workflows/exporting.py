"""`export`: a checkpoint as deployable artifacts, proven to compute the same."""

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.measured import Failure
from ..core.progress import Progress, silent
from ..core.registry import ALL
from ..core.types import Artifact, Checkpoint, Precision, Unavailable

if TYPE_CHECKING:
    from torch import Tensor

    from ..export.contract.options import ExportOptions

    Request = tuple[str, ExportOptions]  # a format, and how

Input = Literal["float", "uint8"]
WEIGHTS_SUFFIXES = (".safetensors", ".pth")
Batch = int | tuple[int, int, int] | None  # one size, an engine's (min, opt, max), or any


def export(
    checkpoint: Checkpoint,
    to: str = "onnx",
    *,
    precision: Precision | None = None,
    input: Input = "float",  # noqa: A002 - the name of the same option on the command line
    batch: Batch = None,
    opset: int | None = None,
    compute_capability: Sequence[str] = (),
    accelerator: Sequence[str] = (),
    isa: Sequence[str] = (),
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress = silent,
) -> Artifact:
    """Write the checkpoint in a format. Nothing appears unless it computes what the checkpoint does, on real images.

    Args:
        checkpoint: What is exported.
        to: The format's name: onnx, openvino, litert, ...
        precision: Of the exported arithmetic; int8 is the format's natural quantization (`quantize` has its options).
            None is fp32, and int8 for a format that has no other.
        input: "float" takes the normalised NCHW tensor, "uint8" raw NHWC pixels that the graph normalises itself.
        batch: A fixed batch size, (min, opt, max) for an engine built for a range, or None for any size.
        opset: The ONNX operator set; None is the format's default.
        compute_capability: GPUs that an engine is built for, such as ("8.6", "8.9").
        accelerator: NPUs that the model is compiled for, such as ("ethos-u55-128",).
        isa: Sets of kernels that C is written with, such as ("avx2", "neon"); () is all.
        out: The artifact's folder; None is `./REF-FORMAT-PRECISION...`. An artifact that nobody has changed is
            replaced, anything else is not.
        progress: Counts the images of a calibration.

    Returns:
        The artifact, its parity record among its fields.

    Raises:
        UsageError: The format has no such option, or `out` is taken.
        UnavailableError: The format cannot be written on this machine.
        ReszooError: The export differs from its source; nothing was written.
    """
    ((name, options),) = requests(
        [to],
        [precision] if precision else None,
        input=input,
        batch=batch,
        opset=opset,
        compute_capability=compute_capability,
        accelerator=accelerator,
        isa=isa,
    )
    return _write(checkpoint, name, options, Path(out) if out is not None else None, None, progress)


def export_weights(
    checkpoint: Checkpoint, to: str = "torchvision", *, out: "str | os.PathLike[str] | None" = None
) -> Path:
    """Write the checkpoint's weights as another library names them, for `load_state_dict` there.

    It is no artifact: that library's network is needed to run it. Labels and preprocessing are not in it.

    Args:
        checkpoint: What is exported.
        to: "torchvision", for v1 networks of ImageNet's shape, or "timm", for v1 and v2 ones.
        out: The file, .safetensors or .pth; None is `./REF-TO.safetensors`. What is there is not replaced.

    Returns:
        The file. Its weights were loaded into the library's own network, which gave the same logits.

    Raises:
        UsageError: The network's structure is not the library's, or `out` is taken or has another suffix.
        UnavailableError: The library is not installed.
        ReszooError: The library's network gives other logits; nothing was written.
    """
    from ..core.files import check_free, write_atomic
    from ..core.refs import inside
    from ..core.registry import unknown
    from ..zoo.libraries import LIBRARIES, weights_for

    if to not in LIBRARIES:
        raise unknown(to, LIBRARIES, "library")
    path = Path(out) if out is not None else inside(Path(), f"{checkpoint.ref}-{to}.safetensors")
    if path.suffix not in WEIGHTS_SUFFIXES:
        raise UsageError(
            f"{path} is no name for weights", f"Give a file that ends in {' or '.join(WEIGHTS_SUFFIXES)} as `out`."
        )
    check_free(path)
    write_atomic(path, _packed(weights_for(to, checkpoint), path.suffix))
    return path.absolute()


def _packed(state: "dict[str, Tensor]", suffix: str) -> bytes:
    import io

    import torch
    from safetensors.torch import save

    whole = {name: tensor.contiguous() for name, tensor in state.items()}
    if suffix == ".safetensors":
        return save(whole, metadata={"format": "pt"})
    buffer = io.BytesIO()
    torch.save(whole, buffer)
    return buffer.getvalue()


class Attempt(NamedTuple):
    """One export of several, and the seconds that it took, proof included."""

    ref: str
    format: str
    precision: str
    seconds: float
    outcome: Artifact | Unavailable | Failure


def requests(
    names: Sequence[str],
    precisions: Sequence[Precision] | None = None,
    *,
    input: Input = "float",  # noqa: A002 - the name of the same option on the command line
    batch: Batch = None,
    opset: int | None = None,
    compute_capability: Sequence[str] = (),
    accelerator: Sequence[str] = (),
    isa: Sequence[str] = (),
) -> "list[Request]":
    """Formats with their options. One that is alone must have them, and be here; of several, those may lack them.

    Without `precisions`, each is made in its first one.

    Raises UsageError for a format that nobody knows, and for options that no format has.
    """
    from msgspec.structs import replace

    from ..core.registry import choose
    from ..export.contract.format import format_named, formats

    common = options_for(input, batch, opset, compute_capability, accelerator, isa)
    known = list(formats()) if ALL in names else list(dict.fromkeys(names))
    plugins = [choose(formats(), name, "format") for name in known]
    found = [
        (plugin.name, replace(common, precision=precision))
        for plugin in plugins
        for precision in precisions or plugin.precisions[:1]
    ]
    if len(found) == 1:  # before anything is downloaded for it
        plugins[0].check(found[0][1])
        format_named(known[0])
    return found


def options_for(
    input: Input,  # noqa: A002 - the name of the same option on the command line
    batch: Batch,
    opset: int | None,
    compute_capability: Sequence[str],
    accelerator: Sequence[str] = (),
    isa: Sequence[str] = (),
) -> "ExportOptions":
    """What both `export` and `quantize` are told about the artifact."""
    from ..core.limits import check_counts
    from ..export.contract.options import BatchRange, ExportOptions

    check_counts(batches=batch if isinstance(batch, tuple) else [batch or 1])
    common = {
        "input": input,
        "opset": opset,
        "compute_capability": tuple(compute_capability),
        "accelerator": tuple(dict.fromkeys(accelerator)),
        "isa": tuple(dict.fromkeys(isa)),
    }
    if isinstance(batch, tuple):
        least, best, most = batch
        return ExportOptions(batches=BatchRange(min=least, opt=best, max=most), **common)  # type: ignore[arg-type]
    return ExportOptions(batch=batch, **common)  # type: ignore[arg-type]


def each(
    checkpoints: Sequence[Checkpoint], wanted: "Sequence[Request]", out: Path | None, progress: Progress = silent
) -> Iterator[Attempt]:
    """Make every request of every checkpoint, in `out` or, of several, in folders there.

    Of several, one that cannot be made does not end the rest: it is a value. The error of one alone is raised.
    """
    from ..export.attempts import attempt

    plans = list(product(checkpoints, wanted))
    for done, (source, (name, options)) in enumerate(plans):
        progress(f"exporting {source.ref} to {name} {options.precision}", done, len(plans))
        began = time.monotonic()
        if len(plans) == 1:
            outcome: Artifact | Unavailable | Failure = _write(source, name, options, out, None, progress)
        else:
            make = partial(_write, source, name, options, None, out, progress)
            outcome = attempt(source, name, options, make)
        yield Attempt(source.ref, name, options.precision, time.monotonic() - began, outcome)


def check_exported(attempts: Sequence[Attempt], *, is_all: bool) -> None:
    """Raises ReszooError if an export failed, UnavailableError if one that was named cannot be made, or of all none."""
    outcomes = [attempt.outcome for attempt in attempts]
    failed = sum(isinstance(outcome, Failure) for outcome in outcomes)
    missing = sum(isinstance(outcome, Unavailable) for outcome in outcomes)
    if failed:
        raise ReszooError(f"{failed} of {len(outcomes)} exports failed")
    if missing == len(outcomes) or (missing and not is_all):
        raise UnavailableError(f"{missing} of {len(outcomes)} exports cannot be made here")


def _write(
    source: Checkpoint,
    name: str,
    options: "ExportOptions",
    folder: Path | None,
    parent: Path | None,
    progress: Progress,
) -> Artifact:
    from ..core.refs import inside
    from ..export.exporting import export as write
    from ..export.exporting import folder_name

    out = folder or inside(parent or Path(), f"{source.ref}-{folder_name(name, options)}")
    return write(source, name, out=out, options=options, progress=progress)
