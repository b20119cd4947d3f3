"""Does `compare` see what is there, and nothing else? `python -m reszoo.bench.validation.comparisons`

Many comparisons of an artifact with itself, where every "faster" and "slower" is a false alarm; and many of a runtime
that runs it 34 times with one that does so 33 times, a true difference of 3 %. In the latter the baseline runs twice as
well, which is one more comparison of the same. On an idle machine; on a noisy one a comparison takes up to two minutes.
"""

import time
from typing import Any

from ...core.measured import AGAIN, Comparison, Failure
from ..comparison import Contestant, Effort, compare
from .subjects import KNOWN, arguments, artifact, finish, scenario

OTHER = AGAIN + 1
WARMUP_LIMIT_S = 1.0  # what still drifts then meets both alike


def main() -> None:
    options = arguments(__doc__, same=20, different=20)
    small = artifact("resnet8_v1.reszoo_digits")
    itself = [Contestant(artifact(), scenario("onnxruntime", warmup_limit_s=WARMUP_LIMIT_S))]
    apart = [Contestant(small, scenario("repeat", runs, warmup_limit_s=WARMUP_LIMIT_S)) for runs in ("33", "34")]
    same: list[dict[str, Any]] = []
    different: list[dict[str, Any]] = []
    for contestants, count in ((apart, options.different), (itself, options.same)):
        for seed in range(count):
            found = timed(contestants, seed)
            same.append(figures(AGAIN, *found))
            if contestants is apart:
                different.append(figures(OTHER, *found))
            finish(options.out, {"same": same, "different": different})  # after each, because it takes long
    alarms = sum(c["verdict"] != "no difference" for c in same)
    slower = sum(c["verdict"] == "slower" for c in different)
    print(f"the same artifact: {alarms} of {len(same)} said different")
    print(f"3 % more work: {slower} of {len(different)} said slower")


def timed(contestants: list[Contestant], seed: int) -> tuple[Comparison, float]:
    """A comparison, and the seconds that it took."""
    start = time.monotonic()
    outcome = compare(contestants, Effort(seed=seed), target=KNOWN)
    if isinstance(outcome, Failure):
        raise RuntimeError(f"{outcome.what}: {outcome.reason}\n{outcome.output}")
    return outcome, time.monotonic() - start


def figures(which: int, comparison: Comparison, seconds: float) -> dict[str, Any]:
    """What it says of contestant `which` and the baseline."""
    ratio = comparison.ratios[which - 1]
    said = {
        "contestant": which,
        "ratio": ratio.value,
        "low": ratio.interval.low,
        "high": ratio.interval.high,
        "verdict": ratio.verdict,
        "rounds": len(comparison.rounds),
        "seconds": seconds,
        "warnings": [warning.kind for warning in comparison.warnings],
    }
    print(" ".join(f"{value:.4g}" if isinstance(value, float) else f"{value}" for value in said.values()), flush=True)
    return said


if __name__ == "__main__":
    main()
