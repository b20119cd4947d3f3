"""Whether quantizing paid: the integer artifact against its float source, in turn, in some seconds."""

from collections.abc import Callable
from pathlib import Path

from ...core.measured import Failure, Scenario
from ...core.types import Artifact
from ..affinity import choose_cores
from ..comparison import AGAIN, Contestant, Effort, Ratio, compare, ratios
from ..table import verdict
from .kernels import batch_for, runtime_for

# Enough to tell whether it is slower. How much faster it is, to a per cent, is what `reszoo compare` is for.
EFFORT = Effort(precision=0.03, limit_s=10.0, gate=1.0, round_s=0.2, least_rounds=4)
WARM_UP_LIMIT_S = 0.3


def payoff(
    artifact: Artifact,
    floats: Artifact,
    *,
    runtime: str | None = None,
    threads: int = 1,
    batch: int | None = None,
    effort: Effort = EFFORT,
    on_round: Callable[[Ratio], None] = lambda _: None,
) -> Ratio | Failure:
    """The latency of `artifact` over that of `floats`, which it was made from: below 1, quantizing has paid.

    Both run in `runtime` (None: the first that fits). `on_round` gets what is known so far, from the second round on.
    Raises UsageError for a runtime or a batch that does not go with the artifacts.
    """
    scenario = Scenario(
        runtime=runtime_for(artifact, runtime).name,
        variant="",
        device="cpu",
        batch=batch_for(artifact, batch),
        threads=threads,
        cores=choose_cores(threads),
        warmup_limit_s=WARM_UP_LIMIT_S,
    )
    pair = [Contestant(floats, scenario), Contestant(artifact, scenario)]
    outcome = compare(pair, effort, lambda known: on_round(ratios(known)[AGAIN]))
    return outcome if isinstance(outcome, Failure) else ratios(outcome)[AGAIN]


def warning(ratio: Ratio, path: Path) -> str | None:
    """What to tell whose artifact in `path` is not faster than its float source; None if it is."""
    if ratio.verdict == "faster":
        return None
    return f"on this CPU, {path} against float: {verdict(ratio)}. `reszoo doctor {path}` shows why."
