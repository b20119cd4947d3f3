"""`quantize`: a checkpoint as an integer artifact, within a budget, with what that costs and what it buys."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import UsageError
from ...core.progress import Progress, silent
from ...core.types import Artifact, Checkpoint
from ..exporting import Batch, Input
from ..exporting import options_for as shape

if TYPE_CHECKING:
    from ...core.measured import Failure
    from ...core.types import Unavailable
    from ...export.contract.options import ExportOptions
    from ...quantize.summary import Layers
    from .budget_search import SearchResult, SearchTrial
    from .layer_damage import Damage
    from .speed_check import SpeedCheck


class Quantized(NamedTuple):
    """An artifact and its float counterpart; the search and the speed check, where they were asked for.

    `layers` are those of an ONNX graph, if one is among the files: others are not looked into.
    """

    artifact: Artifact
    floats: Artifact
    layers: "Layers | None"
    search: "SearchResult | None"
    speed_check: "SpeedCheck | Unavailable | Failure | None"


def quantize(
    checkpoint: Checkpoint,
    to: str | None = None,
    *,
    scheme: str | None = None,
    max_drop: float | None = None,
    data: str | None = None,
    calibration: str | None = None,
    images: int | None = None,
    seed: int | None = None,
    activations: str | None = None,
    equalise: bool | None = None,
    bias_correction: bool | None = None,
    saturation: str | None = None,
    keep_float: Sequence[str] = (),
    input: Input = "float",  # noqa: A002 - the name of the same option on the command line
    batch: Batch = None,
    opset: int | None = None,
    compute_capability: Sequence[str] = (),
    measure: bool = True,
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress = silent,
    on_damages: "Callable[[tuple[Damage, ...]], None]" = lambda damages: None,
    on_trial: "Callable[[SearchTrial], None]" = lambda trial: None,
) -> Quantized:
    """Quantize a checkpoint, calibrated on training images of its own data set, and check its speed against float.

    Args:
        checkpoint: What is quantized.
        to: The format; None is onnx, or what the scheme makes.
        scheme: How; None is the format's natural scheme.
        max_drop: Keep the fewest layers in float that lose at most this much accuracy on val, a fraction.
        data: The data set of the training images to calibrate on, and of val; None is the one that it was trained on.
        calibration: How an activation's range is chosen: minmax, percentile, entropy or mse; None is the scheme's own.
        images: Training images to calibrate on; None is 512, or all where there are fewer.
        seed: Chooses those images; None is 0.
        activations: "u8" for CPUs, "s8" for TensorRT; None is the format's own.
        equalise: Equalise weights across layers.
        bias_correction: Take off what rounding adds.
        saturation: "certify": no kernel can saturate 16-bit sums; "ignore".
        keep_float: Names of layers that stay in float.
        input: "float" takes the normalised NCHW tensor, "uint8" raw NHWC pixels.
        batch: A fixed batch size, (min, opt, max), or None for any.
        opset: The ONNX operator set.
        compute_capability: GPUs that an engine is built for.
        measure: Compare the latency with the float artifact's, for some seconds.
        out: The artifact's folder; None is `./REF-FORMAT-SCHEME...`.
        progress: Is told of the stages.
        on_damages: Is given what each layer loses alone, where a budget needs it.
        on_trial: Is given every trial of the search, as soon as it is measured.

    Returns:
        The artifact. This function gives it together with its float counterpart and what was found on the way; the
        method of `Checkpoint` gives it alone.

    Raises:
        UsageError: An option is unknown or does not go with the format.
        UnavailableError: The data set or a package is not on this machine.
        ReszooError: The budget cannot be met, or the result differs too much from its source.
    """
    from msgspec.structs import replace

    from ...core.files import check_replaceable
    from ...core.refs import inside
    from ...export.contract.format import format_named
    from ...export.exporting import export, exported, folder_name, is_older_of
    from ...export.formats.onnx import MODEL_FILE
    from ...quantize.summary import layers
    from ..class_names import with_data
    from .budget_search import search_within_budget

    checkpoint = with_data(checkpoint, data)
    format_name, options = options_for(
        to,
        scheme=scheme,
        calibration=calibration,
        images=images,
        seed=seed,
        activations=activations,
        equalise=equalise,
        bias_correction=bias_correction,
        saturation=saturation,
        keep_float=keep_float,
        input=input,
        batch=batch,
        opset=opset,
        compute_capability=compute_capability,
    )
    if out is not None:
        check_replaceable(Path(out), is_older_of(checkpoint, format_named(format_name)))
    search = None
    if max_drop is not None:
        search = search_within_budget(
            checkpoint, format_name, options, max_drop, progress=progress, on_damages=on_damages, on_trial=on_trial
        )
        options = search.options
    default = f"{checkpoint.ref}-{folder_name(format_name, options)}"
    folder = Path(out) if out is not None else inside(Path(), default)
    artifact = export(checkpoint, format_name, out=folder, options=options, progress=progress)
    floats = exported(checkpoint, format_name, replace(options, precision="fp32", quantize=None))
    speed_check = _check_speed(artifact, floats, progress) if measure else None
    graph = artifact.path / MODEL_FILE
    return Quantized(artifact, floats, layers(graph) if graph.is_file() else None, search, speed_check)


def options_for(
    to: str | None = None,
    *,
    scheme: str | None = None,
    keep_float: Sequence[str] = (),
    input: Input = "float",  # noqa: A002 - the name of the same option on the command line
    batch: Batch = None,
    opset: int | None = None,
    compute_capability: Sequence[str] = (),
    **chosen: Any,
) -> "tuple[str, ExportOptions]":
    """The format and the options that the arguments of `quantize` stand for, checked."""
    from msgspec.structs import replace

    from ...export.contract.format import format_named
    from ...export.exporting import checked
    from ...export.quantizing import config_for, format_for

    format_name = to or format_for(scheme)
    plugin = format_named(format_name)
    if "fp32" not in plugin.precisions:
        raise UsageError(
            f"format {format_name} has no float counterpart to compare with",
            f"Export to it: `export(to={format_name})`.",
        )
    given = {name: value for name, value in chosen.items() if value is not None}
    if keep_float:
        given["keep_float"] = tuple(keep_float)
    config = replace(config_for(plugin, scheme), **given)
    common = shape(input, batch, opset, compute_capability)
    return format_name, checked(replace(common, precision="int8", quantize=config), plugin)


def _check_speed(artifact: Artifact, floats: Artifact, progress: Progress) -> "SpeedCheck | Unavailable | Failure":
    """With one thread and one image at a time; `reszoo compare` has all other scenarios."""
    from ...bench.table import verdict
    from .speed_check import check_speed

    return check_speed(artifact, floats, on_round=lambda ratio: progress(f"speed check: {verdict(ratio)}"))
