"""A series as a sum of cosines, from the slowest: where its power is, if it is correlated."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def cosines(values: "ArrayLike") -> "NDArray[np.float64]":
    """The orthonormal discrete cosine transform of the second kind, (n,) -> (n,), by the FFT of Makhoul (1980)."""
    import numpy as np

    series = np.asarray(values, float)
    n = len(series)
    turned = np.exp(-0.5j * np.pi * np.arange(n) / n) * np.fft.fft(np.concatenate([series[::2], series[1::2][::-1]]))
    coefficients: NDArray[np.float64] = turned.real * np.sqrt(2 / n)
    coefficients[0] /= np.sqrt(2)
    return coefficients
