"""The integer layers of a QDQ graph: the convolutions and matrix products that a runtime computes in 8 bits.

Such a layer is `DequantizeLinear` of an activation and of constant weights, then Conv, Gemm or MatMul, then possibly
Relu, then `QuantizeLinear`. A layer with a float operand on either side is a float layer, and not found here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..core.errors import ReszooError
from .graph import Graph, attributes

PRODUCTS = ("Conv", "Gemm", "MatMul")
# what gives some of the integers that it reads, in another place
MOVERS = ("Reshape", "Flatten", "MaxPool")
# what these multiply does not stand between QDQ nodes
OPERATOR_FORMAT = {
    "ConvInteger",
    "DynamicQuantizeMatMul",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "QGemm",
    "QLinearConv",
    "QLinearMatMul",
}


@dataclass(frozen=True)
class Affine:
    """How integers stand for real numbers at a QuantizeLinear or DequantizeLinear: real = (q - zero_point) * scale."""

    node: onnx.NodeProto
    scale: NDArray[Any]  # float, () or (channels,)
    zero_point: NDArray[Any]  # of the integers' own type, () or (channels,)
    axis: int  # of the channels, where there are several

    @property
    def integers(self) -> str:
        """The name of the tensor that holds the integers."""
        return str(self.node.output[0] if self.node.op_type == "QuantizeLinear" else self.node.input[0])


@dataclass(frozen=True)
class IntegerLayer:
    """One convolution or matrix product on integers. Without `output`, its result stays float."""

    node: onnx.NodeProto
    input: Affine
    weights: Affine
    weight_values: NDArray[Any]  # Conv (O, I/groups, kH, kW); Gemm (O, I) if transB, else (I, O); MatMul (I, O)
    bias: Affine | None
    bias_values: NDArray[Any] | None  # (O,): int32 where `bias` says how to read it, else float
    relu: onnx.NodeProto | None
    output: Affine | None

    @property
    def name(self) -> str:
        return str(self.node.name or self.node.output[0])

    @property
    def channel_axis(self) -> int:
        """The axis of the weights that counts output channels."""
        if self.node.op_type == "Conv" or attributes(self.node).get("transB"):
            return 0
        return self.weight_values.ndim - 1

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """All its nodes, in an order in which they can run."""
        operands = [part.node for part in (self.input, self.weights, self.bias) if part]
        return [*operands, self.node, *([self.relu] if self.relu else []), *([self.output.node] if self.output else [])]

    @property
    def result(self) -> str:
        """The name of the tensor that leaves it."""
        return str(self.nodes[-1].output[0])


def integer_layers(model: onnx.ModelProto) -> list[IntegerLayer]:
    """Every integer layer, in the graph's order.

    Raises ReszooError for a model in the operator format (QLinearConv and its like), and for weights, scales or zero
    points that are computed rather than stored.
    """
    graph = Graph(model)
    if foreign := sorted({node.op_type for node in graph.nodes} & OPERATOR_FORMAT):
        raise ReszooError(
            f"the model holds {', '.join(foreign)}: it was quantized in the operator format",
            "Quantize the float model in the QDQ format.",
        )
    return [layer for node in graph.nodes if node.op_type in PRODUCTS and (layer := _layer(graph, node))]


def along(vector: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """(channels,) shaped to be broadcast along `axis` of `ndim` axes; one value for all stays as it is."""
    return vector if vector.size == 1 else vector.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def _layer(graph: Graph, node: onnx.NodeProto) -> IntegerLayer | None:
    activation, weights, *rest = (_dequantized(graph, name) for name in node.input)
    if activation is None or weights is None:
        return None
    bias = rest[0] if rest else None
    bias_name = bias.integers if bias else "".join(node.input[2:])
    relu = graph.sole_reader(node.output[0])
    relu = relu if relu and relu.op_type == "Relu" else None
    end = graph.sole_reader((relu or node).output[0])
    output = affine(graph, end) if end and end.op_type == "QuantizeLinear" else None
    return IntegerLayer(
        node=node,
        input=activation,
        weights=weights,
        weight_values=_stored(graph, weights.integers, node),
        bias=bias,
        bias_values=_stored(graph, bias_name, node) if bias_name else None,
        relu=relu if output else None,
        output=output,
    )


def _dequantized(graph: Graph, name: str) -> Affine | None:
    node = graph.writer.get(name)
    return affine(graph, node) if node and node.op_type == "DequantizeLinear" else None


def affine(graph: Graph, node: onnx.NodeProto) -> Affine:
    """How the integers of a QuantizeLinear or DequantizeLinear stand for real numbers."""
    scale = _stored(graph, node.input[1], node)
    # QuantizeLinear without a zero point gives uint8; for a DequantizeLinear, 0 is 0 in every type
    zero_point = _stored(graph, node.input[2], node) if len(node.input) > 2 else np.zeros((), np.uint8)
    axis: Any = attributes(node).get("axis", 1)
    return Affine(node, scale, zero_point, axis)


def _stored(graph: Graph, name: str, reader: onnx.NodeProto) -> NDArray[Any]:
    if name not in graph.weights:
        raise ReszooError(
            f"{reader.op_type} {reader.name or reader.output[0]!r} reads {name!r}, which is computed, not stored",
            "Keep that layer in float, or store its weights as integers.",
        )
    return graph.array(name)
