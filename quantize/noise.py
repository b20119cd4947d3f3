"""How far a tensor is from the one that it stands for: the measures of quantization errors."""

from dataclasses import dataclass
from math import log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT_DB = 300.0  # more than float64 resolves: stands for no difference at all


@dataclass
class Noise:
    """Sums over batches of a reference r and of what was found in its place, f."""

    signal: float = 0.0  # r^2
    error: float = 0.0  # (f - r)^2
    found: float = 0.0  # f^2
    product: float = 0.0  # r f

    def add(self, reference: NDArray[Any], found: NDArray[Any]) -> None:
        """Two arrays of one shape."""
        r, f = (array.astype(np.float64).ravel() for array in (reference, found))
        self.signal += energy(r)
        self.error += energy(f - r)
        self.found += energy(f)
        self.product += float(r @ f)

    @property
    def sqnr_db(self) -> float:
        """The signal to quantization noise ratio, 10 log10(sum r^2 / sum (f - r)^2): 6 dB are worth a bit."""
        return decibels(self.signal, self.error)

    @property
    def cosine(self) -> float:
        """Of the angle between the two; 1 between equals, 0 between zeros and anything else."""
        if not self.error:
            return 1.0
        return self.product / (sqrt(self.signal * self.found) or 1.0)


def between(reference: NDArray[Any], found: NDArray[Any]) -> Noise:
    noise = Noise()
    noise.add(reference, found)
    return noise


def decibels(signal: float, noise: float) -> float:
    """Of two energies; from -EXACT_DB to EXACT_DB, which stand for no signal and for no noise."""
    if not noise:
        return EXACT_DB
    if not signal:
        return -EXACT_DB
    return min(max(10 * (log10(signal) - log10(noise)), -EXACT_DB), EXACT_DB)


def energy(values: NDArray[Any]) -> float:
    """The sum of squares, in float64."""
    return float(np.square(values, dtype=np.float64).sum())
