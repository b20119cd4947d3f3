"""The speed check of a pruned network: it is timed in turn with its parent, and refused where it is not faster."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...bench.affinity import choose_cores
from ...bench.comparison import Contestant, Effort, compare
from ...bench.plan import Planned, plan
from ...bench.table import verdict
from ...core.estimates import Ratio
from ...core.measured import AGAIN, Comparison, Failure, MeasurementWarning, Scenario
from ...core.missing import unavailable_error
from ...core.types import Artifact, Checkpoint
from ...export.contract.runtime import parse_runtime, runtimes
from ...export.exporting import export
from ..benchmarking import failed

# Enough to tell whether it is faster, and by how much to some per cent; `reszoo compare` goes on for longer.
EFFORT = Effort(precision=0.02, limit_s=20.0, gate=1.0, round_s=0.3)
WARM_UP_LIMIT_S = 0.5
# What a target may be missed by, as long as the interval holds it.
SLACK = 1.06


class SpeedCheck(NamedTuple):
    """The pruned network's latency over its parent's, and the most that is allowed (1 is "faster at all").

    `warnings` are the reasons to doubt it, an interval too wide to decide the target among them.
    """

    scenario: Scenario
    ratio: Ratio
    target: float = 1.0
    warnings: tuple[MeasurementWarning, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Why the network is refused, or None.

        A target is met if the ratio's interval reaches down to it, and the ratio is at most 6 % above it.
        """
        if self.ratio.verdict != "faster":
            return f"it is not faster than its parent on {self.scenario}: {verdict(self.ratio)}"
        if self.ratio.interval.low > self.target or self.ratio.value > SLACK * self.target:
            return f"it misses {self.target:g} of its parent's latency on {self.scenario}: {self.ratio}"
        return None

    @classmethod
    def of(cls, comparison: Comparison, target: float = 1.0) -> "SpeedCheck":
        """Of what `check_speed` measured. The ratio's interval is one over rounds of fresh processes (`comparison`)."""
        scenario, ratio = comparison.subjects[-1].scenario, comparison.ratio(AGAIN + 1)
        warnings = comparison.warnings
        if ratio.against(target) == "cannot tell" and ratio.half_width > EFFORT.precision:
            low, high = ratio.interval
            detail = f"the interval from {low:.3f} to {high:.3f} holds {target:g}: whether that is met is not decided"
            warnings = (*warnings, MeasurementWarning(kind="imprecise", detail=detail))
        return cls(scenario, ratio, target, warnings)


def scenario_for(runtime: str, threads: int, batch: int) -> Scenario:
    """On the CPU. Raises UsageError for a runtime that nobody knows, UnavailableError for one that is not here."""
    engine, variant = parse_runtime(runtime)
    if missing := engine.unavailable("cpu", variant):
        raise unavailable_error(missing)
    return Scenario(
        runtime=engine.name,
        variant=variant,
        device="cpu",
        batch=batch,
        threads=threads,
        cores=choose_cores(threads),
        warmup_limit_s=WARM_UP_LIMIT_S,
    )


def check_speed(
    pruned: Checkpoint,
    parent: Checkpoint,
    scenario: Scenario,
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda known: None,
) -> Comparison | Failure:
    """Both exported with proof to the runtime's first format, and measured in turn.

    The parent's artifact stays in the cache. The pruned network's does not: it may be refused.
    """
    baseline = _contestant(parent, scenario)
    format_name = runtimes()[scenario.runtime].formats[0]
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        artifact = export(pruned, format_name, out=Path(name) / format_name)
        return compare([baseline, _contestant(artifact, scenario)], effort, on_round)


def _contestant(target: Checkpoint | Artifact, scenario: Scenario) -> Contestant:
    (item,) = plan(target, scenario, [scenario.threads], [scenario.batch])
    if isinstance(item, Failure):
        raise failed(item)
    if not isinstance(item, Planned):
        raise unavailable_error(item)
    return Contestant(item.artifact, item.scenario)
