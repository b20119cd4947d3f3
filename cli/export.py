"""`reszoo export`: a checkpoint as a file that a runtime can load, with the proof that it computes the same."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..core.errors import UsageError
from . import output


def export(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="Names with wildcards, or checkpoint folders.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="onnx, or torch.")] = "onnx",
    precision: Annotated[
        Literal["fp32", "fp16", "int8"],
        typer.Option(help="Arithmetic of the exported model; int8 is calibrated, see `reszoo quantize`."),
    ] = "fp32",
    input: Annotated[  # noqa: A002 - it is the option's name
        Literal["float", "uint8"],
        typer.Option(help="float: normalised NCHW. uint8: raw NHWC pixels, normalised inside the graph."),
    ] = "float",
    batch: Annotated[str, typer.Option(metavar="dynamic|N", help="Any batch size, or just one.")] = "dynamic",
    opset: Annotated[int | None, typer.Option(help="ONNX operator set, 18 to 25.", show_default="18")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The artifact's folder.", show_default="./REF-FORMAT-PRECISION..."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the artifacts' manifests as JSON.")] = False,
) -> None:
    """Export checkpoints. Nothing appears unless it computes what the checkpoint does, on real images.

    Example: reszoo export resnet8_v1.reszoo_digits --to onnx --input uint8 --out digits-onnx
    """
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from ..export.contract import ExportOptions, format_named
    from ..export.exporting import export as export_one
    from ..export.exporting import folder_name
    from .targets import checkpoints

    options = ExportOptions(precision=precision, input=input, batch=parse_batch(batch), opset=opset)
    format_named(to).check(options)
    sources = checkpoints(refs)
    if out is not None and len(sources) > 1:
        raise UsageError(f"--out is one folder, but {len(sources)} checkpoints match", "Leave --out away.")
    made = []
    with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
        task = bar.add_task("exporting", total=len(sources))
        for source in sources:
            bar.update(task, description=f"exporting {source.ref}")
            folder = out or Path(f"{source.ref}-{folder_name(to, options)}")
            made.append(export_one(source, to, out=folder, options=options))
            bar.advance(task)
    if json:
        output.print_json(made)
        return
    table = output.table("artifact", "bytes", "max error", "mean error", "top-1 agreement", "images")
    for artifact in made:
        parity = artifact.parity
        table.add_row(
            str(artifact.path),
            output.size(artifact.size_bytes),
            f"{parity.max_abs_error:.2g}",
            f"{parity.mean_abs_error:.2g}",
            f"{parity.top1_agreement:.4f}",
            f"{parity.n} ({parity.images})",
        )
    output.console().print(table)


def parse_batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(
        f"--batch {text!r} is neither dynamic nor a positive number", "Write --batch dynamic or --batch 8."
    )
