"""How sure a measured proportion is."""

import math
from typing import NamedTuple


class Interval(NamedTuple):
    low: float
    high: float


def proportion_interval(correct: int, n: int) -> Interval:
    """A 95 % interval of the proportion `correct` / `n` (Wilson 1927)."""
    z = 1.96
    centre = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(correct * (n - correct) / n + z**2 / 4)
    return Interval(centre - half, centre + half)
