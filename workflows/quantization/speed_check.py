"""The speed check: an integer artifact and its float source, measured in turn for some seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...bench.affinity import choose_cores
from ...bench.comparison import Contestant, Effort, compare
from ...bench.table import verdict
from ...bench.target import Target
from ...bench.targets.local import HERE
from ...core.errors import UnavailableError
from ...core.estimates import Ratio
from ...core.measured import AGAIN, Comparison, Failure, Scenario
from ...core.types import Artifact, Unavailable
from ...export.contract.runtime import runtimes
from .kernels import batch_for, runtime_for

# Enough to tell whether it is slower. How much faster it is, to a per cent, is what `reszoo compare` is for.
EFFORT = Effort(precision=0.03, limit_s=10.0, gate=1.0, round_s=0.2)
WARM_UP_LIMIT_S = 0.3


class SpeedCheck(NamedTuple):
    """The latency of an integer artifact over that of its float source, and the scenario of both."""

    scenario: Scenario
    ratio: Ratio

    @property
    def is_faster(self) -> bool:
        return self.ratio.verdict == "faster"

    def in_words(self, path: Path) -> str:
        """In a sentence for people; where it is not faster, with the next step."""
        s = self.scenario
        where = f"on {s.runtime_name} with {s.threads} threads in batches of {s.batch}"
        text = f"{path} against float {where}: {verdict(self.ratio)}"
        if self.is_faster:
            return text
        if runtimes()[s.runtime].has_profile:
            return f"{text}. `reszoo doctor {path}` shows why."
        return f"{text}. {s.runtime} does not tell why: quantize it to onnx, which `reszoo doctor` can look into."


def check_speed(
    artifact: Artifact,
    floats: Artifact,
    *,
    runtime: str | None = None,
    threads: int = 1,
    batch: int | None = None,
    effort: Effort = EFFORT,
    target: Target = HERE,
    on_round: Callable[[Ratio], None] = lambda _: None,
) -> SpeedCheck | Unavailable | Failure:
    """The latency of `artifact` over that of `floats`, which it was made from: below 1, quantizing made it faster.

    Both run in `runtime` (None: the first that fits), on its first device; Unavailable is that they cannot here.
    `on_round` gets what is known so far, from the second round on. Raises UsageError for a runtime or a batch that
    does not go with the artifacts.
    """
    try:
        engine = runtime_for(artifact, runtime, device=None)
    except UnavailableError as error:
        return Unavailable(what=f"checking the speed of {artifact.path}", reason=error.problem, fix=error.fix)
    scenario = Scenario(
        runtime=engine.name,
        variant="",
        device=engine.devices[0],
        batch=batch_for(artifact, batch),
        threads=threads,
        cores=choose_cores(threads),
        warmup_limit_s=WARM_UP_LIMIT_S,
    )
    pair = [Contestant(floats, scenario), Contestant(artifact, scenario)]
    outcome = compare(pair, effort, lambda known: on_round(_integers(known)), target)
    return outcome if isinstance(outcome, Failure) else SpeedCheck(scenario, _integers(outcome))


def _integers(comparison: Comparison) -> Ratio:
    """Behind the float artifact's two processes."""
    return comparison.ratio(AGAIN + 1)
