"""The speed check of a pruned network: it is timed in turn with its parent, and refused where it is not faster."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ...bench.affinity import choose_cores
from ...bench.comparison import Contestant, Effort, compare
from ...bench.plan import Planned, plan
from ...bench.table import verdict
from ...core.estimates import Ratio
from ...core.measured import AGAIN, Comparison, Failure, MeasurementWarning, Scenario
from ...core.missing import unavailable_error
from ...core.types import Artifact, Checkpoint, Precision, Unavailable
from ...export.attempts import missing_for
from ...export.contract.options import ExportOptions
from ...export.contract.runtime import Runtime, parse_runtime, runtimes
from ...export.exporting import export, unproven
from ..benchmarking import failed

# Enough to tell whether it is faster, and by how much to some per cent; `reszoo compare` goes on for longer.
EFFORT = Effort(precision=0.02, limit_s=20.0, gate=1.0, round_s=0.3)
WARM_UP_LIMIT_S = 0.5
# What a target may be missed by, as long as the interval holds it.
SLACK = 1.06


class SpeedCheck(NamedTuple):
    """The pruned network's latency over its parent's, and the most that is allowed (1 is "faster at all").

    `warnings` are the reasons to doubt it, an interval too wide to decide the target among them. Both networks have
    the `precision`.
    """

    scenario: Scenario
    ratio: Ratio
    target: float = 1.0
    warnings: tuple[MeasurementWarning, ...] = ()
    precision: Precision = "fp32"

    @property
    def place(self) -> str:
        return place(self.scenario, self.precision)

    @property
    def refusal(self) -> str | None:
        """Why the network is refused, or None.

        A target is met if the ratio's interval reaches down to it, and the ratio is at most 6 % above it.
        """
        if self.ratio.verdict != "faster":
            return f"it is not faster than its parent on {self.place}: {verdict(self.ratio)}"
        if self.ratio.interval.low > self.target or self.ratio.value > SLACK * self.target:
            return f"it misses {self.target:g} of its parent's latency on {self.place}: {self.ratio}"
        return None

    @classmethod
    def of(cls, comparison: Comparison, target: float = 1.0) -> "SpeedCheck":
        """Of what `check_speed` measured. The ratio's interval is one over rounds of fresh processes (`comparison`)."""
        pruned, ratio = comparison.subjects[-1], comparison.ratio(AGAIN + 1)
        warnings = comparison.warnings
        if ratio.against(target) == "cannot tell" and ratio.half_width > EFFORT.precision:
            low, high = ratio.interval
            detail = f"the interval from {low:.3f} to {high:.3f} holds {target:g}: whether that is met is not decided"
            warnings = (*warnings, MeasurementWarning(kind="imprecise", detail=detail))
        return cls(pruned.scenario, ratio, target, warnings, pruned.precision)


def place(scenario: Scenario, precision: Precision) -> str:
    """ "litert, cpu, 1 threads, batch 1, int8"."""
    return str(scenario) if precision == "fp32" else f"{scenario}, {precision}"


def scenario_for(runtime: str, threads: int, batch: int, precision: Precision = "fp32") -> Scenario:
    """On the CPU. Raises UsageError for a runtime that nobody knows.

    And UnavailableError for one that is not here, or whose first format cannot be written in that precision.
    """
    engine, variant = parse_runtime(runtime)
    missing = engine.unavailable("cpu", variant) or _without(engine, precision)
    if missing:
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


def _without(engine: Runtime, precision: Precision) -> Unavailable | None:
    """Why latency in this precision cannot be measured there, if it cannot."""
    what = f"latency in {precision} on {engine.name}"
    if engine.untimed:
        return Unavailable(what=what, reason=engine.untimed, fix="Choose another `runtime`.")
    options = ExportOptions(precision=precision)
    if not (missing := missing_for(engine.formats[0], options)):
        return None
    others = [other for other in runtimes().values() if not (other.untimed or other.is_in_browser)]
    here = [other for other in others if "cpu" in other.devices and not other.unavailable("cpu")]
    names = ", ".join(other.name for other in here if not missing_for(other.formats[0], options))
    return replace(missing, what=what, fix=f"{missing.fix} Or choose another `runtime`: {names}.")


def check_speed(
    pruned: Checkpoint,
    parent: Checkpoint,
    scenario: Scenario,
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda known: None,
    *,
    precision: Precision = "fp32",
) -> Comparison | Failure:
    """Both exported with proof to the runtime's first format, and measured in turn.

    The parent's artifact stays in the cache. The pruned network's does not: it may be refused. In another `precision`
    than fp32 it has no proof, which is for networks that are trained: its time is asked for, and its training comes.
    """
    baseline = _contestant(parent, scenario, precision)
    format_name = runtimes()[scenario.runtime].formats[0]
    make = export if precision == "fp32" else unproven
    with tempfile.TemporaryDirectory(prefix="reszoo-") as name:
        artifact = make(pruned, format_name, out=Path(name) / format_name, options=ExportOptions(precision=precision))
        return compare([baseline, _contestant(artifact, scenario, precision)], effort, on_round)


def _contestant(target: Checkpoint | Artifact, scenario: Scenario, precision: Precision) -> Contestant:
    (item,) = plan(target, scenario, [scenario.threads], [scenario.batch], precisions=[precision])
    if isinstance(item, Failure):
        raise failed(item)
    if not isinstance(item, Planned):
        raise unavailable_error(item)
    return Contestant(item.artifact, item.scenario)
