"""`reszoo bench`: latency, memory and accuracy, each scenario in a fresh process."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.errors import ReszooError, UnavailableError
from ..core.files import explained
from . import output
from .options import parse_counts

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ..bench.plan import Planned
    from ..bench.protocol import Progress as Stage
    from ..bench.table import Outcome
    from ..core.types import Unavailable


def bench(
    refs: Annotated[
        list[str], typer.Argument(metavar="REF...", help="Names with wildcards, checkpoint or artifact folders.")
    ],
    runtime: Annotated[
        str, typer.Option(help="Engines, comma-separated: torch, torch:channels_last, torch:compile, onnxruntime.")
    ] = "torch,onnxruntime",
    threads: Annotated[str, typer.Option(help="Numbers of threads, comma-separated.")] = "1",
    batch: Annotated[str, typer.Option(help="Batch sizes, comma-separated.")] = "1",
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to run.")] = "cpu",
    accuracy: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Measure top-1 accuracy on this data set's test split.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.05, help="How long to sample each scenario.")] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the real images that are the inputs.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the JSON files with all samples go.")] = Path(
        "results"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
) -> None:
    """Measure checkpoints and artifacts. A checkpoint is first exported to what each runtime needs.

    Example: reszoo bench resnet8_v1.reszoo_digits --runtime torch,onnxruntime --batch 1,32 --accuracy digits
    """
    from rich.progress import BarColumn, SpinnerColumn, TimeElapsedColumn

    from ..bench.plan import plan
    from ..core.types import Scenario
    from ..export.contract import parse_runtime
    from .targets import targets

    engines = [parse_runtime(text) for text in dict.fromkeys(runtime.split(","))]
    counts, batches = parse_counts(threads, "--threads"), parse_counts(batch, "--batch")
    planned: list[Planned | Unavailable] = []
    for target in targets(refs):
        for engine, variant in engines:
            common = Scenario(
                runtime=engine.name,
                variant=variant,
                device=device,
                batch=1,
                threads=1,
                seed=seed,
                sampling_s=seconds,
            )
            planned += plan(target, common, counts, batches, accuracy)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    with output.progress(SpinnerColumn(), "{task.description}", BarColumn(), TimeElapsedColumn()) as bar:
        outcomes.extend(_measure_all(planned, out, bar))
    _print(outcomes, out, json)
    _judge(outcomes)


def _measure_all(planned: "list[Planned | Unavailable]", out: Path, bar: "Progress") -> "Iterator[Outcome]":
    from ..bench.harness import measure
    from ..bench.results import write
    from ..core.types import Measurement, Unavailable

    whole = bar.add_task("measuring", total=len(planned))
    for item in planned:
        if isinstance(item, Unavailable):
            yield item
            continue
        scenario = item.scenario
        title = f"{item.artifact.source_ref} {scenario.runtime_name} t{scenario.threads} b{scenario.batch}"
        part = bar.add_task(title, total=1)
        follow = partial(_follow, bar, part, title)
        outcome = measure(item.artifact, scenario, evaluation=item.evaluation, on_progress=follow)
        bar.remove_task(part)
        if isinstance(outcome, Measurement):
            write(out, outcome)
        yield outcome
        bar.advance(whole)


def _follow(bar: "Progress", task: "TaskID", title: str, stage: "Stage") -> None:
    bar.update(task, description=f"{title}: {stage.stage}", completed=stage.done, total=stage.total)


def _print(outcomes: "list[Outcome]", out: Path, json: bool) -> None:
    from ..bench.table import HEADERS, accuracies, by_model, misses, row
    from ..core.documents import to_builtins
    from ..core.types import Measurement

    if json:
        output.print_json([{"kind": type(o).__name__.lower(), **to_builtins(o)} for o in outcomes])
    for model, measured in ({} if json else by_model(outcomes)).items():
        table = output.table(*HEADERS, right=HEADERS[2:])
        table.title, table.title_justify, table.title_style = model, "left", "bold"
        for measurement in measured:
            table.add_row(*row(measurement))
        output.console().print(table)
        for line in accuracies(measured):
            output.console().print(" " + line, markup=False)
    if any(isinstance(outcome, Measurement) for outcome in outcomes):
        output.err_console().print(f"Latencies are of one batch. All samples are in {out}.", markup=False)
    for line in misses(outcomes):
        output.err_console().print(line, markup=False)


def _judge(outcomes: "list[Outcome]") -> None:
    """Exit 1 if anything failed, 3 if nothing could be measured at all."""
    from ..core.types import Failure, Measurement

    if failed := [outcome for outcome in outcomes if isinstance(outcome, Failure)]:
        raise ReszooError(f"{len(failed)} of {len(outcomes)} measurements failed")
    if not any(isinstance(outcome, Measurement) for outcome in outcomes):
        raise UnavailableError("nothing could be measured here")
