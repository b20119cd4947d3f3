"""From what a tensor held to the range that its 8 bits cover: one function a calibration method.

Outside the range values are clipped, inside they are rounded to the range's 255 steps: a narrower one trades the
first error for the second.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .calibration import BINS, Observation
from .config import Calibration

PERCENTILE = 99.99
STEPS = 255  # between the lowest and the highest of 256 integers
SYMMETRIC_STEPS = 254  # -127 to 127
SHRINKING = np.linspace(1.0, 0.2, 81)  # the fractions of a bound that the mean squared error is tried at


class Range(NamedTuple):
    lowest: float
    highest: float


def minmax(seen: Observation, symmetric: bool) -> Range:
    """All that was seen: nothing is clipped."""
    return Range(seen.lowest, seen.highest)


def percentile(seen: Observation, symmetric: bool) -> Range:
    """What is left when the outermost 0.01 % are cut off: on one side, or half of them on each."""
    edges, counts = _edges(seen), _histogram(seen)
    below = np.cumsum(counts) / counts.sum()
    cut = (1 - PERCENTILE / 100) / (1 if seen.lowest >= 0 or seen.highest <= 0 else 2)
    lowest = edges[np.searchsorted(below, cut, side="right")] if seen.lowest < 0 else seen.lowest
    highest = edges[np.searchsorted(below, 1 - cut) + 1] if seen.highest > 0 else seen.highest
    return _within(seen, lowest, highest)


def entropy(seen: Observation, symmetric: bool) -> Range:
    """The threshold on magnitudes that loses the least information (Kullback-Leibler; Migacz 2017, slide 38)."""
    counts = _histogram(seen)
    magnitudes = (counts[BINS // 2 :] + counts[: BINS // 2][::-1]).astype(np.float64)
    magnitudes[0] = magnitudes[1]  # ReLU's zeros are exact whatever the threshold: they must not outvote the rest
    if not magnitudes.any():
        return minmax(seen, symmetric)
    levels = 256 if seen.lowest >= 0 and not symmetric else 128
    sizes = range(levels, len(magnitudes) + 1, 8)
    best = min(sizes, key=lambda size: _divergence(magnitudes, size, levels))
    threshold = best / len(magnitudes) * seen.limit
    return _within(seen, -threshold, threshold)


def mse(seen: Observation, symmetric: bool) -> Range:
    """The bounds that leave the least mean squared error, clipping and rounding together; one bound, then the other."""
    edges, counts = _edges(seen), _histogram(seen)
    filled = counts > 0
    values, weights = ((edges[1:] + edges[:-1]) / 2)[filled], counts[filled].astype(np.float64)
    chosen = Range(min(seen.lowest, 0.0), max(seen.highest, 0.0))
    if symmetric:
        candidates = [Range(-seen.limit * part, seen.limit * part) for part in SHRINKING]
        return _within(seen, *_least(candidates, values, weights, SYMMETRIC_STEPS))
    for _ in range(2):
        chosen = _least([Range(chosen.lowest, seen.highest * part) for part in SHRINKING], values, weights, STEPS)
        chosen = _least([Range(seen.lowest * part, chosen.highest) for part in SHRINKING], values, weights, STEPS)
    return _within(seen, *chosen)


METHODS: dict[Calibration, Callable[[Observation, bool], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}


def _histogram(seen: Observation) -> NDArray[np.int64]:
    if seen.histogram is None:
        raise ValueError("this method needs histograms: observe(..., histograms=True)")
    return seen.histogram


def _edges(seen: Observation) -> NDArray[np.float64]:
    return np.linspace(-(seen.limit or 1.0), seen.limit or 1.0, BINS + 1)


def _within(seen: Observation, lowest: float, highest: float) -> Range:
    return Range(max(float(lowest), seen.lowest), min(float(highest), seen.highest))


def _divergence(magnitudes: NDArray[np.float64], size: int, levels: int) -> float:
    """How far the first `size` bins are, with the rest clipped into the last, from themselves in `levels` steps."""
    kept = magnitudes[:size]
    reference = kept.copy()
    reference[-1] += magnitudes[size:].sum()
    filled = reference > 0
    level = np.arange(size) * levels // size
    # each level's mass is spread evenly over those of its bins that held anything
    mass = np.bincount(level, kept, levels) / np.maximum(np.bincount(level, filled, levels), 1)
    p = reference[filled] / reference.sum()
    q = mass[level][filled]
    if not q.all():  # only a clipped tail can leave a filled bin without mass
        q = np.maximum(q, 1e-4 * q.max())
    return float((p * np.log(p / (q / q.sum()))).sum())


def _least(candidates: list[Range], values: NDArray[np.float64], weights: NDArray[np.float64], steps: int) -> Range:
    return min(candidates, key=lambda bounds: _squared_error(bounds, values, weights, steps))


def _squared_error(bounds: Range, values: NDArray[np.float64], weights: NDArray[np.float64], steps: int) -> float:
    scale = (bounds.highest - bounds.lowest) / steps or 1.0
    rounded = np.round(np.clip(values, *bounds) / scale) * scale
    return float((weights * (rounded - values) ** 2).sum())
