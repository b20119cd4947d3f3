"""Pruning to a share of the measured latency: the table proposes, the race decides, and what it says is heeded."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...bench.comparison import Effort
from ...core.files import check_replaceable
from ...core.measured import Comparison, Failure, Scenario
from ...core.types import ChannelPlan, Checkpoint, StrPath
from ...prune import PruneConfig, UnreachableError, cut
from ...prune.config import COARSE, FINE
from ...prune.judging import Judge
from ...prune.planning import WAYS_OUT
from ...prune.pruning import plan_by, step
from .latency_table import LatencyTable
from .verdict import EFFORT, judge, race

ATTEMPTS = 3
NEAR = 0.95  # of the target: a network that is faster than that could have kept more

Race = Callable[[ChannelPlan], Comparison | Failure]


class Attempt(NamedTuple):
    """A plan, and what its network took of the parent's latency when it was raced."""

    plan: ChannelPlan
    race: Comparison
    ratio: float


def prune_to_latency(
    checkpoint: Checkpoint,
    config: PruneConfig,
    table: LatencyTable,
    target: float,
    folder: StrPath,
    ref: str,
    *,
    auto: bool = False,
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda known: None,
) -> tuple[Checkpoint, Comparison | Failure]:
    """The largest network found that takes at most `target` of the checkpoint's latency, in `folder`, and its race.

    auto    channels go in the multiples that keep most of their importance, instead of `config.round_to`

    Where a network that should meet the target is slower, or much faster, the table is asked again for more or less
    by that factor: what it leaves out is much the same for all networks. Races go on until the target is decided or the
    `effort` is spent. Raises UnreachableError where none meets it, as the table knows or the races have shown. What is
    no faster than its parent at all is given, for the caller to judge.
    """
    check_replaceable(Path(folder))
    name = cost_name(table.scenario)

    def written(plan: ChannelPlan, folder: StrPath, config: PruneConfig = config, measured: str = "") -> Checkpoint:
        asked = {name: f"at most {target:g} of the parent's{measured}"}
        return cut(checkpoint, plan, folder, ref, step(checkpoint, config, plan, asked))

    def raced(plan: ChannelPlan) -> Comparison | Failure:
        with tempfile.TemporaryDirectory(prefix="reszoo-") as temporary:
            pruned = written(plan, Path(temporary) / "pruned")
            return race(pruned, checkpoint, table.scenario, effort._replace(gate=target), on_round)

    judged = Judge(checkpoint, config)
    judges = _roundings(judged, table, target) if auto else [judged]
    judged, plan, outcome = _first_fitted(judges, table, target, raced)
    measured = f", measured {judge(outcome).told}" if isinstance(outcome, Comparison) else ""
    return written(plan, folder, judged.config, measured), outcome


def _roundings(judged: Judge, table: LatencyTable, target: float) -> list[Judge]:
    """Coarse multiples of channels first where they keep more of the importance at the target, by the table."""
    coarse, fine = judged.rounding_to(COARSE), judged.rounding_to(FINE)
    return [coarse, fine] if _kept(coarse, table, target) > _kept(fine, table, target) else [fine]


def _kept(judged: Judge, table: LatencyTable, target: float) -> float:
    try:
        return judged.kept(plan_by(judged, table.seconds, target * table.seconds(judged.checkpoint.spec)))
    except UnreachableError:
        return 0.0


def _first_fitted(
    judges: Sequence[Judge], table: LatencyTable, target: float, raced: Race
) -> tuple[Judge, ChannelPlan, Comparison | Failure]:
    """The first of them who reaches the target, by the table and in the races. If none does, the nearest is told."""
    missed: list[UnreachableError] = []
    for judged in judges:
        try:
            return judged, *_fitted(judged, table, target, raced)
        except UnreachableError as error:
            missed.append(error)
    raise min(missed, key=lambda error: error.share)


def _fitted(judged: Judge, table: LatencyTable, target: float, raced: Race) -> tuple[ChannelPlan, Comparison | Failure]:
    """The best of the plans that were tried, and its race; where there were several, one more than chose it.

    The best of several noisy ratios is better than it will be again.
    """
    whole, asked = table.seconds(judged.checkpoint.spec), target
    attempts: list[Attempt] = []
    while len(attempts) < ATTEMPTS:
        try:
            plan = plan_by(judged, table.seconds, asked * whole)
        except UnreachableError:
            if not attempts:
                raise
            break  # what was found has to do
        if any(plan == attempt.plan for attempt in attempts):
            break
        outcome = raced(plan)
        if isinstance(outcome, Failure):
            return plan, outcome
        attempts.append(Attempt(plan, outcome, judge(outcome).ratio.value))
        asked *= target / attempts[-1].ratio
        if NEAR * target <= attempts[-1].ratio <= target or asked >= 1:
            break
    best = _best(attempts, target)
    verdict = judge(best.race, target)
    if verdict.refusal and verdict.ratio.verdict == "faster":  # only not by enough
        raise UnreachableError(target, best.ratio, 1.0, WAYS_OUT[judged.config.remove])
    return best.plan, best.race if len(attempts) == 1 else raced(best.plan)


def _best(attempts: list[Attempt], target: float) -> Attempt:
    """The slowest that meets the target, or the fastest of all."""
    meeting = [attempt for attempt in attempts if attempt.ratio <= target]
    return max(meeting, key=lambda attempt: attempt.ratio) if meeting else min(attempts, key=lambda a: a.ratio)


def cost_name(scenario: Scenario) -> str:
    """As it stands in the provenance."""
    return f"latency, {scenario}"
