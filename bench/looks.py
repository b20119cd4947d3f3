"""Accuracy that is decided before all images are seen: how often one looks, and how wide the interval of each look is.

Who looks after every part of the images, and stops at the first look that decides, would be wrong more often than the
interval of one look says. By the Haybittle-Peto rule (Haybittle 1971; Peto et al. 1976, "Design and Analysis of
Randomized Clinical Trials", section 12) each look before the last spends a twentieth of the error, and the last one
the rest. The shares add up to the error of one look, so that the bound holds however the looks are correlated.
"""

from statistics import NormalDist
from typing import Literal

from ..core.statistics import Interval
from .accuracy import Paired, difference_interval

ERROR = 0.05
PARTS = (16, 8, 4, 2)  # of all images: a look at a sixteenth, an eighth, ...
LEAST = 200  # images of a look
EARLY = 0.05  # of the error


def looks(n: int) -> list[int]:
    """After how many of `n` images to look."""
    return [*(n // part for part in PARTS if n // part >= LEAST), n]


def interval(paired: Paired, n: int) -> Interval:
    """Of the drop, where `paired` is of one of the looks at `n` images."""
    early = len(looks(n)) - 1
    share = EARLY if paired.n < n else 1 - EARLY * early
    z = NormalDist().inv_cdf(1 - ERROR * share / 2)
    return difference_interval(paired.only_reference, paired.only_candidate, paired.n, z)


def outcome(paired: Paired, n: int, max_drop: float) -> Literal["pass", "fail", "undecided"]:
    """Whether the drop is at most that; undecided asks for the next look, if there is one."""
    low, high = interval(paired, n)
    if high <= max_drop:
        return "pass"
    return "fail" if low > max_drop else "undecided"
