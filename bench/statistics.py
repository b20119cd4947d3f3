"""What the raw samples say: quantiles, and how sure the median is. Nothing is rounded here."""

import math
from collections.abc import Sequence

from ..core.statistics import Interval


def quantile(samples: Sequence[float], q: float) -> float:
    """The q-quantile, interpolated between order statistics (Hyndman & Fan 1996, type 7)."""
    ordered = sorted(samples)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median(samples: Sequence[float]) -> float:
    return quantile(samples, 0.5)


def median_interval(samples: Sequence[float]) -> Interval:
    """A 95 % interval of the median from order statistics: free of any distribution, for independent samples.

    The ranks are the normal approximation of the binomial's (Conover 1999, section 3.2).
    """
    ordered, n = sorted(samples), len(samples)
    half = 1.96 * math.sqrt(n) / 2
    rank = max(math.ceil(n / 2 - half), 1)  # counted from 1; the upper one is as far from the other end
    return Interval(ordered[rank - 1], ordered[n - rank])
