"""Pruning to a share of the measured latency: the table proposes a network, and speed checks decide about it."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...bench.comparison import Effort
from ...core.files import check_replaceable
from ...core.measured import Comparison, Failure, Scenario
from ...core.progress import Progress, silent
from ...core.types import ChannelPlan, Checkpoint, Precision, StrPath
from ...prune import PruneConfig, UnreachableError, apply_plan
from ...prune.config import COARSE, FINE
from ...prune.planning import WAYS_OUT
from ...prune.pruning import plan_with, step
from ...prune.scoring import Scorer
from .latency_table import LatencyTable
from .speed_check import EFFORT, SpeedCheck, check_speed, place

ATTEMPTS = 3
NEAR = 0.95  # of the target: a network that is faster than that could have kept more

Check = Callable[[ChannelPlan], Comparison | Failure]


class Attempt(NamedTuple):
    """A plan, its network's speed check, and the share of the parent's latency that was measured there."""

    plan: ChannelPlan
    comparison: Comparison
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
    progress: Progress = silent,
    on_round: Callable[[Comparison], None] = lambda known: None,
) -> tuple[Checkpoint, Comparison | Failure]:
    """The largest network found that takes at most `target` of the checkpoint's latency, in `folder`; its speed check.

    auto    channels are kept in the multiples that keep most of their importance, instead of `config.round_to`

    Where a network that should meet the target is slower, or much faster, the table is asked again for more or less
    by that factor: what it leaves out is much the same for all networks. A speed check goes on until the target is
    decided or the `effort` is spent. Raises UnreachableError where no network meets the target, according to the table
    or to the speed checks. A network that is no faster than its parent at all is returned: the caller may refuse it.
    """
    check_replaceable(Path(folder))
    name, scorer = cost_name(table.scenario, table.precision), Scorer(checkpoint, config, progress)

    def write(plan: ChannelPlan, folder: StrPath, config: PruneConfig = config, measured: str = "") -> Checkpoint:
        limit = {name: f"at most {target:g} of the parent's{measured}"}
        return apply_plan(checkpoint, plan, folder, ref, step(checkpoint, config, plan, limit), scorer.renewing)

    def check(plan: ChannelPlan) -> Comparison | Failure:
        with tempfile.TemporaryDirectory(prefix="reszoo-") as temporary:
            pruned = write(plan, Path(temporary) / "pruned")
            asked = effort._replace(gate=target)
            return check_speed(pruned, checkpoint, table.scenario, asked, on_round, precision=table.precision)

    scorers = _roundings(scorer, table, target) if auto else [scorer]
    fitted, plan, outcome = _first_fitted(scorers, table, target, check)
    measured = f", measured {SpeedCheck.of(outcome).ratio}" if isinstance(outcome, Comparison) else ""
    return write(plan, folder, fitted.config, measured), outcome


def _roundings(scorer: Scorer, table: LatencyTable, target: float) -> list[Scorer]:
    """Coarse multiples of channels first where they keep more of the importance at the target, by the table."""
    coarse, fine = scorer.rounding_to(COARSE), scorer.rounding_to(FINE)
    return [coarse, fine] if _kept(coarse, table, target) > _kept(fine, table, target) else [fine]


def _kept(scorer: Scorer, table: LatencyTable, target: float) -> float:
    try:
        limit = target * table.seconds(scorer.checkpoint.spec)
        return scorer.importance_kept(plan_with(scorer, table.seconds, limit))
    except UnreachableError:
        return 0.0


def _first_fitted(
    scorers: Sequence[Scorer], table: LatencyTable, target: float, check: Check
) -> tuple[Scorer, ChannelPlan, Comparison | Failure]:
    """The first that meets the target, by the table and the speed checks. If none does, the error names the nearest."""
    errors: list[UnreachableError] = []
    for scorer in scorers:
        try:
            return scorer, *_fitted(scorer, table, target, check)
        except UnreachableError as error:
            errors.append(error)
    raise min(errors, key=lambda error: error.share)


def _fitted(
    scorer: Scorer, table: LatencyTable, target: float, check: Check
) -> tuple[ChannelPlan, Comparison | Failure]:
    """The best of the plans that were tried, and its speed check; where there were several, a new one.

    The best of several noisy ratios is better than it will be again.
    """
    full_seconds, share = table.seconds(scorer.checkpoint.spec), target
    attempts: list[Attempt] = []
    while len(attempts) < ATTEMPTS:
        try:
            plan = plan_with(scorer, table.seconds, share * full_seconds)
        except UnreachableError:
            if not attempts:
                raise
            break  # one of the attempts has to do
        if any(plan == attempt.plan for attempt in attempts):
            break
        outcome = check(plan)
        if isinstance(outcome, Failure):
            return plan, outcome
        attempts.append(Attempt(plan, outcome, SpeedCheck.of(outcome).ratio.value))
        share *= target / attempts[-1].ratio
        if NEAR * target <= attempts[-1].ratio <= target or share >= 1:
            break
    best = _best(attempts, target)
    speed_check = SpeedCheck.of(best.comparison, target)
    if speed_check.refusal and speed_check.ratio.verdict == "faster":  # but not by enough
        raise UnreachableError(target, best.ratio, 1.0, WAYS_OUT[scorer.config.remove])
    return best.plan, best.comparison if len(attempts) == 1 else check(best.plan)


def _best(attempts: list[Attempt], target: float) -> Attempt:
    """The slowest that meets the target, or the fastest of all."""
    meeting = [attempt for attempt in attempts if attempt.ratio <= target]
    return max(meeting, key=lambda attempt: attempt.ratio) if meeting else min(attempts, key=lambda a: a.ratio)


def cost_name(scenario: Scenario, precision: Precision = "fp32") -> str:
    """As it stands in the provenance."""
    return f"latency, {place(scenario, precision)}"
