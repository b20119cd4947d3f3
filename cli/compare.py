"""`reszoo compare`: which of several is faster, and by how much, measured in turn."""

import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ReszooError, UnavailableError, UsageError
from . import options, output
from .options import ALL, parse_precision, words
from .shares import parse_share

if TYPE_CHECKING:
    from ..bench.comparison import Contestant, Effort
    from ..core.measured import Comparison, Scenario


def compare(
    refs: options.Refs,
    runtime: options.Runtimes = "onnxruntime",
    threads: Annotated[int, typer.Option(min=1, help="Threads of each contestant.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 1,
    device: options.DeviceName = "cpu",
    cold_cache: options.ColdCache = False,
    bind: options.Bind = True,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Go on until every ratio is known to this far to either side.",
            show_default="1%; with --fail-if-slower, as far as it takes to decide",
        ),
    ] = None,
    time_limit: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Begin no new round after this; five are the least.")
    ] = 120.0,
    fail_if_slower: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Fail unless all are at most this much slower than the first.")
    ] = None,
    patience: options.Patience = 300.0,
    seed: options.Seed = 0,
    out: options.Results = Path("results"),
    json: options.Json = False,
) -> None:
    """Compare latencies with the first REF's on the first runtime. All are alive at once and run in turn.

    Example: reszoo compare resnet8_v1.reszoo_cifar10 resnet8_v2.reszoo_cifar10 --fail-if-slower 3%
    """
    from ..bench.comparison import EFFORT, Effort
    from ..core.measured import Scenario

    options.check_cold_cache(cold_cache, str(threads), 1)
    gate = 1 + parse_share(fail_if_slower, "--fail-if-slower") if fail_if_slower else None
    common = Scenario(
        runtime="",
        variant="",
        device=device,
        batch=batch,
        threads=threads,
        seed=seed,
        cold_cache=cold_cache,
        warmup_limit_s=1.0,  # in each of many rounds; what still drifts then meets all contestants alike
    )
    contestants = _contestants(refs, runtime, common, bind)
    wanted = parse_precision(precision) if precision else EFFORT.precision if gate is None else math.inf
    effort = Effort(wanted, time_limit, gate, seed, patience)
    output.check_writable(out)
    comparison = _compare(contestants, effort, out)
    _print(comparison, out, json, gated=gate is not None)
    if gate is not None:
        _judge(comparison, gate)


def _contestants(refs: list[str], runtime: str, common: "Scenario", bind: bool) -> "list[Contestant]":
    """Every REF on every runtime that runs it; other pairs are told. Naming one REF twice is how to see the noise."""
    from msgspec.structs import replace

    from ..bench.comparison import Contestant
    from ..bench.plan import Planned, plan
    from ..core.types import Artifact
    from ..export.contract import parse_runtime
    from .targets import targets

    if runtime == ALL:
        raise UsageError(
            "compare needs to know which runtimes", f"Name them: `reszoo bench --runtime {ALL}` finds them."
        )
    engines = [parse_runtime(text) for text in words(runtime)]
    known = {name for engine, _ in engines for name in engine.formats}
    found: list[Contestant] = []
    left_out: dict[str, dict[str, None]] = {}  # by runtime, the formats; a dict as a set that keeps its order
    for target, (engine, variant) in product([t for ref in refs for t in targets([ref])], engines):
        if isinstance(target, Artifact) and target.format in known - set(engine.formats):
            left_out.setdefault(engine.name, {})[target.format] = None
            continue  # it runs on another of them
        scenario = replace(common, runtime=engine.name, variant=variant)
        (item,) = plan(target, scenario, [common.threads], [common.batch], bind=bind)
        if not isinstance(item, Planned):
            raise UnavailableError(f"{item.what} is not available here: {item.reason}", item.fix)
        found.append(Contestant(item.artifact, item.scenario))
    if left_out:
        pairs = "; ".join(f"{', '.join(names)} on {engine}" for engine, names in left_out.items())
        output.err_console().print(f"Left out, as the runtime has not that format: {pairs}.", markup=False)
    if len(found) < 2:
        raise UsageError("one contestant is no comparison", "Name two REFs, or two runtimes; REF REF shows the noise.")
    return found


def _compare(contestants: "list[Contestant]", effort: "Effort", out: Path) -> "Comparison":
    """Written after every round, so that an interrupt loses none that was measured."""
    from rich.progress import SpinnerColumn, TimeElapsedColumn

    from ..bench.comparison import compare, ratios
    from ..bench.results import write_comparison
    from ..core.measured import Failure

    with output.progress(SpinnerColumn(), "{task.description}", TimeElapsedColumn()) as bar:
        task = bar.add_task("rounds 1 and 2", total=None)

        def on_round(known: "Comparison") -> None:
            write_comparison(out, known)
            widest = max(ratio.half_width for ratio in ratios(known, gated=effort.gate is not None))
            text = f"round {len(known.rounds) + 1}, ratios known to {100 * widest:.1f} %"
            bar.update(task, description=text)

        outcome = compare(contestants, effort, on_round)
    if isinstance(outcome, Failure):
        raise ReszooError(f"{outcome.what}: {outcome.reason}\n{outcome.output}".rstrip())
    return outcome


def _print(comparison: "Comparison", out: Path, json: bool, *, gated: bool) -> None:
    from ..bench.table import CONTESTANT_HEADERS, contestants
    from ..core.documents import to_builtins

    if json:
        output.print_json(to_builtins(comparison))
    else:
        table = output.table(*CONTESTANT_HEADERS, right=("median ms", "ratio"))
        for line in contestants(comparison, gated=gated):
            table.add_row(*line)
        output.console().print(table)
    rounds = f"{len(comparison.rounds)} rounds of fresh processes"
    output.err_console().print(f"A ratio above 1 is slower. {rounds}; all samples are in {out}.", markup=False)
    output.tell_doubts(comparison.warnings)


def _judge(comparison: "Comparison", gate: float) -> None:
    """A contestant passes if its whole interval does, and fails if none of it does."""
    from ..bench.comparison import AGAIN, ratios
    from ..bench.table import subject_name

    found = ratios(comparison, gated=True)[AGAIN:]
    for subject, ratio in zip(comparison.subjects[AGAIN + 1 :], found, strict=True):
        said = f"{ratio.value:.3f} ({ratio.interval.low:.3f} to {ratio.interval.high:.3f}), at most {gate:.3f}"
        outcome = ratio.against(gate)
        if outcome == "fail":
            raise ReszooError(f"{subject_name(subject)} is slower than allowed: {said}")
        if outcome == "cannot tell":
            raise ReszooError(
                f"cannot tell whether {subject_name(subject)} is slow: {said}",
                "Give it a longer --time-limit, or a quieter machine.",
            )
