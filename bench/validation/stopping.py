"""How often a comparison errs that ends when it knows enough: `python -m reszoo.bench.validation.stopping [--out FILE]`

Simulated comparisons of one contestant, round by round, with the rules of `comparison.is_enough` for many at once: at a
gate's limit, where "pass" and "fail" are both wrong; on either side of it, where they are right; and without a gate,
until the ratio is known to 1 %. Beside what the harness does stands what it would do if each round's interval ignored
that it is looked at; with a gate, such a one needs the 1 % as well, or would err more often still.
"""

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ...core.files import write_atomic
from ..comparison import CONFIDENCE, EFFORT
from ..looking import LEAST_ROUNDS, confidence_of_round

GATE = 1.03
TRUTHS = (GATE, 1.0, 1.06)
PRECISION = EFFORT.precision
MOST_ROUNDS = 100
AT_ONCE = 2000  # comparisons

Logs = NDArray[np.float64]


class Rule(NamedTuple):
    """When a comparison ends, and the confidence of each round's interval."""

    gate: float | None
    precision: float
    confidence: Callable[[int], float]


class Noise(msgspec.Struct, frozen=True):
    """What a round's log ratio scatters by: `sd`, with Student's t of `tails` degrees of freedom (0: normal)."""

    sd: float
    tails: int = 0

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> Logs:
        if not self.tails:
            return rng.normal(0.0, self.sd, shape)
        unit = math.sqrt(1 - 2 / self.tails)  # the variance of Student's t is tails / (tails - 2)
        return np.asarray(self.sd * unit * rng.standard_t(self.tails, shape), np.float64)


# In docs/measurements, rounds scatter by 0.3 % on a quiet machine, by 1 to 2 % as a rule, by 5 % with busy neighbours.
NOISES = {
    "quiet": Noise(0.003),
    "typical": Noise(0.01),
    "restless": Noise(0.02),
    "noisy": Noise(0.05),
    "heavy tails": Noise(0.01, tails=3),
}


def _harness(gate: float | None, precision: float) -> Rule:
    return Rule(gate, precision, partial(confidence_of_round, confidence=CONFIDENCE, gated=gate is not None))


def _ignoring(gate: float | None, precision: float) -> Rule:
    return Rule(gate, precision, lambda rounds: CONFIDENCE)


# With a gate, and without one.
WAYS = {
    "ignoring": (_ignoring(GATE, PRECISION), _ignoring(None, PRECISION)),
    "harness": (_harness(GATE, math.inf), _harness(None, PRECISION)),
}


class Errors(msgspec.Struct, frozen=True):
    """Of `trials` comparisons: whose intervals held the truth, which passed or failed the gate; rounds on the average.

    The others could not tell when `MOST_ROUNDS` were over.
    """

    truth: float
    gate: float | None
    trials: int
    covered: int
    passed: int
    failed: int
    rounds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--trials", type=int, default=20_000, help="of each kind (default: 20,000)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found: dict[str, dict[str, list[Errors]]] = {}
    for name, noise in NOISES.items():
        found[name] = {
            way: [
                *(errors(noise, truth, gated, options.trials, options.seed) for truth in TRUTHS),
                errors(noise, 1.0, alone, options.trials, options.seed),
            ]
            for way, (gated, alone) in WAYS.items()
        }
        for way, several in found[name].items():
            for e in several:
                shares = " ".join(f"{100 * count / e.trials:6.2f}" for count in (e.covered, e.passed, e.failed))
                print(f"{name:12}{way:10}{e.truth:6}{e.gate!s:>6}{shares}{e.rounds:7.1f}", flush=True)
    if options.out:
        document = {"seed": options.seed, "most_rounds": MOST_ROUNDS, "noises": NOISES, "found": found}
        write_atomic(options.out, msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")


def errors(noise: Noise, truth: float, rule: Rule, trials: int, seed: int, most_rounds: int = MOST_ROUNDS) -> Errors:
    rng = np.random.default_rng(seed)
    rounds = covered = passed = failed = 0
    for start in range(0, trials, AT_ONCE):
        logs = np.log(truth) + noise.draw(rng, (min(AT_ONCE, trials - start), most_rounds))
        taken, low, high = ended(logs, rule)
        rounds += int(taken.sum())
        covered += int(((low <= truth) & (truth <= high)).sum())
        if rule.gate is not None:
            passed += int((high <= rule.gate).sum())
            failed += int((low > rule.gate).sum())
    return Errors(truth, rule.gate, trials, covered, passed, failed, rounds / trials)


def ended(logs: Logs, rule: Rule) -> tuple[NDArray[np.int64], Logs, Logs]:
    """After how many rounds each comparison (a row) has ended, and its interval then."""
    n = np.arange(1, logs.shape[1] + 1)
    means = logs.cumsum(1) / n
    squares = np.maximum((logs**2).cumsum(1) - n * means**2, 0.0)
    ends = np.array([(1 + rule.confidence(int(rounds))) / 2 for rounds in n])
    half = t.ppf(ends[1:], n[:-1]) * np.sqrt(squares[:, 1:] / (n[:-1] * n[1:]))
    low, high = np.exp(means[:, 1:] - half), np.exp(means[:, 1:] + half)  # from the second round on
    is_enough = (high - low) / 2 <= rule.precision
    if rule.gate is not None:
        is_enough &= (high <= rule.gate) | (low > rule.gate)
    is_enough[:, : LEAST_ROUNDS - 2] = False
    is_enough[:, -1] = True
    last = is_enough.argmax(1)
    every = np.arange(len(logs))
    return last + 2, low[every, last], high[every, last]


if __name__ == "__main__":
    main()
