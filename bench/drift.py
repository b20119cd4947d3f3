"""Whether the latency moves: before the sampling, when warm-up is over; after it, if it should not have."""

from collections.abc import Sequence

from ..core.cosines import cosines
from ..core.distributions import student_t
from ..core.statistics import Interval

BLOCKS = 8
# Warm-up is over when the last half of it is known to have changed by less than 3 %, and perhaps by less than 1 %.
STEADY = 0.01
UNSTEADY = 0.03
# A trend while sampling is worth a warning if it is larger than this, and sure at 99 %.
DRIFT = 0.02


def is_steady(samples: Sequence[float]) -> bool:
    """Whether the latency has stopped moving: the 95 % interval of its change over the last half of `samples`.

    It must lie within 3 % and reach into 1 % to either side. A latency that is constant but for noise is called
    unsteady in at most 1 of 20, once there are samples enough to tell: some 120 if they vary by 1 %, 3,000 if by 5 %.
    """
    low, high = trend(samples[len(samples) // 2 :], 0.95)
    return -UNSTEADY <= low <= STEADY and -STEADY <= high <= UNSTEADY


def drifted(samples: Sequence[float]) -> bool:
    """Whether the latency moved by more than 2 % over all of `samples`, and not by chance: 1 of 100 is a false alarm.

    A slow wandering to and fro is no trend, if its time constant is short against the run (3 %: 2 of 100).
    """
    low, high = trend(samples, 0.99)
    return abs(low + high) / 2 > DRIFT and (low > 0 or high < 0)


def trend(samples: Sequence[float], confidence: float) -> Interval:
    """The interval of the relative change from the first sample to the last, as if on a straight line.

    Of the medians of 8 blocks, which outliers do not move: the lowest cosine, which holds 99 % of a straight line's
    power, against the six others, which hold the noise, with Student's t. Correlation that lasts longer than a block
    is in the others as well, so it widens the interval. Fewer than 8 samples know nothing.
    """
    import numpy as np

    if len(samples) < BLOCKS:
        return Interval(-np.inf, np.inf)
    medians = np.array([np.median(block) for block in np.array_split(np.asarray(samples, float), BLOCKS)])
    line = (np.arange(BLOCKS) + 0.5) / BLOCKS  # rises by 1 from the first sample to the last
    change, *noise = cosines(medians / np.median(medians))[1:] / cosines(line)[1]
    half = student_t(confidence, len(noise)) * np.sqrt(np.mean(np.square(noise)))
    return Interval(float(change - half), float(change + half))
