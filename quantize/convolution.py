"""A convolution in NumPy, exact wherever its float type is: one matrix product for each image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def convolve(
    x: NDArray[Any],
    weights: NDArray[Any],
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    group: int = 1,
) -> NDArray[Any]:
    """(N, I, ...) by (O, I / group, ...) gives (N, O, ...). `pads` are ONNX's: all begins, then all ends."""
    kernel, dims = weights.shape[2:], x.ndim - 2
    spans = [dilation * (side - 1) + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    margins = [(0, 0), *zip(pads[:dims], pads[dims:], strict=True)]
    rows = weights.reshape(group, len(weights) // group, -1)
    found = []
    for image in x:  # the products of one stay in the processor's caches
        windows = sliding_window_view(np.pad(image, margins), spans, tuple(range(1, dims + 1)))  # (I, places, span)
        chosen = windows[(slice(None), *(slice(None, None, each) for each in (*strides, *dilations)))]
        sizes = chosen.shape[1 : dims + 1]
        columns = np.moveaxis(chosen, range(1, dims + 1), range(-dims, 0)).reshape(group, rows.shape[2], -1)
        found.append((rows @ columns).reshape(len(weights), *sizes))
    return np.stack(found)
