"""Bias correction (Nagel et al. 2019, section 4.2): what rounding the weights adds to a layer's mean, taken off again.

With W' = W + e, the outputs' means move by e E[x] (equation 17). A layer is linear, so this is what it makes of the
mean input, (C, H, W) over the calibration images, with e for weights: exact at the borders too, where it reads padding.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .graph import Graph
from .layers import PRODUCTS, along, integer_layers

Array = NDArray[np.float64]
FLOAT = onnx.TensorProto.FLOAT
OPSET, IR_VERSION = 18, 10  # of the one-layer models that are run here


def add_biases(model: onnx.ModelProto) -> None:
    """Give every convolution of `model` a bias, zero where it had none: something to correct."""
    graph = Graph(model)
    for node in graph.nodes:
        if node.op_type == "Conv" and len(node.input) == 2 and node.input[1] in graph.weights:
            bias = f"{node.name}.zero_bias"
            zeros = np.zeros(len(graph.array(node.input[1])), np.float32)
            model.graph.initializer.append(numpy_helper.from_array(zeros, bias))
            node.input.append(bias)


def linear_inputs(model: onnx.ModelProto) -> set[str]:
    """The tensors whose means `correct_biases` needs."""
    return {node.input[0] for node in model.graph.node if node.op_type in PRODUCTS}


def correct_biases(model: onnx.ModelProto, quantized: onnx.ModelProto, means: Mapping[str, Array]) -> None:
    """Correct the biases of `quantized` in place. `means` holds the mean inputs by `model`'s tensor names."""
    floats, integers = Graph(model), Graph(quantized)
    sources = {node.name: node for node in floats.nodes}
    for layer in integer_layers(quantized):
        source = sources[layer.name]
        if layer.bias_values is None:
            continue
        weights = layer.weight_values * along(layer.weights.scale, layer.channel_axis, layer.weight_values.ndim)
        shift = _moved(source, weights - floats.array(source.input[1]), means[source.input[0]])
        if layer.bias is None:
            integers.replace(layer.node.input[2], (layer.bias_values - shift).astype(np.float32))
        else:
            corrected = np.round(layer.bias_values - shift / layer.bias.scale)
            integers.replace(layer.bias.integers, np.clip(corrected, -(2**31), 2**31 - 1).astype(np.int32))


def _moved(node: onnx.NodeProto, error: Array, mean: Array) -> Array:
    """The mean of each output channel, (O,), that `node` gives for the mean input with the error as its weights."""
    import onnxruntime

    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    del alone.input[:], alone.output[:]
    alone.input.extend(["x", "e"])
    alone.output.append("y")
    values = {"x": mean[None].astype(np.float32), "e": error.astype(np.float32)}
    fed = [helper.make_tensor_value_info(name, FLOAT, array.shape) for name, array in values.items()]
    graph = helper.make_graph([alone], "layer", fed, [helper.make_tensor_value_info("y", FLOAT, None)])
    model = helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)])
    session: Any = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, values)[0][0]
    channels: Array = found.reshape(len(found), -1).mean(axis=1, dtype=np.float64)
    return channels
