"""Rewriting a float graph so that all of it has integer kernels, without changing what it computes.

A batch norm that follows no convolution (v2's, after an addition) becomes a depthwise 1x1 convolution: its scale is
one weight a channel, which a per-channel 8-bit weight holds exactly. So does option A's shortcut, subsampling and
padding with zero channels: it is a 1x1 convolution with weights 0 and 1.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .config import QuantizeConfig
from .equalisation import equalise
from .graph import Graph, attributes
from .reading import read


def prepared(content: bytes, config: QuantizeConfig) -> onnx.ModelProto:
    """The float graph of an ONNX file as schemes quantize it: rewritten, and equalised if that is wanted."""
    model = read(content)
    prepare(model)
    if config.equalise:
        equalise(model)
    return model


def prepare(model: onnx.ModelProto) -> None:
    """Rewrite `model` in place; tensors and nodes keep their names."""
    graph = Graph(model)
    for node in graph.nodes:
        for rewrite in (_norm_to_convolution, _padding_to_convolution):
            if (new := rewrite(model, graph, node)) is not None:
                node.CopyFrom(new)
    _drop_unread(model)


def _norm_to_convolution(model: onnx.ModelProto, graph: Graph, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """y = gamma (x - mean) / sqrt(var + eps) + beta, with one weight and one bias a channel."""
    if node.op_type != "BatchNormalization" or graph.rank(node.input[0]) != 4:
        return None
    if len(node.output) != 1 or not all(name in graph.weights for name in node.input[1:]):
        return None  # in training mode, or with computed statistics
    gamma, beta, mean, var = (graph.array(name).astype(np.float64) for name in node.input[1:])
    scale = gamma / np.sqrt(var + attributes(node).get("epsilon", 1e-5))
    weight, bias = f"{node.name}.scale", f"{node.name}.shift"  # the norm has a weight and a bias of its own
    for name, values in ((weight, scale[:, None, None, None]), (bias, beta - mean * scale)):
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    inputs = [node.input[0], weight, bias]
    return helper.make_node("Conv", inputs, node.output, node.name, kernel_shape=[1, 1], group=len(scale))


def _padding_to_convolution(model: onnx.ModelProto, graph: Graph, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Zero channels before and after, together with the 1x1 average pool that may stand in front."""
    options = attributes(node)
    if node.op_type != "Pad" or options.get("mode", b"constant") != b"constant" or graph.rank(node.input[0]) != 4:
        return None
    if node.input[1] not in graph.weights or any(node.input[2:]):
        return None
    before, after, *others = np.roll(graph.array(node.input[1]).reshape(2, 4), -1, axis=1).T.ravel().tolist()
    channels = graph.values[node.input[0]].shape.dim[1].dim_value
    if any(others) or min(before, after) < 0 or not channels:
        return None
    weight = f"{node.name}.weight"
    values = np.eye(channels, dtype=np.float32)
    values = np.pad(values, ((before, after), (0, 0)))[:, :, None, None]
    model.graph.initializer.append(numpy_helper.from_array(values, weight))
    source, strides = _subsampled(graph, node.input[0])
    inputs = [source, weight]
    return helper.make_node("Conv", inputs, node.output, node.name, kernel_shape=[1, 1], strides=strides)


def _subsampled(graph: Graph, tensor: str) -> tuple[str, list[int]]:
    """Where `tensor` is every n-th pixel of another: that one and the strides."""
    pool = graph.writer.get(tensor)
    if pool is None or pool.op_type != "AveragePool":
        return tensor, [1, 1]
    options = attributes(pool)
    if set(options["kernel_shape"]) != {1} or any(options.get("pads", ())):
        return tensor, [1, 1]
    return pool.input[0], options.get("strides", [1, 1])


def _drop_unread(model: onnx.ModelProto) -> None:
    """Remove the nodes and weights that rewriting has left without a reader."""
    outputs = {output.name for output in model.graph.output}
    read = outputs | {name for node in model.graph.node for name in node.input}
    nodes = [node for node in model.graph.node if read & set(node.output)]
    read = outputs | {name for node in nodes for name in node.input}
    weights = [weight for weight in model.graph.initializer if weight.name in read]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
