"""A CPU without VNNI, emulated: what `vpmaddubsw` makes of sums that do not fit into 16 bits."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..core.errors import ReszooError
from .graph import attributes
from .integer import INPUT, Array, dequantize, in_steps, rescale, run_onnxruntime
from .layers import IntegerLayer, along, integer_layers


def saturating_conv(
    x: NDArray[np.uint8], w: NDArray[np.int8], order: NDArray[np.intp] | None = None, stride: int = 1
) -> NDArray[np.int32]:
    """Convolve (N, C, H, W) with (O, C, kH, kW), unpadded, adding pairs of products in 16 bits with saturation.

    `order` permutes the C * kH * kW products of a sum: the first two of it are a pair, the next two, and so on, as a
    kernel's packing has it. None is the order in which the weights are stored. Gives (N, O, H', W').
    """
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, height, width = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * height * width, -1).astype(np.int32)
    rows = w.reshape(len(w), -1).astype(np.int32)
    order = np.arange(rows.shape[1]) if order is None else order
    sums = np.zeros((len(columns), len(rows)), np.int32)
    for start in range(0, len(order), 2):
        pair = order[start : start + 2]
        sums += np.clip(columns[:, pair] @ rows[:, pair].T, -(2**15), 2**15 - 1)
    return sums.reshape(n, height, width, -1).transpose(0, 3, 1, 2)


def run_without_vnni(model: onnx.ModelProto, batch: Array) -> dict[str, Array]:
    """A `run` for `integer.mismatches`: single layers as such a CPU may compute them, whole models by ONNX Runtime.

    Weights are paired in the order in which they are stored. Raises ReszooError for a convolution that is dilated or
    unevenly strided.
    """
    if model.graph.input[0].name != INPUT:
        return run_onnxruntime(model, batch)
    (layer,) = integer_layers(model)
    x = np.rint(in_steps(layer.input, batch)).astype(np.int64)
    zero = int(layer.input.zero_point)
    if layer.input.zero_point.dtype == np.int8:  # vpmaddubsw takes unsigned activations, so kernels shift signed ones
        x, zero = x + 128, zero + 128
    w = np.moveaxis(layer.weight_values, layer.channel_axis, 0)
    totals = w.reshape(len(w), -1).sum(axis=1, dtype=np.int64)
    sums = _sums(layer, x.astype(np.uint8), w, zero)
    real = rescale(layer, sums - along(zero * totals, 1, sums.ndim).astype(np.float64))
    if layer.output:
        real = dequantize(layer.output, np.rint(in_steps(layer.output, real)))
    return {model.graph.output[0].name: real.astype(np.float32)}


def _sums(layer: IntegerLayer, x: NDArray[np.uint8], w: NDArray[np.int8], zero: int) -> NDArray[np.int32]:
    if layer.node.op_type != "Conv":
        return saturating_conv(x[..., None, None], w[..., None, None])[..., 0, 0]
    options: dict[str, Any] = attributes(layer.node)
    strides, pads = options.get("strides", [1, 1]), options.get("pads", [0] * 4)
    if set(options.get("dilations", [1])) != {1} or len(set(strides)) != 1:
        raise ReszooError(f"Conv {layer.name!r} is dilated or unevenly strided", "Emulate a plain one.")
    padding = [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])]
    padded = np.pad(x, padding, constant_values=zero)
    groups = options.get("group", 1)
    parts = zip(np.split(padded, groups, axis=1), np.split(w, groups), strict=True)
    return np.concatenate([saturating_conv(images, kernels, stride=strides[0]) for images, kernels in parts], axis=1)
