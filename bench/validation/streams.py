"""Simulated latencies, in seconds, whose true median is known: what the intervals are checked against.

Each is stationary. Of a series with a deterministic trend there is no one median: that is what `drift.drifted` is for.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtri

Latencies = NDArray[np.float64]

TYPICAL_S = 5e-3
# Two modes: now and then a run takes three times as long.
SLOW_SHARE = 0.3
SLOW_FACTOR = 3.0
BURST_RUNS = 12  # mean length of a stretch of slow runs
WANDERING_RUNS = 60  # time constant of the slow wandering: 3 % of a run of 2,000 samples


class Stream(NamedTuple):
    """`draw(rng, n)` gives n latencies in a row; `median_s` is the true one."""

    draw: Callable[[np.random.Generator, int], Latencies]
    median_s: float


def log_normal(rng: np.random.Generator, n: int) -> Latencies:
    return _scatter(rng, n, 0.2)


def bimodal(rng: np.random.Generator, n: int) -> Latencies:
    """Each run is a slow one by chance, whatever the last one was."""
    return np.where(rng.random(n) < SLOW_SHARE, SLOW_FACTOR, 1.0) * _scatter(rng, n, 0.15)


def bursts(rng: np.random.Generator, n: int) -> Latencies:
    """The same two modes, in stretches of geometric length: a Markov chain that begins in its stationary state."""
    pairs = n // BURST_RUNS + 10  # of a fast and a slow stretch: more than enough, as fast ones are longer
    fast_runs = BURST_RUNS * (1 - SLOW_SHARE) / SLOW_SHARE
    lengths = rng.geometric(np.tile([1 / fast_runs, 1 / BURST_RUNS], (pairs, 1)))
    factors = np.repeat(np.tile([1.0, SLOW_FACTOR], pairs), lengths.ravel())
    begin = 0 if rng.random() >= SLOW_SHARE else int(lengths[0, 0])
    return factors[begin : begin + n] * _scatter(rng, n, 0.05)


def autocorrelated(rng: np.random.Generator, n: int) -> Latencies:
    """AR(1) in the logarithm: neighbours are correlated with 0.9."""
    return TYPICAL_S * np.exp(0.05 * _autoregressive(rng, n, 0.9))


def drifting(rng: np.random.Generator, n: int) -> Latencies:
    """Noise upon a slow wandering to and fro (Ornstein-Uhlenbeck in the logarithm) around a median that stays."""
    wandering = _autoregressive(rng, n, np.exp(-1 / WANDERING_RUNS))
    return np.exp(0.02 * wandering) * _scatter(rng, n, 0.05)


def _scatter(rng: np.random.Generator, n: int, sigma: float) -> Latencies:
    return TYPICAL_S * rng.lognormal(0.0, sigma, n)


def _autoregressive(rng: np.random.Generator, n: int, correlation: float) -> Latencies:
    """A stationary AR(1) of variance 1."""
    shocks = rng.standard_normal(n)
    shocks[1:] *= np.sqrt(1 - correlation**2)
    series: Any = lfilter([1.0], [1.0, -correlation], shocks)
    return np.asarray(series, np.float64)


def _median_of_fast(sigma: float) -> float:
    """Half of all runs are below: the fast ones' quantile 0.5 / 0.7. (Less than 1e-11 of the slow ones are there.)"""
    return float(TYPICAL_S * np.exp(sigma * ndtri(0.5 / (1 - SLOW_SHARE))))


STREAMS = {
    "log-normal": Stream(log_normal, TYPICAL_S),
    "bimodal": Stream(bimodal, _median_of_fast(0.15)),
    "bimodal in bursts": Stream(bursts, _median_of_fast(0.05)),
    "autocorrelated": Stream(autocorrelated, TYPICAL_S),
    "drifting": Stream(drifting, TYPICAL_S),
}
