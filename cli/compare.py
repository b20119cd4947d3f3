"""`reszoo compare`: which of several is faster, and by how much, measured in turn."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from ..core.registry import ALL
from . import options, output
from .options import arithmetic_and_half_width, words
from .shares import parse_share

if TYPE_CHECKING:
    from ..core.measured import Comparison


def compare(
    refs: options.Refs,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="Engines, comma-separated, such as torch, torch:compile, onnxruntime; see `reszoo doctor`.",
            show_default="onnxruntime; for an artifact, the first that runs it",
            rich_help_panel="Scenario",
        ),
    ] = None,
    precision: options.Precisions = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each contestant.", rich_help_panel="Scenario")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.", rich_help_panel="Scenario")] = 1,
    device: options.DeviceName = "cpu",
    cold_cache: options.ColdCache = False,
    bind: options.Bind = True,
    half_width: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Go on until every ratio is known to this far to either side.",
            show_default="1%; with --fail-if-slower, as far as it takes to decide",
            rich_help_panel="Sampling",
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            min=1,
            metavar="SECONDS",
            help="Begin no new round after this; five are the least.",
            rich_help_panel="Sampling",
        ),
    ] = 120.0,
    fail_if_slower: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Fail unless all are at most this much slower than the first.", rich_help_panel="Gate"
        ),
    ] = None,
    patience: options.Patience = 300.0,
    seed: options.Seed = 0,
    target: options.TargetName = "local",
    out: options.Results = Path("results"),
    json: options.Json = False,
) -> None:
    """Compare latencies with the first REF's on the first runtime. All are alive at once and run in turn.

    Example: reszoo compare resnet8_v1.reszoo_cifar10 resnet8_v2.reszoo_cifar10 --fail-if-slower 3%
    """
    from ..workflows.comparing import check_not_slower
    from ..workflows.comparing import compare as run
    from ..workflows.references import resolve_all

    if runtime == ALL:
        raise UsageError(
            "compare needs to know which runtimes", f"Name them: `reszoo bench --runtime {ALL}` finds them."
        )
    gate = 1 + parse_share(fail_if_slower, "--fail-if-slower") if fail_if_slower else None
    precisions, share = arithmetic_and_half_width(precision, half_width)
    left_out: dict[str, dict[str, None]] = {}  # by runtime, the formats; a dict as a set that keeps its order
    try:
        with output.where_it_is(f"The rounds that were done, if two were, are in {out}."), output.bar() as progress:
            comparison = run(
                *(model for ref in refs for model in resolve_all([ref], progress)),
                runtime=words(runtime) if runtime else None,
                precision=precisions,
                threads=threads,
                batch=batch,
                device=device,
                cold_cache=cold_cache,
                bind=bind,
                half_width=share,
                time_limit=time_limit,
                max_ratio=gate,
                patience=patience,
                seed=seed,
                target=target,
                progress=progress,
                on_round=partial(_keep, out),
                on_left_out=lambda engine, name: left_out.setdefault(engine, {}).update({name: None}),
                on_start=partial(output.check_writable, out),
            )
    finally:
        if left_out:
            pairs = "; ".join(f"{', '.join(names)} on {engine}" for engine, names in left_out.items())
            output.err_console().print(f"Left out, as the runtime does not run it: {pairs}.", markup=False)
    _print(comparison, out, json)
    if gate is not None:
        check_not_slower(comparison, gate)


def _keep(out: Path, known: "Comparison") -> None:
    """Written after every round, so that an interrupt loses none that was measured."""
    from ..bench.results import write_comparison

    write_comparison(out, known)


def _print(comparison: "Comparison", out: Path, json: bool) -> None:
    from ..bench.table import CONTESTANT_HEADERS, contestants
    from ..core.documents import to_builtins

    if json:
        output.print_json(to_builtins(comparison))
    else:
        models = {subject.source_ref for subject in comparison.subjects}
        start = int(len(models) == 1)  # the column of the model
        table = output.table(*CONTESTANT_HEADERS[start:], right=("median ms", "ratio"))
        table.title = models.pop() if start else None
        for line in contestants(comparison):
            table.add_row(*line[start:])
        output.console().print(table)
    rounds = f"{len(comparison.rounds)} rounds of fresh processes"
    output.err_console().print(f"A ratio above 1 is slower. {rounds}; all samples are in {out}.", markup=False)
    output.tell_warnings(comparison.warnings)
