"""How sure a measured proportion is."""

import math
from typing import NamedTuple

from .distributions import binomial_tail

HALVINGS = 60  # of an interval of length 1: where floats end


class Interval(NamedTuple):
    low: float
    high: float


def proportion_interval(correct: int, n: int) -> Interval:
    """A 95 % interval of the proportion `correct` / `n` (Wilson 1927). Raises ValueError where there is none."""
    if not 0 <= correct <= n or not n:
        raise ValueError(f"{correct} of {n} is no proportion")
    z = 1.96
    centre = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(correct * (n - correct) / n + z**2 / 4)
    # rounding would miss the ends
    return Interval(centre - half if correct else 0.0, centre + half if correct < n else 1.0)


def exact_interval(successes: int, n: int) -> Interval:
    """The 95 % interval of a proportion that agrees with the exact binomial test (Clopper & Pearson 1934).

    It is wider than Wilson's, and never covers less than it says: for a few trials, which are tested as well.
    """
    return Interval(_lowest(successes, n), 1 - _lowest(n - successes, n))


def _lowest(successes: int, n: int) -> float:
    """The share at which so many successes, or more, have a probability of 2.5 %."""
    if not successes:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(successes, n, middle) < 0.025 else (low, middle)
    return low
