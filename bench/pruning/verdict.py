"""Whether pruning paid: the pruned network against its parent, in turn, and why it is refused where it did not."""

from collections.abc import Callable
from typing import NamedTuple

from ...core.measured import Comparison, Failure, Scenario
from ...core.types import Checkpoint
from ...export.contract import parse_runtime, unavailable_error
from ..affinity import choose_cores
from ..comparison import AGAIN, Contestant, Effort, Ratio, compare, ratio
from ..plan import Planned, plan
from ..table import verdict

# Enough to tell whether it is faster, and by how much to some per cent; `reszoo compare` goes on for longer.
EFFORT = Effort(precision=0.02, limit_s=20.0, gate=1.0, round_s=0.3)
WARM_UP_LIMIT_S = 0.5


class Verdict(NamedTuple):
    """The pruned network's latency over its parent's, and the most that was asked for (1 is "faster at all")."""

    scenario: Scenario
    ratio: Ratio
    target: float = 1.0

    @property
    def refusal(self) -> str | None:
        """Why the network is no good, or None. A target is missed when the whole interval is above it."""
        if self.ratio.verdict != "faster":
            return f"it is not faster than its parent on {self.scenario}: {verdict(self.ratio)}"
        if self.ratio.interval.low > self.target:
            return f"it misses {self.target:g} of its parent's latency on {self.scenario}: {self.told}"
        return None

    @property
    def told(self) -> str:
        """ "0.512 (0.504 to 0.520)": the ratio and its 99 % interval."""
        (low, high), value = self.ratio.interval, self.ratio.value
        return f"{value:.3f} ({low:.3f} to {high:.3f})"


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


def race(
    pruned: Checkpoint,
    parent: Checkpoint,
    scenario: Scenario,
    effort: Effort = EFFORT,
    on_round: Callable[[Comparison], None] = lambda known: None,
) -> Comparison | Failure:
    """Both exported with proof to the runtime's first format, and measured in turn."""
    entries = []
    for checkpoint in (parent, pruned):
        (item,) = plan(checkpoint, scenario, [scenario.threads], [scenario.batch])
        if not isinstance(item, Planned):
            raise unavailable_error(item)
        entries.append(Contestant(item.artifact, item.scenario))
    return compare(entries, effort, on_round)


def judge(comparison: Comparison, target: float = 1.0) -> Verdict:
    """Of a race. Its interval is one over rounds of fresh processes (`comparison`)."""
    subject = comparison.subjects[-1]
    return Verdict(subject.scenario, ratio(comparison, AGAIN + 1), target)
