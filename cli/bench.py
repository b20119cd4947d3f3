"""`reszoo bench`: latency, memory and accuracy, each scenario in a fresh process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UnavailableError
from ..core.registry import ALL
from . import options, output
from .durations import parse_duration
from .options import arithmetic_and_half_width, parse_counts, parse_split, words
from .shares import parse_share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..workflows.benchmarking import Item, Outcome

Runtimes = Annotated[
    str | None,
    typer.Option(
        help="Engines, comma-separated, such as torch, torch:channels_last, onnxruntime; see `reszoo doctor`. "
        f"Or {ALL}: every one that is here, in every variant, with every format that it runs; variants that take "
        "minutes to load, such as torch:compile, only by name.",
        show_default="torch,onnxruntime; for an artifact, the first that runs it",
        rich_help_panel="Scenario",
    ),
]
Threads = Annotated[str, typer.Option(help="Numbers of threads, comma-separated.", rich_help_panel="Scenario")]
Batches = Annotated[str, typer.Option(help="Batch sizes, comma-separated.", rich_help_panel="Scenario")]
HalfWidth = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Sample until the median's 95 % interval reaches this far to either side.",
        show_default="1%",
        rich_help_panel="Sampling",
    ),
]
TimeLimit = Annotated[
    float,
    typer.Option(
        min=0.05,
        metavar="SECONDS",
        help="Sample no longer than this, however wide the interval is.",
        rich_help_panel="Sampling",
    ),
]
Accuracy = Annotated[
    str | None,
    typer.Option(
        metavar="DATASET[/SPLIT]",
        help="Measure top-1 accuracy on this data set's test split, or on another: flowers/val.",
        rich_help_panel="Accuracy",
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(metavar="REF", help="Compare accuracies with this one's, image by image.", rich_help_panel="Accuracy"),
]
MaxDrop = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE", help="Fail unless at most this much accuracy is lost, as 0.5%.", rich_help_panel="Accuracy"
    ),
]
MaxLatency = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Fail unless every median but the reference's is at most this long, as 0.5ms a batch; us and s, too.",
        rich_help_panel="Gate",
    ),
]
PerClass = Annotated[
    bool,
    typer.Option(
        "--per-class", help="Print every class, and write who was taken for whom.", rich_help_panel="Accuracy"
    ),
]


def bench(
    refs: options.Refs,
    runtime: Runtimes = None,
    precision: options.Precisions = None,
    threads: Threads = "1",
    batch: Batches = "1",
    streams: options.Streams = 1,
    device: options.DeviceName = "cpu",
    cold_cache: options.ColdCache = False,
    bind: options.Bind = True,
    half_width: HalfWidth = None,
    time_limit: TimeLimit = 10.0,
    patience: options.Patience = 300.0,
    seed: options.Seed = 0,
    accuracy: Accuracy = None,
    classes: options.Classes = None,
    among: options.Among = None,
    reference: Reference = None,
    max_drop: MaxDrop = None,
    per_class: PerClass = False,
    max_latency: MaxLatency = None,
    target: options.Targets = "local",
    out: options.Results = Path("results"),
    json: options.Json = False,
) -> None:
    """Measure checkpoints and artifacts. A checkpoint is first exported to what each runtime needs.

    The fastest of all that was measured of each model is named below its table.

    Example: reszoo bench resnet8_v1.reszoo_digits --runtime all --precision fp32,int8 --accuracy digits
    """
    from ..bench.plan import AccuracyRequest
    from ..core.types import Checkpoint
    from ..workflows import losses as workflow
    from ..workflows.benchmarking import HALF_WIDTH, check_complete, check_measured, reached, scenario_of, sweep
    from ..workflows.references import resolve, resolve_all
    from . import gate

    gate.check_options(accuracy, reference, max_drop, per_class, json, classes, among)
    limit = parse_share(max_drop, "--max-drop") if max_drop else None
    longest_s = parse_duration(max_latency, "--max-latency") if max_latency else None
    counts = parse_counts(threads, "--threads"), parse_counts(batch, "--batch")
    precisions, share = arithmetic_and_half_width(precision, half_width)
    common = scenario_of(
        device,
        max(counts[0]),
        1,
        streams,
        seed,
        cold_cache,
        half_width=HALF_WIDTH if share is None else share,
        sampling_limit_s=time_limit,
    )
    request = None
    if accuracy is not None:
        dataset, split = parse_split(accuracy, "--accuracy")
        request = AccuracyRequest(dataset, out, split or "test", classes, among or "network")
    with reached(words(target)) as targets:
        with output.bar() as progress:
            models = resolve_all(refs, progress)
            planned = sweep(
                models,
                words(runtime) if runtime else None,
                common,
                *counts,
                precisions=precisions,
                accuracy=request,
                bind=bind,
                targets=targets,
                progress=progress,
            )
            if request and reference:
                planned.insert(0, workflow.reference(resolve(reference, progress), common, request))
        output.check_writable(out)
        with output.where_it_is(f"Every measurement that was done is in {out}."):
            outcomes = list(_measured(planned, out, patience))
    losses = workflow.losses(outcomes, out, limit) if reference else []
    if json:
        output.print_json([*_records(outcomes), *gate.as_records(losses)])
    else:
        _print(outcomes)
    _print_warnings(outcomes, out)
    if runtime == ALL and not precisions and any(isinstance(model, Checkpoint) for model in models):
        output.err_console().print("Checkpoints were measured in fp32 alone: --precision fp32,int8 has int8 as well.")
    if among:
        gate.tell_without_effect(outcomes, among)
    if per_class:
        gate.print_classes(outcomes, out)
    if losses and not json:
        gate.print_losses(losses, str(reference))
    check_measured(outcomes)
    if reference and not losses:
        raise UnavailableError("no accuracy could be compared with the reference's")
    candidates = outcomes[1:] if reference else outcomes
    gate.check(losses, candidates, longest_s)
    if (limit is not None or longest_s is not None) and runtime != ALL:
        check_complete(candidates)


def _measured(planned: "list[Item]", out: Path, patience: float) -> "Iterator[Outcome]":
    """Each, with a bar for its stages and one for all of them."""
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ..workflows.benchmarking import measure_all

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with output.progress(*columns) as bar:
        all_tasks = bar.add_task("measuring", total=len(planned))
        one_task = bar.add_task("")

        def progress(stage: str, done: float = 0, total: float | None = None, /) -> None:
            bar.update(one_task, description=stage, completed=done, total=total)

        for outcome in measure_all(planned, out, patience=patience, progress=progress):
            yield outcome
            bar.advance(all_tasks)


def _records(outcomes: "list[Outcome]") -> list[dict[str, object]]:
    from ..core.documents import to_builtins

    return [{"kind": type(o).__name__.lower(), **to_builtins(o)} for o in outcomes]


def _print(outcomes: "list[Outcome]") -> None:
    from ..bench.fastest import fastest
    from ..bench.table import HEADERS, OPTIONAL, by_model, notes, rows, shared_settings

    for model, measured in by_model(outcomes).items():
        found = rows(measured)
        shared = shared_settings(found)
        shown = [at for at, cells in enumerate(zip(*found, strict=True)) if any(cells) and HEADERS[at] not in shared]
        table = output.table(
            *(HEADERS[at] for at in shown), right=HEADERS[HEADERS.index("top-1 %") :], optional=OPTIONAL
        )
        title = [f"{model}, ms a batch", *(f"{name} {value}" for name, value in shared.items())]
        table.title = ", ".join(title)
        for row in found:
            table.add_row(*(row[at] for at in shown))
        output.console().print(table)
        for line in notes(measured) + fastest(measured):
            output.console().print(line, markup=False)


def _print_warnings(outcomes: "list[Outcome]", out: Path) -> None:
    from ..bench.table import misses, warning_lines
    from ..core.measured import Measurement

    everything = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    if everything:
        output.err_console().print(f"All samples are in {out}.", markup=False)
    for line in warning_lines([warning for m in everything for warning in m.warnings]) + misses(outcomes):
        output.err_console().print(line, markup=False)
