"""Pruning to a share of the measured latency: the table proposes, the race decides, and what it says is heeded."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...core.errors import ReszooError
from ...core.measured import Comparison, Failure, Scenario
from ...core.types import Checkpoint
from ...prune import PruneConfig, prune
from ..comparison import Effort
from .latency_table import LatencyTable
from .verdict import EFFORT, judge, race

ATTEMPTS = 3
NEAR = 0.95  # of the target: a network that is faster than that could have kept more


class Attempt(NamedTuple):
    """What the table was asked for, as a share of the parent's latency, what it gave, and what was then measured."""

    asked: float
    sha256: str
    comparison: Comparison
    ratio: float


def prune_to_latency(
    checkpoint: Checkpoint,
    config: PruneConfig,
    table: LatencyTable,
    target: float,
    folder: Path,
    ref: str,
    *,
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda known: None,
) -> tuple[Checkpoint, Comparison | Failure]:
    """The largest network found that takes at most `target` of the checkpoint's latency, in `folder`, and its race.

    Where a network that should meet the target is slower, or much faster, the table is asked again for more or less
    by that factor: what it leaves out is much the same for all networks. If none meets the target, the fastest is
    given, for the caller to judge. Raises ReszooError where the table knows that none can.
    """
    whole = table.seconds(checkpoint.spec)

    def made(share: float) -> Checkpoint:
        return prune(checkpoint, config, table.seconds, share * whole, folder, ref, what=cost_name(table.scenario))

    attempts: list[Attempt] = []
    asked = target
    for _ in range(ATTEMPTS):
        try:
            pruned = made(asked)
        except ReszooError:
            if not attempts:
                raise
            break  # the table knows of none that is so small, or so large: what was found has to do
        if any(pruned.sha256 == attempt.sha256 for attempt in attempts):
            break
        outcome = race(pruned, checkpoint, table.scenario, effort, on_round)
        if isinstance(outcome, Failure):
            return pruned, outcome
        attempts.append(Attempt(asked, pruned.sha256, outcome, judge(outcome).ratio.value))
        if NEAR * target <= attempts[-1].ratio <= target:
            break
        asked *= target / attempts[-1].ratio
    best = _best(attempts, target)
    return pruned if best.sha256 == pruned.sha256 else made(best.asked), best.comparison


def _best(attempts: list[Attempt], target: float) -> Attempt:
    """The slowest that meets the target, or the fastest of all."""
    meeting = [attempt for attempt in attempts if attempt.ratio <= target]
    return max(meeting, key=lambda attempt: attempt.ratio) if meeting else min(attempts, key=lambda a: a.ratio)


def cost_name(scenario: Scenario) -> str:
    """As it stands in the lineage."""
    return f"latency_s, {scenario}"
