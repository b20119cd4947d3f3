"""`reszoo export`: a checkpoint as files that runtimes can load, with the proof that they compute the same."""

import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, get_args

import typer

from ..core.errors import ReszooError, UnavailableError, UsageError
from ..core.registry import listed
from . import output
from .options import ALL, Batch, ComputeCapability, InputKind, Opset, export_options, words

if TYPE_CHECKING:
    from ..core.types import Artifact, Checkpoint, Precision
    from ..export.attempts import Outcome
    from ..export.contract import ExportOptions

    Wish = tuple[str, ExportOptions]  # a format, and how

FORMATS = listed(Path(__file__).resolve().parents[1] / "export" / "formats")


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
    input: InputKind = "float",  # noqa: A002 - it is the option's name
    batch: Batch = "dynamic",
    opset: Opset = None,
    compute_capability: ComputeCapability = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The artifact's folder; of several formats, the folder for theirs.",
            show_default="./REF-FORMAT-PRECISION...",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: each artifact's manifest, or why there is none.")
    ] = False,
) -> None:
    """Export checkpoints. Nothing appears unless it computes what the checkpoint does, on real images.

    Of several, those that cannot be made are told, and the others are made. A format that is named must be there; of
    all of them, some may not.

    Example: reszoo export resnet8_v1.reszoo_digits --to onnx --input uint8 --out digits-onnx
    """
    from .targets import checkpoints

    common = export_options(input, batch, opset, compute_capability)
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
    _judge(attempts, is_all=to == ALL)


class Attempt(NamedTuple):
    """One export, and the seconds that it took, proof included."""

    ref: str
    format: str
    precision: str
    seconds: float
    outcome: "Outcome"


def _wishes(to: str, precisions: "list[Precision]", common: "ExportOptions") -> "list[Wish]":
    """Formats with their options. One that is alone must have them; of several, those that have not are told."""
    from msgspec.structs import replace

    from ..core.registry import choose
    from ..export.contract import format_named, formats

    names = list(formats()) if to == ALL else list(dict.fromkeys(words(to)))
    wishes = [(name, replace(common, precision=precision)) for name in names for precision in precisions]
    plugins = [choose(formats(), name, "format") for name in names]
    if len(wishes) == 1:  # before anything is downloaded for it
        plugins[0].check(wishes[0][1])
        format_named(names[0])
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
        f"{parity.n} ({parity.images}){output.through(parity)}",
    )


def _record(attempt: Attempt) -> dict[str, object]:
    """The artifact's manifest, or what stands in its place; `kind` tells which."""
    from ..core.documents import to_builtins

    asked = {name: value for name, value in attempt._asdict().items() if name != "outcome"}
    return {"kind": type(attempt.outcome).__name__.lower(), **asked, **to_builtins(attempt.outcome)}


def _judge(attempts: list[Attempt], *, is_all: bool) -> None:
    """Exit 1 if anything failed, 3 if something that was named could not be made, or of all formats none."""
    from ..core.measured import Failure
    from ..core.types import Unavailable

    outcomes = [attempt.outcome for attempt in attempts]
    failed = sum(isinstance(each, Failure) for each in outcomes)
    missing = sum(isinstance(each, Unavailable) for each in outcomes)
    if failed:
        raise ReszooError(f"{failed} of {len(outcomes)} exports failed")
    if missing == len(outcomes) or (missing and not is_all):
        raise UnavailableError(f"{missing} of {len(outcomes)} exports cannot be made here")


def parse_precisions(text: str) -> "list[Precision]":
    """ "fp32,int8" -> both."""
    from ..core.types import Precision

    known: tuple[Precision, ...] = get_args(Precision)
    names = words(text)
    if unknown := set(names).difference(known):
        raise UsageError(f"unknown precision {min(unknown)!r}", f"Choose from {', '.join(known)}.")
    return [precision for precision in known if precision in names]
