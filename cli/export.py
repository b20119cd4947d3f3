"""`reszoo export`: a checkpoint as files that runtimes can load, with the proof that they compute the same."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, get_args

import typer

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.registry import listed
from . import output

if TYPE_CHECKING:
    from ..core.types import Artifact, Checkpoint, Precision
    from ..export.attempts import Outcome
    from ..export.contract import BatchRange, ExportOptions

    Wish = tuple[str, ExportOptions]  # a format, and how

FORMATS = listed(Path(__file__).resolve().parents[1] / "export" / "formats")
ALL = "all"


def export(
    refs: Annotated[list[str], typer.Argument(metavar="REF...", help="Names with wildcards, or checkpoint folders.")],
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help=f"{', '.join(FORMATS)}; several of them, or {ALL}.")
    ] = "onnx",
    precision: Annotated[
        str,
        typer.Option(
            metavar="fp32|fp16|int8",
            help="Arithmetic of the exported model, or several; int8 is calibrated, see `reszoo quantize`.",
        ),
    ] = "fp32",
    input: Annotated[  # noqa: A002 - it is the option's name
        Literal["float", "uint8"],
        typer.Option(help="float: normalised NCHW. uint8: raw NHWC pixels, normalised inside the graph."),
    ] = "float",
    batch: Annotated[
        str, typer.Option(metavar="dynamic|N|MIN:OPT:MAX", help="Any batch size, just one, or an engine's range.")
    ] = "dynamic",
    opset: Annotated[int | None, typer.Option(help="ONNX operator set, 18 to 25.", show_default="18")] = None,
    compute_capability: Annotated[
        str | None,
        typer.Option(metavar="8.6,8.9", help="GPUs to build an engine for.", show_default="the format's own choice"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The artifact's folder; of several formats, the folder for theirs.",
            show_default="./REF-FORMAT-PRECISION...",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the artifacts' manifests as JSON.")] = False,
) -> None:
    """Export checkpoints. Nothing appears unless it computes what the checkpoint does, on real images.

    Example: reszoo export resnet8_v1.reszoo_digits --to onnx --input uint8 --out digits-onnx
    """
    from ..export.contract import ExportOptions
    from .targets import checkpoints

    batches = parse_batch_range(batch)
    common = ExportOptions(
        input=input,
        batch=None if batches else parse_batch(batch),
        batches=batches,
        opset=opset,
        compute_capability=tuple(compute_capability.split(",")) if compute_capability else (),
    )
    wishes = _wishes(to, parse_precisions(precision), common)
    sources = checkpoints(refs)
    if out is not None and len(wishes) == 1 and len(sources) > 1:
        raise UsageError(f"--out is one folder, but {len(sources)} checkpoints match", "Leave --out away.")
    attempts: list[Attempt] = []
    try:
        for attempt in _each(list(product(sources, wishes)), out):
            attempts.append(attempt)
    finally:
        if attempts:  # what was made before an interrupt is told
            _print(attempts, json)
    _judge(attempts)


class Attempt(NamedTuple):
    """One export, and the seconds that it took, proof included."""

    ref: str
    format: str
    precision: str
    seconds: float
    outcome: "Outcome"


def _wishes(to: str, precisions: "list[Precision]", common: "ExportOptions") -> "list[Wish]":
    """Formats with their options. One that is named must have them; of all, some may not."""
    from msgspec.structs import replace

    from ..core.registry import choose
    from ..export.contract import format_named, formats

    names = list(formats()) if to == ALL else list(dict.fromkeys(to.split(",")))
    wishes = [(name, replace(common, precision=precision)) for name in names for precision in precisions]
    if to != ALL:
        for name, options in wishes:
            choose(formats(), name, "format").check(options)
    if len(wishes) == 1:
        format_named(names[0])  # before anything is downloaded for it
    return wishes


def _each(plans: "list[tuple[Checkpoint, Wish]]", out: Path | None) -> Iterator[Attempt]:
    """Of several, one that cannot be made does not end the rest; the error of one alone is this command's own."""
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from ..export.attempts import attempt

    with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
        task = bar.add_task("exporting", total=len(plans))
        for source, (name, options) in plans:
            bar.update(task, description=f"exporting {source.ref} to {name} {options.precision}")
            began = time.monotonic()
            if len(plans) == 1:
                outcome: Outcome = _make(source, name, options, out)
            else:
                make = partial(_make, source, name, options, None, out)
                outcome = attempt(source, name, options, make)
            yield Attempt(source.ref, name, options.precision, time.monotonic() - began, outcome)
            bar.advance(task)


def _make(
    source: "Checkpoint", name: str, options: "ExportOptions", folder: Path | None, parent: Path | None = None
) -> "Artifact":
    from ..export.exporting import export, folder_name

    default = (parent or Path()) / f"{source.ref}-{folder_name(name, options)}"
    return export(source, name, out=folder or default, options=options)


def _print(attempts: list[Attempt], json: bool) -> None:
    from ..core.types import Artifact

    if json:
        output.print_json([_record(attempt) for attempt in attempts])
        return
    made = output.table(
        "artifact", "bytes", "seconds", "max error", "mean error", "top-1 agreement", "images", right=("seconds",)
    )
    others = output.table("not made", "why", "what to do")
    for attempt in attempts:
        if isinstance(artifact := attempt.outcome, Artifact):
            made.add_row(*_row(artifact, attempt.seconds))
        else:
            others.add_row(artifact.what, artifact.reason, artifact.fix)
    for table in (made, others):
        if table.row_count:
            output.console().print(table)


def _row(artifact: "Artifact", seconds: float) -> tuple[str, ...]:
    parity = artifact.parity
    return (
        str(artifact.path),
        output.size(artifact.size_bytes),
        f"{seconds:.1f}",
        f"{parity.max_abs_error:.2g}",
        f"{parity.mean_abs_error:.2g}",
        f"{parity.top1_agreement:.4f}",
        f"{parity.n} ({parity.images})" + (f", through {parity.through}" if parity.through else ""),
    )


def _record(attempt: Attempt) -> dict[str, object]:
    """The artifact's manifest, or what stands in its place; `kind` tells which."""
    from ..core.documents import to_builtins

    asked = {name: value for name, value in attempt._asdict().items() if name != "outcome"}
    return {"kind": type(attempt.outcome).__name__.lower(), **asked, **to_builtins(attempt.outcome)}


def _judge(attempts: list[Attempt]) -> None:
    """Exit 1 if anything failed, 3 if nothing could be made at all."""
    from ..core.types import Artifact, Unavailable

    outcomes = [attempt.outcome for attempt in attempts]
    if failed := [each for each in outcomes if not isinstance(each, Artifact | Unavailable)]:
        raise ReszooError(f"{len(failed)} of {len(outcomes)} exports failed")
    if not any(isinstance(each, Artifact) for each in outcomes):
        raise UnavailableError("nothing could be made here")


def parse_precisions(text: str) -> "list[Precision]":
    """ "fp32,int8" -> both."""
    from ..core.types import Precision

    known: tuple[Precision, ...] = get_args(Precision)
    names = text.split(",")
    if unknown := set(names).difference(known):
        raise UsageError(f"unknown precision {min(unknown)!r}", f"Choose from {', '.join(known)}.")
    return [precision for precision in known if precision in names]


def parse_batch(text: str) -> int | None:
    if text == "dynamic":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(
        f"--batch {text!r} is neither dynamic nor a positive number", "Write --batch dynamic or --batch 8."
    )


def parse_batch_range(text: str) -> "BatchRange | None":
    """ "1:8:64" -> the sizes; None for what is no range."""
    from ..export.contract import BatchRange

    sizes = text.split(":")
    if len(sizes) != 3 or not all(size.isdecimal() for size in sizes):
        return None
    return BatchRange(**dict(zip(("min", "opt", "max"), map(int, sizes), strict=True)))
