"""`reszoo export`: a checkpoint as files that runtimes can load, with the proof that they compute the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import UsageError
from ..core.registry import ALL, listed
from . import output
from .options import Batch, ComputeCapability, InputKind, Opset, parse_batch, parse_precisions, words

if TYPE_CHECKING:
    from ..core.types import Artifact
    from ..workflows.exporting import Attempt

LIBRARIES = ("torchvision", "timm")
FORMATS = listed(Path(__file__).resolve().parents[1] / "export" / "formats")


def export(
    refs: Annotated[
        list[str], typer.Argument(metavar="REF...", help="Names with wildcards, checkpoint folders, hf://OWNER/NAME.")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help=f"{', '.join(FORMATS)}; several of them, or {ALL}. Weights alone: {' or '.join(LIBRARIES)}.",
            rich_help_panel="Artifact",
        ),
    ] = "onnx",
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="fp32|fp16|int8",
            help="Arithmetic of the exported model, or several; int8 is calibrated, see `reszoo quantize`.",
            show_default="fp32; int8 where a format has no other",
            rich_help_panel="Artifact",
        ),
    ] = None,
    input: InputKind = "float",  # noqa: A002 - it is the option's name
    batch: Batch = "dynamic",
    opset: Opset = None,
    compute_capability: ComputeCapability = None,
    accelerator: Annotated[
        str | None,
        typer.Option(
            metavar="ethos-u55-128,...",
            help="NPUs to compile for.",
            show_default="the format's own choice",
            rich_help_panel="Artifact",
        ),
    ] = None,
    isa: Annotated[
        str | None,
        typer.Option(
            metavar="avx2,neon,...",
            help="Kernels that C has: portable, avx2, neon; int8 avx512vnni, neon-dotprod, cortex-m; fp32 avx512.",
            show_default="all, and the best that is there runs",
            rich_help_panel="Artifact",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The artifact's folder; of several formats, the folder for theirs.",
            show_default="./REF-FORMAT-PRECISION...",
            rich_help_panel="Output",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print JSON: each artifact's manifest, or why there is none.",
            rich_help_panel="Output",
        ),
    ] = False,
) -> None:
    """Export checkpoints. Nothing appears unless it computes what the checkpoint does, on real images.

    Of several, those that cannot be made are listed, and the others are made. A format that is named must be there; of
    all of them, some may not.

    Example: reszoo export resnet8_v1.reszoo_digits --to onnx --input uint8 --out digits-onnx
    """
    from ..workflows.exporting import check_exported, each, requests
    from ..workflows.references import checkpoints

    if not set(words(to)).isdisjoint(LIBRARIES):
        chosen = (precision, opset, compute_capability, accelerator, isa)
        is_plain = chosen == (None,) * len(chosen) and (input, batch) == ("float", "dynamic")
        _export_weights(refs, to, out, json, is_plain)
        return
    shape: dict[str, Any] = {"input": input, "batch": parse_batch(batch), "opset": opset}
    gpus, npus, sets = (tuple(words(names)) if names else () for names in (compute_capability, accelerator, isa))
    precisions = parse_precisions(precision) if precision else None
    wanted = requests(words(to), precisions, compute_capability=gpus, accelerator=npus, isa=sets, **shape)
    with output.bar() as progress:
        sources = checkpoints(refs, progress)
        if out is not None and len(wanted) == 1 and len(sources) > 1:
            raise UsageError(f"--out is one folder, but {len(sources)} checkpoints match", "Leave --out away.")
        attempts: list[Attempt] = []
        try:
            for attempt in each(sources, wanted, out, progress):
                attempts.append(attempt)
        finally:
            if attempts:  # what was made before an interrupt is shown
                _print(attempts, json)
    check_exported(attempts, is_all=to == ALL)


def _export_weights(refs: list[str], to: str, out: Path | None, json: bool, is_plain: bool) -> None:
    """They are no artifact: one file for each checkpoint, that the library itself runs."""
    from ..workflows.exporting import export_weights
    from ..workflows.references import checkpoints

    if to not in LIBRARIES:
        raise UsageError(
            f"--to {to} is more than weights for one library", "Export weights for one library, and by themselves."
        )
    if not is_plain:
        raise UsageError(f"weights for {to} have no options but --out", "Leave out the others.")
    with output.bar() as progress:
        sources = checkpoints(refs, progress)
    if out is not None and len(sources) > 1:
        raise UsageError(f"--out is one file, but {len(sources)} checkpoints match", "Leave --out away.")
    written = [(source, export_weights(source, to, out=out)) for source in sources]
    if json:
        output.print_json(
            [{"kind": "weights", "ref": source.ref, "library": to, "path": path} for source, path in written]
        )
        return
    for source, path in written:
        output.console().print(f"{source.ref}: {output.nearby(path)}, for load_state_dict in {to}", markup=False)


def _print(attempts: "list[Attempt]", json: bool) -> None:
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
    for attempt in attempts:
        if isinstance(attempt.outcome, Artifact):
            output.tell_calibration(attempt.outcome)


def _row(artifact: "Artifact", seconds: float) -> tuple[str, ...]:
    parity = artifact.parity
    return (
        str(output.nearby(artifact.path)),
        output.size(artifact.size_bytes),
        f"{seconds:.1f}",
        f"{parity.max_abs_error:.2g}",
        f"{parity.mean_abs_error:.2g}",
        f"{parity.top1_agreement:.4f}",
        f"{parity.n} ({parity.images}){output.through(parity)}",
    )


def _record(attempt: "Attempt") -> dict[str, object]:
    """The artifact's manifest, or what stands in its place; `kind` tells which."""
    from ..core.documents import to_builtins

    asked = {name: value for name, value in attempt._asdict().items() if name != "outcome"}
    return {"kind": type(attempt.outcome).__name__.lower(), **asked, **to_builtins(attempt.outcome)}
