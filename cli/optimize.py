"""`reszoo optimize`: a device and a budget in, the best artifact that keeps it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..core.errors import ReszooError
from . import options, output
from .durations import parse_duration
from .options import parse_counts, words
from .quantities import parse_bytes, parse_long, parse_rate
from .shares import parse_share

if TYPE_CHECKING:
    from ..workflows.optimization.optimize import Optimized

LIMITS, CHOICE, SEARCH = "Limits", "What to choose from", "Search"
SHOWN = 12


def optimize(
    refs: options.Refs,
    max_drop: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="The most accuracy that may be lost, as 0.5%.",
            show_default="none is measured: only what gives its source's answers takes part",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    latency: Annotated[
        str | None, typer.Option(metavar="DURATION", help="A batch may take so long, as 0.5ms.", rich_help_panel=LIMITS)
    ] = None,
    throughput: Annotated[
        str | None, typer.Option(metavar="RATE", help="Images per second at least, as 2000/s.", rich_help_panel=LIMITS)
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The files may have so much, as 1MB.", rich_help_panel=LIMITS)
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="The runtime and the model may take so much memory, as 64MB.", rich_help_panel=LIMITS
        ),
    ] = None,
    objective: Annotated[
        Literal["latency", "throughput", "size", "memory", "accuracy"] | None,
        typer.Option(
            help="What is to be best among all that keeps the limits.",
            show_default="accuracy where there are limits but --max-drop, else latency",
            rich_help_panel=LIMITS,
        ),
    ] = None,
    threads: Annotated[str, typer.Option(help="Numbers of threads, comma-separated.", rich_help_panel=CHOICE)] = "1",
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.", rich_help_panel=CHOICE)] = 1,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Engines, comma-separated, with a variant or without.",
            show_default="all that are on the target",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="local|ssh://USER@HOST",
            help="The machine that it is for: this one, or a board that ssh reaches.",
            rich_help_panel=CHOICE,
        ),
    ] = "local",
    finetune: Annotated[
        str,
        typer.Option(
            metavar="RECIPE|none",
            help="Pruned networks take part, and are trained with it where they could win, as prune-finetune.",
            rich_help_panel=CHOICE,
        ),
    ] = "none",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="Accuracies are measured on it.",
            show_default="the networks' own",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The search may take so long in all, as 30min.",
            show_default="as long as it takes",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that export side by side.", rich_help_panel=SEARCH)
    ] = 2,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask scheduler, as tcp://HOST:PORT, whose workers export, evaluate and train instead.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Chooses images, and the order in which candidates run.", rich_help_panel=SEARCH)
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The search, the artifact and the page go there.", rich_help_panel="Output"),
    ] = Path("optimized"),
    json: options.Json = False,
) -> None:
    """Find the best artifact that keeps the limits, of all networks, formats, precisions and runtimes there are.

    The same command goes on with a search that was interrupted.

    Example: reszoo optimize resnet8_v1.reszoo_digits --max-drop 2% --latency 0.5ms
    """
    from ..workflows.optimization.optimize import optimize as run
    from ..workflows.references import checkpoints

    longest = parse_duration(latency, "--latency") if latency else None
    rate = parse_rate(throughput, "--throughput") if throughput else None
    files = parse_bytes(size, "--size") if size else None
    taken = parse_bytes(memory, "--memory") if memory else None
    lost = parse_share(max_drop, "--max-drop") if max_drop else None
    time_left = parse_long(budget, "--budget") if budget else None
    counts = parse_counts(threads, "--threads")
    kept = f"All that is done is kept in {output.nearby(out)}: the same command goes on."
    with output.where_it_is(kept), output.bar() as progress:
        found = run(
            *checkpoints(refs, progress),
            max_drop=lost,
            latency=longest,
            throughput=rate,
            size=files,
            memory=taken,
            objective=objective,
            threads=counts,
            batch=batch,
            runtime=words(runtime) if runtime else None,
            target=target,
            data=data,
            finetune=None if finetune == "none" else finetune,
            budget=time_left,
            out=out,
            workers=workers,
            dask=dask,
            seed=seed,
            progress=progress,
        )
    if json:
        output.print_json(found.search)
    else:
        _print(found)
    if found.search.outcome != "met":
        gives = " ".join(found.search.gives)
        raise ReszooError(f"{found.search.outcome}: {found.search.reason}", gives)


def _print(found: "Optimized") -> None:
    from ..bench.rounding import milliseconds

    search = found.search
    table = output.table("candidate", "", "ms", "top-1 on val", "MB", "why", right=("ms", "top-1 on val", "MB"))
    seen = [row for row in search.rows if row.latency_s]
    for row in seen[:SHOWN]:
        table.add_row(
            row.key,
            row.status,
            milliseconds(row.latency_s.value) if row.latency_s else "",
            f"{100 * row.accuracy.value:.2f} %" if row.accuracy else "",
            f"{row.size_bytes / 1e6:.2f}" if row.size_bytes else "",
            row.why,
        )
    output.console().print(table)
    if test := search.test:
        low, high = (end or 0.0 for end in (test.drop.low, test.drop.high))
        output.console().print(
            f"{test.split}: {100 * test.accuracy.value:.2f} %, its source {100 * test.source_accuracy.value:.2f} %; "
            f"{100 * test.drop.value:.2f} points lost (95 %: {100 * low:.2f} to {100 * high:.2f}), n = {test.n:,}",
            markup=False,
        )
    for note in search.notes:
        output.console().print(note, markup=False)
    if found.artifact:
        output.console().print(f"met: {search.choice} is in {output.nearby(found.artifact.path)}", markup=False)
    folder = output.nearby(found.folder)
    output.err_console().print(
        f"All {len(search.rows)} candidates, and why each lost: {folder}/report.html; {search.minutes:.1f} minutes.",
        markup=False,
    )
