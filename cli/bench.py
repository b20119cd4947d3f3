"""`reszoo bench`: latency, memory and accuracy, each scenario in a fresh process."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ReszooError, UnavailableError
from . import options, output
from .options import ALL, parse_counts, parse_precision, words
from .shares import parse_share

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..bench.harness import Progress as Stage
    from ..bench.plan import AccuracyWish, Planned
    from ..bench.table import Outcome
    from ..core.measured import Failure, Scenario
    from ..core.types import Unavailable

    Item = Planned | Unavailable | Failure  # a measurement to be made, or why there is none

Runtimes = Annotated[
    str,
    typer.Option(
        help="Engines, comma-separated, such as torch, torch:channels_last, onnxruntime; see `reszoo doctor`. "
        f"Or {ALL}: every one that is here, in every variant, with every format that it runs; variants that take "
        "minutes to load, such as torch:compile, only by name."
    ),
]
Threads = Annotated[str, typer.Option(help="Numbers of threads, comma-separated.")]
Batches = Annotated[str, typer.Option(help="Batch sizes, comma-separated.")]
Precision = Annotated[
    str, typer.Option(metavar="SHARE", help="Sample until the median's 95 % interval is this far to either side.")
]
TimeLimit = Annotated[
    float, typer.Option(min=0.05, metavar="SECONDS", help="Sample no longer than this, whatever the precision.")
]
Accuracy = Annotated[
    str | None, typer.Option(metavar="DATASET", help="Measure top-1 accuracy on this data set's test split.")
]
Reference = Annotated[
    str | None, typer.Option(metavar="REF", help="Compare accuracies with this one's, image by image.")
]
MaxDrop = Annotated[
    str | None, typer.Option(metavar="SHARE", help="Fail unless at most this much accuracy is lost, as 0.5%.")
]
PerClass = Annotated[bool, typer.Option("--per-class", help="Print every class, and write who was taken for whom.")]


def bench(
    refs: options.Refs,
    runtime: Runtimes = "torch,onnxruntime",
    threads: Threads = "1",
    batch: Batches = "1",
    streams: options.Streams = 1,
    device: options.DeviceName = "cpu",
    cold_cache: options.ColdCache = False,
    bind: options.Bind = True,
    precision: Precision = "1%",
    time_limit: TimeLimit = 10.0,
    patience: options.Patience = 300.0,
    seed: options.Seed = 0,
    accuracy: Accuracy = None,
    reference: Reference = None,
    max_drop: MaxDrop = None,
    per_class: PerClass = False,
    out: options.Results = Path("results"),
    json: options.Json = False,
) -> None:
    """Measure checkpoints and artifacts. A checkpoint is first exported to what each runtime needs.

    The fastest way to run each model is named below its table.

    Example: reszoo bench resnet8_v1.reszoo_digits --runtime torch,onnxruntime --batch 1,32 --accuracy digits
    """
    from ..bench.plan import AccuracyWish
    from ..core.measured import Scenario
    from . import gate

    gate.check_options(accuracy, reference, max_drop, per_class, json)
    limit = parse_share(max_drop, "--max-drop") if max_drop else None
    options.check_cold_cache(cold_cache, threads, streams)
    common = Scenario(
        runtime="",
        variant="",
        device=device,
        batch=1,
        threads=1,
        streams=streams,
        seed=seed,
        cold_cache=cold_cache,
        precision=parse_precision(precision),
        sampling_limit_s=time_limit,
    )
    wish = AccuracyWish(accuracy, out) if accuracy else None
    counts = parse_counts(threads, "--threads"), parse_counts(batch, "--batch")
    planned = _plan(refs, runtime, common, counts, wish, bind)
    if wish and reference:
        planned.insert(0, gate.planned(reference, common, wish))
    output.check_writable(out)
    outcomes = list(_measure_all(planned, out, patience))
    losses = gate.losses(outcomes, out, limit) if reference else []
    if json:
        output.print_json([*_records(outcomes), *gate.as_records(losses)])
    else:
        _print(outcomes)
    _print_doubts(outcomes, out)
    if per_class:
        gate.print_classes(outcomes, out)
    if losses and not json:
        gate.print_losses(losses, str(reference))
    _judge(outcomes)
    if reference and not losses:
        raise UnavailableError("no accuracy could be compared with the reference's")
    if any(loss.verdict and loss.verdict.outcome != "pass" for loss in losses):
        raise ReszooError("the accuracy gate is not met")


def _plan(
    refs: Sequence[str],
    runtime: str,
    common: "Scenario",
    counts: tuple[list[int], list[int]],
    wish: "AccuracyWish | None",
    bind: bool,
) -> "list[Item]":
    from msgspec.structs import replace
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from ..bench.plan import plan, plan_all
    from ..export.contract import parse_runtime
    from .targets import targets

    engines = [] if runtime == ALL else [parse_runtime(text) for text in dict.fromkeys(words(runtime))]
    planned: list[Item] = []
    for target in targets(refs):
        for engine, variant in engines:
            scenario = replace(common, runtime=engine.name, variant=variant)
            _add(planned, plan(target, scenario, *counts, wish, bind=bind))
        if runtime == ALL:
            with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
                task = bar.add_task("", total=None)
                watch = partial(_follow_export, bar, task)
                _add(planned, plan_all(target, common, *counts, wish, bind=bind, watch=watch))
    return planned


def _add(planned: "list[Item]", more: "Iterable[Item]") -> None:
    """What is missing for many is said once."""
    from ..core.types import Unavailable

    for item in more:
        if not (isinstance(item, Unavailable) and item in planned):
            planned.append(item)


def _measure_all(planned: "list[Item]", out: Path, patience_s: float) -> "Iterator[Outcome]":
    """Each is written as soon as it is there, so that an interrupt loses none that was measured."""
    from rich.markup import escape
    from rich.progress import BarColumn, SpinnerColumn, TimeElapsedColumn

    from ..bench.harness import measure
    from ..bench.plan import Planned
    from ..bench.results import write
    from ..core.measured import Measurement

    with output.progress(SpinnerColumn(), "{task.description}", BarColumn(), TimeElapsedColumn()) as bar:
        whole = bar.add_task("measuring", total=len(planned))
        for item in planned:
            if not isinstance(item, Planned):
                yield item
                continue
            scenario = item.scenario
            name = f"{item.artifact.source_ref} {scenario.runtime_name} t{scenario.threads} b{scenario.batch}"
            title = escape(name)
            part = bar.add_task(title, total=1)
            follow = partial(_follow, bar, part, title)
            outcome = measure(
                item.artifact, scenario, evaluation=item.evaluation, on_progress=follow, patience_s=patience_s
            )
            bar.remove_task(part)
            if isinstance(outcome, Measurement):
                write(out, outcome)
            yield outcome
            bar.advance(whole)


def _follow_export(bar: "Progress", task: "TaskID", format_name: str) -> None:
    bar.update(task, description=f"exporting to {format_name}")


def _follow(bar: "Progress", task: "TaskID", title: str, stage: "Stage") -> None:
    bar.update(task, description=f"{title}: {stage.stage}", completed=stage.done, total=stage.total or None)


def _records(outcomes: "list[Outcome]") -> list[dict[str, object]]:
    from ..core.documents import to_builtins

    return [{"kind": type(o).__name__.lower(), **to_builtins(o)} for o in outcomes]


def _print(outcomes: "list[Outcome]") -> None:
    from rich.markup import escape

    from ..bench.fastest import fastest
    from ..bench.table import HEADERS, accuracies, by_model, row

    for model, measured in by_model(outcomes).items():
        table = output.table(*HEADERS, right=HEADERS[2:])
        table.title, table.title_justify, table.title_style = f"{escape(model)}, ms a batch", "left", "bold"
        for measurement in measured:
            table.add_row(*row(measurement))
        output.console().print(table)
        for line in accuracies(measured) + fastest(measured):
            output.console().print(" " + line, markup=False)


def _print_doubts(outcomes: "list[Outcome]", out: Path) -> None:
    from ..bench.table import doubts, misses
    from ..core.measured import Measurement

    everything = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
    if everything:
        output.err_console().print(f"All samples are in {out}.", markup=False)
    for line in doubts([warning for m in everything for warning in m.warnings]) + misses(outcomes):
        output.err_console().print(line, markup=False)


def _judge(outcomes: "list[Outcome]") -> None:
    """Exit 1 if anything failed, 3 if nothing could be measured at all."""
    from ..core.measured import Failure, Measurement

    if failed := [outcome for outcome in outcomes if isinstance(outcome, Failure)]:
        raise ReszooError(f"{len(failed)} of {len(outcomes)} measurements failed")
    if not any(isinstance(outcome, Measurement) for outcome in outcomes):
        raise UnavailableError("nothing could be measured here")
