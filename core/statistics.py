"""How sure a measured proportion is."""

import math
from typing import NamedTuple


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
