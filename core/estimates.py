"""What the raw samples say, and how surely. Nothing is rounded here."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple

from .cosines import cosines
from .distributions import heads_quantile, student_t
from .statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .measured import Window

# A quantile is carried by the samples beyond it: p99 by 1,000, p90 by 100.
BEYOND = 10
# Cosines whose powers give the variance: as many of the lowest as are free of correlation, a power of two.
MOST_COSINES = 256
FEWEST_COSINES = 4
# A correlation that is missed makes an interval too narrow, a false alarm only a little wider: 40 % of those are fine.
FALSE_ALARMS = 0.4
# From fewer, too little is known of an interval's own width to stop sampling by it.
ENOUGH_COSINES = 64
# Walsh averages need memory of the order of the square of this.
MOST_PAIRS = 1000


def quantile(samples: Sequence[float], q: float) -> float:
    """The q-quantile, interpolated between order statistics (Hyndman & Fan 1996, type 7)."""
    if not len(samples):
        raise ValueError("no samples")
    if not 0 <= q <= 1:
        raise ValueError(f"there is no {q:g}-quantile")
    ordered = sorted(samples)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median(samples: Sequence[float]) -> float:
    return quantile(samples, 0.5)


def carries(n: int, q: float) -> bool:
    """Whether `n` independent samples carry the q-quantile: 10 of them are expected beyond it, on either side."""
    return n * min(q, 1 - q) > BEYOND - 1e-9  # 1 - 0.99 is not 0.01


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> Interval:
    """An interval of the median of a stationary series that may be correlated in time; their order matters.

    It lies between two order statistics, so it is free of any distribution. How far apart their ranks are follows from
    the variance of the number of samples below the median (Heidelberger & Lewis 1984), correlation included, with
    Student's t; it is never narrower than for independent samples. Fewer than 8 give the widest, whatever is asked.
    """
    return _estimate(samples, confidence).interval


def relative_half_width(samples: Sequence[float]) -> float:
    """Half the width of the median's 95 % interval, relative to the median."""
    return _estimate(samples).relative_half_width


def is_precise(samples: Sequence[float], precision: float) -> bool:
    """When to stop sampling: the median's 95 % interval is at most `precision` to either side of it, relative.

    Who looks often and stops at the first narrow interval stops at a lucky one, and then it covers less than it says.
    So it must have been as narrow for the first four fifths too; and an interval that is known from k < 64 cosines,
    because the run is short against its slowest fluctuations, must be 64 / k times as narrow.
    """
    parts = samples, samples[: len(samples) * 4 // 5]
    return all(
        known.cosines > 0 and known.relative_half_width <= precision * min(known.cosines / ENOUGH_COSINES, 1)
        for known in map(_estimate, parts)
    )


def throughput(windows: "Sequence[Window]", batch: int) -> tuple[float, Interval]:
    """Images per second of all streams together, and its 95 % interval: Student's t over the windows.

    A ratio estimator (Cochran 1977, section 2.11): windows may differ in length. One alone says nothing of how much
    they vary, so the interval of one is from 0 to infinity.
    """
    import numpy as np

    if not windows:
        raise ValueError("no windows")
    images = batch * np.array([window.runs for window in windows], float)
    seconds = np.array([window.seconds for window in windows])
    rate = float(images.sum() / seconds.sum())
    _, (low, high) = mean_interval((images - rate * seconds) / seconds.mean())
    return rate, Interval(max(rate + low, 0.0), rate + high)


def log_ratio(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> float:
    """The location of log(median b / median a) over pairs (a, b) of blocks that ran one after the other.

    The Hodges-Lehmann estimator, which is the median of the Walsh averages (Hodges & Lehmann 1963): up to 29 % of the
    pairs may be spoiled. Of more than 1,000 pairs, neighbours are merged first.
    """
    import numpy as np

    logs = np.array([math.log(median(b) / median(a)) for a, b in pairs])
    if not len(logs):
        raise ValueError("no pairs")
    merged = np.array([np.median(group) for group in np.array_split(logs, min(len(logs), MOST_PAIRS))])
    first, second = np.triu_indices(len(merged))
    return float(np.median((merged[first] + merged[second]) / 2))


def mean_interval(values: "ArrayLike", confidence: float = 0.95) -> tuple[float, Interval]:
    """The mean of independent values and Student's t interval of it; of one value alone, it is infinite."""
    import numpy as np

    known = np.asarray(values, float)
    if not known.size:
        raise ValueError("no values")
    mean = float(known.mean())
    if known.size == 1:
        return mean, Interval(-math.inf, math.inf)
    half = student_t(confidence, known.size - 1) * float(known.std(ddof=1)) / math.sqrt(known.size)
    return mean, Interval(mean - half, mean + half)


def ratio_of_rounds(log_ratios: Sequence[float], confidence: float = 0.99) -> tuple[float, Interval]:
    """The ratio, and its interval over rounds, each with processes of its own and so independent of the others."""
    mean, (low, high) = mean_interval(log_ratios, confidence)
    return math.exp(mean), Interval(math.exp(low), math.exp(high))


class Ratio(NamedTuple):
    """A contestant's latency over the baseline's, and its 99 % interval."""

    value: float
    interval: Interval

    @property
    def half_width(self) -> float:
        return (self.interval.high - self.interval.low) / 2

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.interval.low:.3f} to {self.interval.high:.3f})"

    @property
    def verdict(self) -> str:
        if self.interval.high < 1:
            return "faster"
        return "slower" if self.interval.low > 1 else "no difference"

    def against(self, limit: float) -> Literal["pass", "fail", "cannot tell"]:
        """Whether the contestant takes at most `limit` times as long: if its whole interval says so."""
        if self.interval.high <= limit:
            return "pass"
        return "fail" if self.interval.low > limit else "cannot tell"


class _Estimate(NamedTuple):
    """A median, its interval, and how many cosines the variance is known from (0: the widest interval, from none)."""

    median: float
    interval: Interval
    cosines: int

    @property
    def relative_half_width(self) -> float:
        return (self.interval.high - self.interval.low) / 2 / self.median


def _estimate(samples: Sequence[float], confidence: float = 0.95) -> _Estimate:
    import numpy as np

    n = len(samples)
    if not n:
        raise ValueError("no samples")
    values = np.asarray(samples, float)
    ordered, middle = np.sort(values), float(np.median(values))
    if n < 2 * FEWEST_COSINES:
        return _Estimate(middle, Interval(float(ordered[0]), float(ordered[-1])), 0)
    # +-1/2 instead of 1 and 0 for below and above, so that ties with the median lean to neither side
    variance, free = _long_run_variance(np.sign(values - middle) / 2)
    half = student_t(confidence, free) * math.sqrt(n * variance)
    independent = heads_quantile((1 - confidence) / 2, n)
    rank = max(int(min(independent, math.ceil(n / 2 - half))), 1)  # counted from 1
    return _Estimate(middle, Interval(float(ordered[rank - 1]), float(ordered[n - rank])), free)


def _long_run_variance(series: "ArrayLike") -> tuple[float, int]:
    """n times the variance of the mean of a correlated series of n >= 8, and its degrees of freedom.

    The mean power of the k lowest cosines, which is chi-squared with k degrees of freedom (Sun 2013, "A
    heteroskedasticity and autocorrelation robust F test using an orthonormal series variance estimator"). It has less
    bias than k batch means. As batches are merged until their means are not correlated (LBATCH, Fishman & Yarberry
    1997), k is halved until the powers do not fall with the frequency any more.
    """
    import numpy as np

    values = np.asarray(series, float)
    powers = cosines(values)[1 : MOST_COSINES + 1] ** 2  # the first is the mean
    k = min(MOST_COSINES, 1 << (len(values) // 2).bit_length() - 1)
    limit = NormalDist().inv_cdf(1 - FALSE_ALARMS)
    while k > FEWEST_COSINES:
        weights = np.cos(np.pi * np.arange(1, k + 1) / (k + 1))
        # their weighted mean is the lag-1 autocorrelation of k batch means, and normal with variance 1 / k without any
        if powers[:k] @ weights <= limit / math.sqrt(k) * powers[:k].sum():
            break
        k //= 2
    return float(powers[:k].mean()), k
