"""Cross-layer equalisation (Nagel et al. 2019, section 4.1): one network, in weights that quantize better.

Between two convolutions with nothing but a ReLU in between, channel i may be divided by s_i before and multiplied by
s_i after, as relu(s x) = s relu(x) for s > 0. With s_i = sqrt(r1_i / r2_i), where r1_i and r2_i are the largest
weights that channel i leaves and enters through, both become sqrt(r1_i r2_i) (equation 11).
"""

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from .graph import Graph, attributes

ROUNDS = 20  # a convolution in a chain is in two pairs, which disturb each other less and less
CONVERGED = 1e-3


class Pair(NamedTuple):
    """Two convolutions, the second of which alone reads what the first writes."""

    first: onnx.NodeProto
    second: onnx.NodeProto


def equalise(model: onnx.ModelProto) -> None:
    """Rescale the weights of `model` in place. What it computes stays as it was, to float rounding."""
    graph = Graph(model)
    pairs = find_pairs(graph)
    for _ in range(ROUNDS):
        changes = [_balance(graph, pair) for pair in pairs]
        if max(changes, default=0.0) < CONVERGED:
            return


def find_pairs(graph: Graph) -> list[Pair]:
    found = []
    for node in graph.nodes:
        if not _is_ours(graph, node):
            continue
        reader = graph.sole_reader(node.output[0])
        if reader is not None and reader.op_type == "Relu":
            reader = graph.sole_reader(reader.output[0])
        if reader is not None and _is_ours(graph, reader):
            found.append(Pair(node, reader))
    return found


def _is_ours(graph: Graph, node: onnx.NodeProto) -> bool:
    """A convolution, plain or depthwise, with weights and bias of its own."""
    if node.op_type != "Conv" or not all(name in graph.weights for name in node.input[1:]):
        return False
    if any(len(graph.readers[name]) > 1 for name in node.input[1:]):
        return False
    return attributes(node).get("group", 1) in (1, len(graph.array(node.input[1])))


def _balance(graph: Graph, pair: Pair) -> float:
    """Equalise one pair; gives the largest relative change of a channel."""
    before, after = graph.array(pair.first.input[1]), graph.array(pair.second.input[1])
    if attributes(pair.second).get("group", 1) > 1:
        entering = np.abs(after).max(axis=(1, 2, 3))  # depthwise: channel i is filter i
        shape = (-1, 1, 1, 1)
    else:
        entering = np.abs(after).max(axis=(0, 2, 3))
        shape = (1, -1, 1, 1)
    scale = _scales(np.abs(before).max(axis=(1, 2, 3)), entering)
    graph.replace(pair.first.input[1], before / scale[:, None, None, None])
    for bias in pair.first.input[2:]:
        graph.replace(bias, graph.array(bias) / scale)
    graph.replace(pair.second.input[1], after * scale.reshape(shape))
    return float(np.abs(scale - 1).max())


def _scales(leaving: NDArray[np.float32], entering: NDArray[np.float32]) -> NDArray[np.float32]:
    """sqrt(r1 / r2) for each channel; dead ones are left alone."""
    alive = (leaving > 0) & (entering > 0)
    ratio = np.divide(leaving, entering, out=np.ones_like(leaving), where=alive)
    return np.sqrt(ratio, dtype=np.float32)
