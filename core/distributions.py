"""The few quantiles and probabilities that our intervals need, in closed form; SciPy, of 140 MB, has them all."""

import math
from functools import lru_cache

EXACT = 1e-15  # relative: where floats end
TIE = 1e-12  # probabilities that are so near are the same


@lru_cache(maxsize=4096)
def student_t(confidence: float, freedom: int) -> float:
    """How far Student's t with so many degrees of freedom reaches to either side, with this probability.

    The angle whose tangent is t / sqrt(freedom) has a distribution that is a finite sum of positive terms (Abramowitz &
    Stegun 1964, 26.7.3 and 26.7.4). It is concave, so that Newton's method comes up to the quantile and not beyond.
    """
    density = 2 * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    angle, step = 0.0, 1.0
    while step > EXACT * angle:
        step = (confidence - _within_angle(angle, freedom)) / (density * math.cos(angle) ** (freedom - 1))
        angle += step
    return math.sqrt(freedom) * math.tan(angle)


def student_t_p(t: float, freedom: int) -> float:
    """The probability that Student's t with so many degrees of freedom is at least this far from 0, on either side."""
    return max(1 - _within_angle(math.atan(abs(t) / math.sqrt(freedom)), freedom), 0.0)


def _within_angle(angle: float, freedom: int) -> float:
    """The probability that t lies within the tangent of `angle` times the root of `freedom`, to either side."""
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = freedom % 2
    term, total = (cosine, 0.0) if is_odd else (1.0, 0.0)
    for i in range(1 + is_odd, freedom, 2):
        total += term
        term *= cosine**2 * i / (i + 1)
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total


@lru_cache(maxsize=4096)
def heads_quantile(probability: float, tosses: int) -> int:
    """The least number of heads that so many tosses of a fair coin stay at or below with at least this probability."""
    import numpy as np

    heads = np.arange(1, tosses + 1)
    # the logarithms of the binomial coefficients, each from the one before
    logs = np.concatenate([[0.0], np.cumsum(np.log((tosses + 1 - heads) / heads))])
    weights = np.exp(logs - logs.max())
    return int(np.searchsorted(np.cumsum(weights) / weights.sum(), probability - TIE))


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """The probability of at least so many successes in so many trials, each of which has this share: exact."""
    terms = (math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(successes, trials + 1))
    return min(math.fsum(terms), 1.0)


def fair_coin_p(heads: int, tosses: int) -> float:
    """The probability that a fair coin's heads are at least as far from half of the tosses as these: exact."""
    fewer = min(heads, tosses - heads)
    coefficient = total = 1
    for i in range(fewer):
        coefficient = coefficient * (tosses - i) // (i + 1)
        total += coefficient
    share: float = 2 * total / 2**tosses
    return min(share, 1.0)
