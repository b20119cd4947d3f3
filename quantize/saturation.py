"""No silent saturation: weights whose products cannot overflow 16 bits, on any CPU and in any order.

x86 without VNNI multiplies with `vpmaddubsw`: two adjacent u8 activations by two s8 weights, and the two products
are added in 16 bits, saturating at 32767 and -32768 (Intel SDM, PMADDUBSW). Activations reach it as raw 0..255, s8
ones too after a shift by 128. Which weights are adjacent is a kernel's own affair, so the bound here needs no order.
Kernels then add pairs in 32 bits; one that added several pairs in 16 bits is not covered.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..core.errors import ReszooError
from ..core.types import Certificate
from .graph import Graph
from .layers import MOVERS, PRODUCTS, IntegerLayer, along, integer_layers

LIMIT = 128  # 255 * 128 = 32,640 fits into 16 bits, 255 * 129 = 32,895 does not


def excess(weights: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """By how much the worst pair of each output channel exceeds what 16 bits hold: at most 0 is safe.

    (channels, n) weights give (channels,). The largest sum of a pair takes 255 where a weight is positive and 0
    where it is not, so it is exact for every input and every order if the two largest positive weights sum to at
    most 128, and the two most negative ones to at least -128.
    """
    largest_two = [np.sort(np.maximum(side, 0), axis=1)[:, -2:] for side in (weights.astype(int), -weights.astype(int))]
    worst: NDArray[np.int64] = np.max([pair.sum(axis=1) for pair in largest_two], axis=0)
    return worst - LIMIT


def rescale_channels(model: onnx.ModelProto) -> tuple[onnx.ModelProto, Certificate]:
    """A copy of a QDQ model in which no 16-bit sum of two products can saturate, and the certificate of that.

    A channel within the bound keeps its 8 bits. Another one, whose worst pair sums to s > 128, is rounded anew with a
    scale s/128 times as large: never more than a bit is lost (s <= 256), and as little as the bound allows.
    Proof that rounding keeps the bound: a*128/s + b*128/s <= 128 for each pair a, b >= 0 of one sign, and rounding
    adds at most 1/2 to each; so 129 takes two halves rounded up, m - 1/2 and n - 1/2 with m + n = 129. But a half is
    rounded up to an even number only, and two even ones do not sum to 129.

    Weights with one scale for all channels are rescaled together. Raises ReszooError for weights that are not s8 with
    zero point 0, or whose scales do not follow the output channels.
    """
    safe = onnx.ModelProto()
    safe.CopyFrom(model)
    layers = integer_layers(safe)
    _check_all(safe, layers)
    factors = [_factor(layer) for layer in layers]
    for layer, factor in zip(layers, factors, strict=True):
        if factor.max() > 1:
            _coarsen(safe, layer, factor)
    certificate = Certificate(
        unchanged_layers=sum(bool(factor.max() == 1) for factor in factors),
        rescaled_channels=sum(int(np.count_nonzero(factor > 1)) for factor in factors),
        layers=len(layers),
    )
    return safe, certificate


def _factor(layer: IntegerLayer) -> NDArray[np.float64]:
    """(channels,): what each channel's scale has to grow by, 1 where the bound holds."""
    _check(layer)
    values, axis = layer.weight_values, layer.channel_axis
    rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    factor = 1 + np.maximum(excess(rows), 0) / LIMIT  # s / 128, exactly
    return factor if layer.weights.scale.size > 1 else np.full_like(factor, factor.max())


def _check_all(model: onnx.ModelProto, layers: list[IntegerLayer]) -> None:
    """Refuse a product on integers that is missing in `layers`: some runtimes look through what only moves them."""
    graph, found = Graph(model), {layer.name for layer in layers}
    for node in graph.nodes:
        if node.op_type not in PRODUCTS or (node.name or node.output[0]) in found:
            continue
        if all(_is_integer(graph, name) for name in node.input[:2]):
            raise ReszooError(
                f"{node.op_type} {node.name!r} is on integers, but what it reads is not quantized right in front of it",
                'Put a Q/DQ pair in front of it, or choose saturation = "ignore".',
            )


def _is_integer(graph: Graph, tensor: str) -> bool:
    """Whether it was dequantized, and at most moved since."""
    node = graph.writer.get(tensor)
    while node is not None and node.op_type in MOVERS:
        node = graph.writer.get(node.input[0])
    return node is not None and node.op_type == "DequantizeLinear"


def _check(layer: IntegerLayer) -> None:
    weights, ndim = layer.weights, layer.weight_values.ndim
    channels = layer.weight_values.shape[layer.channel_axis]
    if layer.weight_values.dtype != np.int8 or weights.zero_point.any():
        raise _refused(layer, f"has {layer.weight_values.dtype} weights with zero point {weights.zero_point.max()}")
    if weights.scale.size > 1 and (weights.scale.shape != (channels,) or weights.axis % ndim != layer.channel_axis):
        raise _refused(layer, f"has scales {weights.scale.shape} that do not follow its {channels} output channels")
    if layer.bias and layer.bias.scale.size != weights.scale.size:
        raise _refused(
            layer, f"has {weights.scale.size} scales for its weights, but {layer.bias.scale.size} for its bias"
        )


def _refused(layer: IntegerLayer, problem: str) -> ReszooError:
    return ReszooError(
        f"{layer.node.op_type} {layer.name!r} {problem}: nothing is known about its sums",
        'Quantize weights symmetrically to s8, per output channel or per tensor, or choose saturation = "ignore".',
    )


def _coarsen(model: onnx.ModelProto, layer: IntegerLayer, factor: NDArray[np.float64]) -> None:
    """Multiply the scales of weights and bias by `factor`, (channels,), and divide their integers by it."""
    operands = [(1, layer.weights, layer.weight_values, layer.channel_axis)]
    if layer.bias and layer.bias_values is not None:
        operands.append((2, layer.bias, layer.bias_values, -1))
    for index, affine, values, axis in operands:
        integers = np.rint(values / along(factor, axis, values.ndim)).astype(values.dtype)
        scale = affine.scale * (factor if affine.scale.size > 1 else factor[0])
        dequantize = _own_dequantize(model, layer.node, index)
        _store(model, dequantize, 0, integers)
        _store(model, dequantize, 1, scale.astype(affine.scale.dtype))


def _own_dequantize(model: onnx.ModelProto, node: onnx.NodeProto, index: int) -> onnx.NodeProto:
    """The DequantizeLinear of one operand of `node`; a copy of it where other nodes read it too."""
    graph = Graph(model)
    shared = graph.writer[node.input[index]]
    if graph.sole_reader(shared.output[0]):
        return shared
    own = onnx.NodeProto()
    own.CopyFrom(shared)
    own.name = own.output[0] = node.input[index] = f"{node.output[0]}_operand_{index}"
    position = list(graph.nodes).index(node)
    graph.nodes.insert(position, own)
    return graph.nodes[position]


def _store(model: onnx.ModelProto, node: onnx.NodeProto, index: int, array: NDArray[Any]) -> None:
    """Make `array` the constant that `node` reads there; other readers of the old one keep it."""
    graph = Graph(model)
    if graph.sole_reader(node.input[index]):
        graph.replace(node.input[index], array)
        return
    node.input[index] = f"{node.output[0]}_input_{index}"
    model.graph.initializer.append(onnx.numpy_helper.from_array(array, node.input[index]))
