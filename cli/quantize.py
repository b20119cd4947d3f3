"""`reszoo quantize`: a checkpoint as an integer artifact, with what that costs and what it buys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..core.errors import UsageError
from ..core.registry import listed
from . import output
from .options import Batch, ComputeCapability, InputKind, Json, Opset, parse_batch, words

if TYPE_CHECKING:
    from ..core.types import Artifact, Checkpoint
    from ..export.contract.options import ExportOptions
    from ..workflows.quantization.budget_search import SearchTrial
    from ..workflows.quantization.layer_damage import Damage
    from ..workflows.quantization.quantize import Quantized

Refs = Annotated[
    list[str], typer.Argument(metavar="REF...", help="Names with wildcards, checkpoint folders, hf://OWNER/NAME.")
]
SCHEMES = listed(Path(__file__).resolve().parents[1] / "quantize" / "schemes")
SchemeName = Annotated[
    str | None,
    typer.Option(help=f"{', '.join(SCHEMES)}.", show_default="the format's natural one", rich_help_panel="How"),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="FORMAT",
        help="What the artifact is.",
        show_default="onnx, or what the scheme makes",
        rich_help_panel="How",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The data set of the images to calibrate on, and of val.",
        show_default="that it was trained on",
        rich_help_panel="How",
    ),
]
Calibration = Annotated[
    Literal["minmax", "percentile", "entropy", "mse"] | None,
    typer.Option(
        metavar="NAME",
        help="How an activation's range is chosen: minmax, percentile, entropy or mse.",
        show_default="the scheme's own: mse for int8",
        rich_help_panel="How",
    ),
]
Images = Annotated[
    int | None,
    typer.Option(
        help="Training images to calibrate on.", show_default="512, or all where there are fewer", rich_help_panel="How"
    ),
]
Seed = Annotated[int | None, typer.Option(help="Chooses those images.", show_default="0", rich_help_panel="How")]
Activations = Annotated[
    Literal["u8", "s8"] | None,
    typer.Option(
        help="u8 for CPUs, s8 for TensorRT.", show_default="the format's own: u8 on CPUs", rich_help_panel="How"
    ),
]
Equalise = Annotated[
    bool | None,
    typer.Option(
        "--equalise/--no-equalise", help="Equalise weights across layers.", show_default="no", rich_help_panel="How"
    ),
]
BiasCorrection = Annotated[
    bool | None,
    typer.Option(
        "--bias-correction/--no-bias-correction",
        help="Take off what rounding adds.",
        show_default="yes",
        rich_help_panel="How",
    ),
]
Saturation = Annotated[
    Literal["certify", "ignore"] | None,
    typer.Option(
        help="certify: no kernel can saturate 16-bit sums.", show_default="certify on CPUs", rich_help_panel="How"
    ),
]
KeepFloat = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-float", metavar="NODE", help="A graph node that stays in float.", rich_help_panel="Layers in float"
    ),
]
MaxDrop = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Keep the fewest layers in float that lose at most this much accuracy on val.",
        rich_help_panel="Layers in float",
    ),
]
Measure = Annotated[
    bool,
    typer.Option(
        "--measure/--no-measure",
        help="Compare the latency with the float artifact's, for some seconds.",
        rich_help_panel="Speed check",
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Make no artifact, but a plot: look for the first bad layer and its reason.",
        rich_help_panel="Instead of quantizing",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --explain: .png or .svg.",
        show_default="./REF-explain.svg",
        rich_help_panel="Instead of quantizing",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="The artifact's folder.", show_default="./REF-FORMAT-int8...", rich_help_panel="Output"
    ),
]


def quantize(
    refs: Refs,
    scheme: SchemeName = None,
    to: FormatName = None,
    data: Data = None,
    calibration: Calibration = None,
    images: Images = None,
    seed: Seed = None,
    activations: Activations = None,
    equalise: Equalise = None,
    bias_correction: BiasCorrection = None,
    saturation: Saturation = None,
    keep_float: KeepFloat = None,
    max_drop: MaxDrop = None,
    input: InputKind = "float",  # noqa: A002 - it is the option's name
    batch: Batch = "dynamic",
    opset: Opset = None,
    compute_capability: ComputeCapability = None,
    measure: Measure = True,
    explain: Explain = False,
    plot: Plot = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Quantize checkpoints, calibrated on training images of their own data set, and say what it cost.

    Example: reszoo quantize resnet8_v1.reszoo_digits --max-drop 0.5% --out digits-int8
    """
    from ..workflows.class_names import with_data
    from ..workflows.quantization.quantize import options_for
    from ..workflows.references import checkpoints
    from .shares import parse_share

    how: dict[str, Any] = {
        "scheme": scheme,
        "calibration": calibration,
        "images": images,
        "seed": seed,
        "activations": activations,
        "equalise": equalise,
        "bias_correction": bias_correction,
        "saturation": saturation,
        "keep_float": keep_float or (),
        "input": input,
        "batch": parse_batch(batch),
        "opset": opset,
        "compute_capability": tuple(words(compute_capability)) if compute_capability else (),
    }
    format_name, options = options_for(to, **how)  # before anything is downloaded
    budget = parse_share(max_drop, "--max-drop") if max_drop else None
    _check_explain(explain, plot, max_drop, out)
    with output.bar() as progress:
        sources = [with_data(source, data) for source in checkpoints(refs, progress)]
    if (name := "--out" if out else "--plot" if plot else None) and len(sources) > 1:
        raise UsageError(f"{name} is one, but {len(sources)} checkpoints match", f"Leave {name} away.")
    if explain:
        _explain(sources, format_name, options, plot, json)
        return
    rows: list[Quantized] = []
    try:
        for source in sources:
            rows.append(_quantized(source, to, how | {"max_drop": budget, "measure": measure, "out": out}, json))
    finally:
        if rows:  # what was made before an error is shown
            _print(rows, json, all_images=images is None)


def _check_explain(explain: bool, plot: Path | None, max_drop: str | None, out: Path | None) -> None:
    """It looks, and writes nothing but its plot."""
    if explain and (max_drop or out):
        raise UsageError("--explain writes no artifact", "Leave --max-drop and --out away.")
    if plot and not explain:
        raise UsageError("--plot shows what --explain finds", "Add --explain.")


def _explain(
    sources: "list[Checkpoint]", format_name: str, options: "ExportOptions", plot: Path | None, json: bool
) -> None:
    from ..core.refs import inside
    from ..workflows.reporting import plot_format
    from . import explain

    if plot:
        plot_format(plot)  # before anything is computed
    found = []
    for source in sources:
        explanation = explain.explained(source, format_name, options)
        if not json:
            explain.print_explanation(explanation)
        explain.write_plot(explanation, plot or inside(Path(), f"{source.ref}-explain.svg"))
        found.append(explanation)
    if json:
        output.print_json(found)


def _quantized(source: "Checkpoint", to: str | None, how: dict[str, Any], json: bool) -> "Quantized":
    """With a progress bar, and the search for a budget shown, unless JSON is to be printed.

    Whatever ends it early, a budget that cannot be met or an interrupt, what was measured is printed all the same.
    """
    from ..workflows.quantization.quantize import quantize as run
    from . import search_table

    damages: list[Damage] = []
    trials: list[SearchTrial] = []
    try:
        with output.bar(source.ref) as progress:
            made = run(source, to, **how, progress=progress, on_damages=damages.extend, on_trial=trials.append)
    except BaseException as error:
        if trials and json:
            reason = str(error) or type(error).__name__
            search = search_table.records(damages, trials)
            output.print_json([{"source": source.ref, "error": reason, "search": search}])
        elif trials:
            search_table.print_damages(damages)
            search_table.print_trials(trials)
        raise
    if made.search and not json:
        search_table.print_damages(made.search.damages)
        search_table.print_trials(made.search.trials, made.search.chosen)
        output.console().print(f"{source.ref} on val: {made.search.chosen.verdict}", markup=False)
    return made


def _print(rows: "list[Quantized]", json: bool, *, all_images: bool) -> None:
    """`all_images`: nobody named how many, so that fewer than usual are all that there are."""
    if json:
        output.print_json([_record(row) for row in rows])
    else:
        _print_table(rows, all_images)
    for row in rows:
        _print_speed(row)


def _record(row: "Quantized") -> dict[str, object]:
    from ..core.documents import to_builtins
    from ..core.measured import Failure
    from ..core.types import Unavailable
    from . import search_table

    record: dict[str, object] = {
        "artifact": row.artifact,
        "float_size_bytes": row.floats.size_bytes,
        "layers": row.layers,
    }
    if row.search:
        record["search"] = search_table.as_records(row.search)
    check = row.speed_check
    if isinstance(check, Failure):
        record["speed_check"] = {"kind": "failure", "reason": check.reason, "output": check.output}
    elif isinstance(check, Unavailable):
        record["speed_check"] = {"kind": "unavailable", **to_builtins(check)}
    elif check:
        record["speed_check"] = {"kind": "ratio", "scenario": check.scenario, **check.ratio._asdict()}
    return record


def _print_table(rows: "list[Quantized]", all_images: bool) -> None:
    from ..core.types import Unavailable

    table = output.table(
        "artifact", "bytes", "of fp32", "max error", "mean error", "top-1 agreement", "integer layers", "certificate"
    )
    for artifact, floats, layers, *_ in rows:
        parity = artifact.parity
        table.add_row(
            str(output.nearby(artifact.path)),
            output.size(artifact.size_bytes),
            f"{artifact.size_bytes / floats.size_bytes:.0%}",
            f"{parity.max_abs_error:.2g}",
            f"{parity.mean_abs_error:.2g}",
            f"{parity.top1_agreement:.4f} of {parity.n}{output.through(parity)}",
            f"{layers.quantized} of {layers.quantized + len(layers.floats)}" if layers else "not counted",
            _certificate(artifact),
        )
    output.console().print(table)
    for row in rows if all_images else ():
        output.tell_calibration(row.artifact)
    others = output.table("speed not checked", "why", "what to do")
    for row in rows:
        if isinstance(row.speed_check, Unavailable):
            others.add_row(str(output.nearby(row.artifact.path)), row.speed_check.reason, row.speed_check.fix)
    if others.row_count:
        output.console().print(others)
    for row in rows:
        if row.layers and row.layers.floats:
            output.console().print(
                f"in float in {output.nearby(row.artifact.path)}: {', '.join(row.layers.floats)}", markup=False
            )


def _print_speed(row: "Quantized") -> None:
    """How fast it is against float, beside the table or the JSON."""
    from ..core.measured import Failure
    from ..workflows.quantization.speed_check import SpeedCheck

    check = row.speed_check
    if isinstance(check, Failure):
        text = f"{check.what}: {check.reason}\n{check.output}".rstrip()
    elif isinstance(check, SpeedCheck):
        text = check.in_words(row.artifact.path)
    else:
        return
    output.err_console().print(text, markup=False)


def _certificate(artifact: "Artifact") -> str:
    return str(artifact.certificate or "none")
