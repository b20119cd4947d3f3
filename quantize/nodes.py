"""The nodes of a float graph that a scheme may quantize or keep in float: their names, and what they cost."""

from math import prod

import onnx

from .contract import Layer
from .graph import Graph
from .layers import PRODUCTS

POOLS = ("GlobalAveragePool", "AveragePool", "MaxPool")
MOVES = ("Pad", "Concat", "Reshape", "Flatten")
QUANTIZABLE = (*PRODUCTS, "Add", *POOLS, *MOVES)


def quantizable(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """The nodes on activations that have integer kernels, in the graph's order. Shapes have to be inferred."""
    graph, shifts = Graph(model), shifting(model)
    return tuple(
        Layer(node.name, node.op_type, macs(graph, node))
        for node in graph.nodes
        if node.op_type in QUANTIZABLE and node.name not in shifts and graph.is_float(node.output[0])
    )


def shifting(model: onnx.ModelProto) -> list[str]:
    """Additions of constants, which normalise raw pixels and always stay in float."""
    constants = {weight.name for weight in model.graph.initializer}
    return [node.name for node in model.graph.node if node.op_type == "Add" and constants & set(node.input)]


def names(model: onnx.ModelProto) -> list[str]:
    return [node.name for node in model.graph.node]


def macs(graph: Graph, node: onnx.NodeProto) -> int:
    """Multiply-adds of a convolution or matrix product for one image; 0 for any other node."""
    if node.op_type not in PRODUCTS:
        return 0
    # of one output's sum: input channels of a group, height and width of the kernel; or the columns of a row
    terms = _shape(graph, node.input[1])[1:] if node.op_type == "Conv" else _shape(graph, node.input[0])[-1:]
    return prod(terms) * prod(_shape(graph, node.output[0])[1:])


def _shape(graph: Graph, tensor: str) -> list[int]:
    if tensor in graph.weights:
        return list(graph.weights[tensor].dims)
    return [dim.dim_value for dim in graph.values[tensor].shape.dim]
