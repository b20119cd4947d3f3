"""`reszoo quantize`: a checkpoint as an integer artifact, with what that saves and what it costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from . import output
from .export import parse_batch

if TYPE_CHECKING:
    from ..core.types import Artifact, Checkpoint
    from ..export.contract import ExportOptions
    from ..quantize.config import QuantizeConfig
    from ..quantize.summary import Layers


def quantize(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="Names with wildcards, or checkpoint folders.")],
    scheme: Annotated[str | None, typer.Option(help="How.", show_default="the format's natural one")] = None,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="What the artifact is.")] = "onnx",
    calibration: Annotated[
        Literal["minmax", "percentile", "entropy", "mse"] | None,
        typer.Option(help="How an activation's range is chosen.", show_default="mse"),
    ] = None,
    images: Annotated[int | None, typer.Option(help="Training images to calibrate on.", show_default="512")] = None,
    seed: Annotated[int | None, typer.Option(help="Chooses those images.", show_default="0")] = None,
    activations: Annotated[
        Literal["u8", "s8"] | None, typer.Option(help="u8 for CPUs, s8 for TensorRT.", show_default="u8")
    ] = None,
    equalise: Annotated[
        bool | None, typer.Option("--equalise/--no-equalise", help="Equalise weights across layers.", show_default="no")
    ] = None,
    bias_correction: Annotated[
        bool | None,
        typer.Option("--bias-correction/--no-bias-correction", help="Take off what rounding adds.", show_default="yes"),
    ] = None,
    saturation: Annotated[
        Literal["certify", "ignore"] | None,
        typer.Option(help="certify: no kernel can saturate 16-bit sums.", show_default="certify"),
    ] = None,
    keep_float: Annotated[
        list[str] | None, typer.Option("--keep-float", metavar="NODE", help="A graph node that stays in float.")
    ] = None,
    input: Annotated[  # noqa: A002 - it is the option's name
        Literal["float", "uint8"], typer.Option(help="What the model is fed with, as in `reszoo export`.")
    ] = "float",
    batch: Annotated[str, typer.Option(metavar="dynamic|N", help="Any batch size, or just one.")] = "dynamic",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The artifact's folder.", show_default="./REF-FORMAT-int8...")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Quantize checkpoints, calibrated on training images of their own data set, and say what it cost.

    Example: reszoo quantize resnet8_v1.reszoo_digits --calibration entropy --out digits-int8
    """
    from ..export.contract import ExportOptions, format_named
    from ..export.exporting import checked
    from .targets import checkpoints

    given: dict[str, Any] = {
        "scheme": scheme,
        "calibration": calibration,
        "images": images,
        "seed": seed,
        "activations": activations,
        "equalise": equalise,
        "bias_correction": bias_correction,
        "saturation": saturation,
        "keep_float": tuple(keep_float) if keep_float else None,
    }
    config = _config(to, {name: value for name, value in given.items() if value is not None})
    options = ExportOptions(precision="int8", quantize=config, input=input, batch=parse_batch(batch))
    checked(options, format_named(to))
    sources = checkpoints(refs)
    if out is not None and len(sources) > 1:
        raise UsageError(f"--out is one folder, but {len(sources)} checkpoints match", "Leave --out away.")
    rows = [_quantize(source, to, options, out) for source in sources]
    if json:
        output.print_json(
            [
                {"artifact": artifact, "float_size_bytes": floats.size_bytes, "layers": layers}
                for artifact, floats, layers in rows
            ]
        )
        return
    _print(rows)


def _config(format_name: str, given: dict[str, Any]) -> "QuantizeConfig":
    from ..quantize.config import QuantizeConfig
    from ..quantize.contract import natural_scheme

    chosen: dict[str, Any] = {"scheme": given.get("scheme") or natural_scheme(format_name).name, **given}
    return QuantizeConfig(**chosen)


def _quantize(
    source: "Checkpoint", format_name: str, options: "ExportOptions", out: Path | None
) -> "tuple[Artifact, Artifact, Layers]":
    """The artifact, its float counterpart, and how many layers became integer."""
    import msgspec
    from rich.progress import BarColumn, TimeElapsedColumn, TimeRemainingColumn

    from ..export.exporting import export, exported, folder_name
    from ..quantize.summary import layers

    folder = out or Path(f"{source.ref}-{folder_name(format_name, options)}")
    columns = ("{task.description}", BarColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
    with output.progress(*columns) as bar:
        task = bar.add_task(f"quantizing {source.ref}", total=None)

        def watch(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        artifact = export(source, format_name, out=folder, options=options, watch=watch)
    floats = exported(source, format_name, msgspec.structs.replace(options, precision="fp32", quantize=None))
    return artifact, floats, layers(artifact.path / artifact.files[0].name)


def _print(rows: "list[tuple[Artifact, Artifact, Layers]]") -> None:
    table = output.table(
        "artifact", "bytes", "of fp32", "max error", "mean error", "top-1 agreement", "integer layers", "certificate"
    )
    for artifact, floats, layers in rows:
        parity = artifact.parity
        table.add_row(
            str(artifact.path),
            output.size(artifact.size_bytes),
            f"{artifact.size_bytes / floats.size_bytes:.0%}",
            f"{parity.max_abs_error:.2g}",
            f"{parity.mean_abs_error:.2g}",
            f"{parity.top1_agreement:.4f} of {parity.n}",
            f"{layers.quantized} of {layers.quantized + len(layers.floats)}",
            _certificate(artifact),
        )
    output.console().print(table)
    for artifact, _, layers in rows:
        if layers.floats:
            output.console().print(f"in float in {artifact.path}: {', '.join(layers.floats)}", markup=False)


def _certificate(artifact: "Artifact") -> str:
    found = artifact.certificate
    if found is None:
        return "none"
    return f"{found.proven} of {found.layers} layers proven, {found.reduced} channels reduced"
